//! The kinds of results.

use serde::{Deserialize, Serialize};

use super::ResultKind;
use crate::ids::TrackId;
use crate::transcript::{ActionItems, IncompleteTrack, Speakers, Topic};

/// Where an object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Among the recording's own files.
    Original,
    /// Below the transcript's prefix in our own storage.
    Derived,
}

/// The file of an aligned track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackObject {
    /// Whose file it is.
    pub place: Place,
    /// A recording's key as listed, or a key relative to the transcript's prefix.
    pub key: String,
}

/// What became of one track of speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackUse {
    /// The track.
    pub track: TrackId,
    /// The key as the recording lists it.
    pub source_key: String,
    /// Whose voice it is.
    pub speaker: usize,
    /// The aligned file; `None` when the track could not be read.
    pub object: Option<TrackObject>,
    /// Hash of the source's bytes.
    pub content: Option<String>,
    /// Seconds from the recording's start to the first packet.
    pub offset: f64,
    /// Seconds from the recording's start to the end of the last packet.
    pub end: f64,
    /// Words heard.
    pub words: usize,
    /// Why not all of it could be used.
    pub reasons: Vec<String>,
}

/// What became of all tracks of speech, in the recording's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracksResult {
    /// One per cam-audio track; tracks without words stay.
    pub tracks: Vec<TrackUse>,
}

impl TracksResult {
    /// Seconds from the recording's start to the end of the last track.
    pub fn media_end(&self) -> f64 {
        self.tracks.iter().map(|track| track.end).fold(0.0, f64::max)
    }

    /// The tracks that could not be used, or not all of them.
    pub fn incomplete(&self) -> Vec<IncompleteTrack> {
        self.tracks
            .iter()
            .flat_map(|track| {
                track
                    .reasons
                    .iter()
                    .map(|reason| IncompleteTrack { track: track.source_key.clone(), reason: reason.clone() })
            })
            .collect()
    }
}

/// Who heard the words, and in which language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeechResult {
    /// The recogniser, for people.
    pub backend: String,
    /// ISO 639-1; that of most words.
    pub language: String,
}

/// The mixed audio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixdown {
    /// The MP3, relative to the transcript's prefix.
    pub key: String,
    /// The peaks it was made with, relative to the transcript's prefix.
    pub envelope_key: String,
    /// Seconds.
    pub duration: f64,
}

/// The picture of the mixdown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waveform {
    /// 255 values, 0..=1, two decimals.
    pub peaks: Vec<f64>,
}

/// What was talked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicsResult {
    /// Who made them.
    pub backend: String,
    /// In order.
    pub topics: Vec<Topic>,
}

/// What the meeting was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleResult {
    /// Who made it.
    pub backend: String,
    /// A few words.
    pub title: String,
}

/// The meeting retold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryResult {
    /// Who made it.
    pub backend: String,
    /// Markdown, a few sentences.
    pub short: String,
    /// Markdown.
    pub long: String,
}

/// Decisions and next steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionItemsResult {
    /// Who made them.
    pub backend: String,
    /// The items.
    pub items: ActionItems,
}

/// What consent demanded and could not be done here: recordings' own files in a place that is read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalsLeft {
    /// Keys as the recording lists them.
    pub keys: Vec<String>,
}

macro_rules! kinds {
    ($($kind:ty => $name:literal),+ $(,)?) => {$(
        impl ResultKind for $kind {
            const KIND: &'static str = $name;
        }
    )+};
}

kinds! {
    Speakers => "speakers",
    TracksResult => "tracks",
    SpeechResult => "speech",
    Mixdown => "mixdown",
    Waveform => "waveform",
    TopicsResult => "topics",
    TitleResult => "title",
    SummaryResult => "summary",
    ActionItemsResult => "action_items",
    OriginalsLeft => "originals_left",
}
