//! The shape of `transcript.json`. All times are seconds from the recording's start, written with three decimals.

use serde::{Deserialize, Serialize};

use crate::ids::TranscriptId;

use super::{Status, time};

/// One word with its punctuation, no outer space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// As recognised, case and punctuation included.
    pub text: String,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub start: f64,
    /// Seconds; not before `start`.
    #[serde(serialize_with = "time::serialize")]
    pub end: f64,
    /// 0-based, in order of first appearance.
    pub speaker: usize,
    /// The recogniser's confidence, 0..=1.
    #[serde(serialize_with = "time::serialize")]
    pub probability: f64,
}

/// What one speaker says without stopping: ends at `. ? !`, at a pause over 1 s, or at 30 s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// 0-based.
    pub speaker: usize,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub start: f64,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub end: f64,
    /// The words joined by spaces.
    pub text: String,
}

/// Somebody who joined, silent or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Participant {
    /// The person's user id where there is a usable one, else the first session's id.
    pub id: String,
    /// The display name, or `Speaker N`.
    pub name: String,
    /// 0-based, in order of first appearance.
    pub speaker: usize,
    /// Seconds: the union of the speaker's segments.
    #[serde(serialize_with = "time::serialize")]
    pub talk_time: f64,
    /// Daily's participant (session) ids that are this person.
    pub sessions: Vec<String>,
}

/// A stretch of the meeting about one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    /// A few words.
    pub title: String,
    /// A sentence or two.
    pub summary: String,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub start: f64,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub duration: f64,
}

/// Something somebody will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionItem {
    /// What is to be done.
    pub task: String,
    /// The participant's name, when said.
    pub assignee: Option<String>,
    /// As said (`by Friday`), when said.
    pub deadline: Option<String>,
}

/// What was decided and what comes next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ActionItems {
    /// Sentences that settle something.
    pub decisions: Vec<String>,
    /// What somebody will do.
    pub next_steps: Vec<ActionItem>,
}

/// A track that could not be used, or not all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncompleteTrack {
    /// The track's key as the recording lists it.
    pub track: String,
    /// Why, for people.
    pub reason: String,
}

/// Which backends made the words and the texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backends {
    /// E.g. `whisper (ggml-large-v3.bin)`.
    pub speech: String,
    /// E.g. `extractive`.
    pub language: String,
}

/// The mixdown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioInfo {
    /// Storage key, relative to the transcript's prefix.
    pub key: String,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub duration: f64,
}

/// The finished transcript, as written to `transcript.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptDocument {
    /// 1.
    pub schema_version: u32,
    /// The transcript's id.
    pub id: TranscriptId,
    /// What the meeting was about.
    pub title: String,
    /// Where the transcript stands.
    pub status: Status,
    /// ISO 639-1.
    pub language: String,
    /// Who made the words and the texts.
    pub backends: Backends,
    /// Seconds: Daily's, else the media's end.
    #[serde(serialize_with = "time::serialize")]
    pub duration: f64,
    /// All who joined.
    pub participants: Vec<Participant>,
    /// Sorted by start.
    pub words: Vec<Word>,
    /// Sorted by start; overlapping ones are kept for each speaker.
    pub segments: Vec<Segment>,
    /// In order.
    pub topics: Vec<Topic>,
    /// Markdown, a sentence or two.
    pub short_summary: String,
    /// Markdown, with headings and bullet points.
    pub long_summary: String,
    /// Decisions and next steps.
    pub action_items: ActionItems,
    /// Tracks that could not be used whole.
    pub incomplete_tracks: Vec<IncompleteTrack>,
    /// The mixdown; absent when consent was denied.
    pub audio: Option<AudioInfo>,
}
