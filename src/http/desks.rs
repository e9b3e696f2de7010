//! What the API passes on to other rooms, as far as it has to know them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::clock::Timestamp;
use crate::ids::{MeetingId, RecordingId, RunId, TranscriptId};

/// Whom a finished transcript is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// Nobody.
    None,
    /// Those who were told before: their message is changed.
    Update,
    /// Everybody who is configured.
    #[default]
    All,
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAsked {
    /// The request, which outlives an engine that is down.
    pub request: String,
    /// The run, once the engine has one.
    pub run: Option<RunId>,
}

/// Why no run is started.
#[derive(Debug, Clone, PartialEq)]
pub enum ProcessRefusal {
    /// There is no such transcript.
    NoTranscript,
    /// One is under way.
    Running {
        /// Which, where the engine has it already.
        run: Option<RunId>,
    },
    /// The audio was deleted, because consent was denied. The transcript stays.
    AudioDeleted {
        /// When.
        at: Timestamp,
    },
    /// The recording was deleted.
    RecordingDeleted {
        /// When.
        at: Timestamp,
    },
    /// It failed.
    Failed(Problem),
}

/// Starts runs.
#[async_trait]
pub trait Processing: Send + Sync + 'static {
    /// Asks for a new run for a transcript.
    ///
    /// # Errors
    /// Why there is none.
    async fn process(&self, transcript: &TranscriptId, notify: Notify) -> Result<RunAsked, ProcessRefusal>;
}

/// What answers are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentScope {
    /// One recording.
    Recording(RecordingId),
    /// All recordings of a meeting, those to come too.
    Meeting(MeetingId),
}

/// What became of a recording's audio after answers about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioFate {
    /// Nobody says no.
    Kept,
    /// Nothing was made of the recording yet: the run that does deletes it.
    DeletedWhenProcessed,
    /// A run is at work, which deletes it at its end.
    DeletedByRun,
    /// It was deleted before.
    DeletedBefore,
    /// It is deleted.
    Deleted,
    /// What was made of it is deleted; the recording's own files are in a place that nothing may be deleted in.
    OriginalsLeft,
    /// It is being deleted; what did not work at once is tried again.
    BeingDeleted,
}

/// Takes answers whether audio may be kept. A denial deletes audio at once.
#[async_trait]
pub trait ConsentDesk: Send + Sync + 'static {
    /// All answers so far, by user id or participant id.
    ///
    /// # Errors
    /// When they can't be read.
    async fn answers(&self, scope: &ConsentScope) -> Result<BTreeMap<String, bool>, Problem>;

    /// Takes answers; later ones of the same person replace earlier ones. Says what became of the recordings they are
    /// about, those that are known.
    ///
    /// # Errors
    /// When they can't be stored.
    async fn record(
        &self,
        scope: &ConsentScope,
        answers: BTreeMap<String, bool>,
    ) -> Result<BTreeMap<RecordingId, AudioFate>, Problem>;
}
