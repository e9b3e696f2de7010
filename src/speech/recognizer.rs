//! The face that every recogniser has, so that the way from a track to words does not depend on which one it is.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::error::SpeechError;
use super::windows::{PackedSeconds, WindowSettings};

/// Turns windows of speech into words. Calls block and burn CPU: make them on a blocking thread.
pub trait Recognizer: Send + Sync {
    /// For people: `whisper (ggml-large-v3-turbo.bin)`.
    fn name(&self) -> String;

    /// What the words depend on beside the audio (model checksum, settings' version): part of content keys. Two
    /// recognisers with the same identity give the same words for the same audio.
    fn identity(&self) -> String;

    /// Whether `language` (ISO 639-1, or `auto`) can be recognised; asked before any work.
    fn accepts(&self, language: &str) -> Result<(), SpeechError>;

    /// How speech is to be packed for it.
    fn windows(&self) -> WindowSettings {
        WindowSettings::default()
    }

    /// The one language that it knows, ISO 639-1; `None` when it knows several.
    fn only_language(&self) -> Option<String> {
        None
    }

    /// Which language is spoken in `pcm` (mono, 16 kHz, -1..=1).
    fn detect_language(&self, pcm: &[f32], cancel: &CancellationToken) -> Result<DetectedLanguage, SpeechError>;

    /// The words in one window of `pcm` (mono, 16 kHz, -1..=1, at most 30 s), spoken in `language` (ISO 639-1).
    fn recognize(&self, pcm: &[f32], language: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError>;
}

/// A guess at a language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectedLanguage {
    /// ISO 639-1.
    pub language: String,
    /// 0..=1.
    pub probability: f32,
}

/// What a recogniser heard in one window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recognition {
    /// In order of time.
    pub words: Vec<HeardWord>,
    /// Heard and not believed.
    pub dropped: Vec<DroppedText>,
}

/// One word on a window's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct HeardWord {
    /// With its punctuation, no outer space.
    pub text: String,
    /// From the window's first sample.
    pub start: PackedSeconds,
    /// Not before `start`.
    pub end: PackedSeconds,
    /// 0..=1.
    pub probability: f32,
}

/// Why text was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The same words over and over: the decoder was stuck.
    Loop,
    /// The model itself doubts that this was speech.
    NoSpeech,
    /// A description of a sound, such as `[BLANK_AUDIO]` or `(music)`.
    SoundDescription,
}

/// Text that a recogniser made and we do not show; kept for audits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DroppedText {
    /// As heard.
    pub text: String,
    /// Why it is not shown.
    pub reason: DropReason,
}
