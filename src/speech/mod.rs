//! Words out of audio: a track's speech is found, packed into windows, recognised window by window, and every word is
//! put back on the recording's clock.

mod error;
mod loops;
mod model_file;
mod recognizer;
mod token_words;
mod track;
mod whisper;
mod windows;

pub use error::SpeechError;
pub use recognizer::{DetectedLanguage, DropReason, DroppedText, HeardWord, Recognition, Recognizer};
pub use track::{
    KeptWindow, SamplesSource, SpokenWord, TrackProgress, TrackSettings, TrackTranscript, WindowKeeper, track_language,
    transcribe_track,
};
pub use whisper::WhisperModel;
pub use windows::{PackedSeconds, Piece, SpeechWindow, TimeMap, WindowSettings, pack};
