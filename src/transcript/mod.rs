//! The transcript itself: words, speakers, segments, topics; how tracks' words become one text, how it is written out
//! and how it is scored. Knows no database, no engine, no audio.
//!
//! All times are seconds from the recording's start.

mod document;

pub use document::{
    ActionItem, ActionItems, AudioInfo, Backends, IncompleteTrack, Participant, Segment, Topic, TranscriptDocument,
    Word,
};
