//! The transcript itself: words, speakers, segments, topics; how tracks' words become one text, how it is written out
//! and how it is scored. Knows no database, no engine, no audio.
//!
//! All times are seconds from the recording's start.

mod document;
mod export;
mod merge;
mod notices;
mod roster;
mod score;
mod segments;
mod sentence;
mod speakers;
mod status;
mod time;

pub use document::{
    ActionItem, ActionItems, AudioInfo, Backends, IncompleteTrack, Participant, Segment, Topic, TranscriptDocument,
    Word,
};
pub use export::{FORMATS, Writer, to_json, to_markdown, to_rttm, to_srt, to_text, to_vtt};
pub use merge::{SpokenWord, WordMerger};
pub use notices::{ChatMessage, EventParticipant, Links, Origin, ResultEvent};
pub use roster::{Roster, SpeechTrack, Stay};
pub use score::{
    Attribution, Diarization, PairedBy, Score, ScoreInputError, ScoreSide, SpeakerScore, StartError, WordErrors, score,
};
pub use segments::{segments, segments_with_words, talk_times};
pub use speakers::{Belonging, Speaker, SpeakerSession, Speakers};
pub use status::{Run, Status, StatusEvent, UnknownStatus};
pub use time::{clock_face, from_millis, meeting_duration, round_seconds, to_millis};
