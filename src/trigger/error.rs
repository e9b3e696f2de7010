//! Why no run was started.

use crate::clock::Timestamp;
use crate::failure::{Failure, FailureClass};
use crate::ids::{RecordingId, RunId, TranscriptId};
use crate::store::StoreError;

/// Why no run was started.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// One is at work, or is going to be.
    #[error("recording {recording} is being processed{} since {since}{}",
        run.as_ref().map_or(String::new(), |run| format!(" by run {run}")),
        why.as_ref().map_or(String::new(), |why| format!(": {why}")))]
    Active {
        /// The recording.
        recording: RecordingId,
        /// Its transcript.
        transcript: TranscriptId,
        /// The engine's run; `None` while the engine has none for it yet.
        run: Option<RunId>,
        /// When it was asked for.
        since: Timestamp,
        /// What it waits for, when it has no run or that was not so the last time.
        why: Option<String>,
    },
    /// A run was asked for before, and this is only one more notice of the same recording.
    #[error("a run was asked for recording {recording} before")]
    Served {
        /// The recording.
        recording: RecordingId,
    },
    /// Consent was denied, and the audio is gone.
    #[error(
        "the audio of recording {recording} was deleted at {at} because consent was denied, so it can't be processed \
             again; its transcript stays as it is"
    )]
    AudioDeleted {
        /// The recording.
        recording: RecordingId,
        /// When.
        at: Timestamp,
    },
    /// Somebody deleted the recording.
    #[error("recording {recording} was deleted at {at}, so it is not processed again")]
    Deleted {
        /// The recording.
        recording: RecordingId,
        /// When.
        at: Timestamp,
    },
    /// There is no such transcript.
    #[error("there is no transcript {0}")]
    UnknownTranscript(TranscriptId),
    /// Nothing says which recording the transcript is of.
    #[error("transcript {0} names no recording, so there is nothing to process")]
    NoRecording(TranscriptId),
    /// The engine will not run it however often it is asked.
    #[error("the engine refuses to process recording {recording}: {why}")]
    Refused {
        /// The recording.
        recording: RecordingId,
        /// Its word.
        why: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Failure for TriggerError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Store(error) => error.class(),
            // It may be over by the next time.
            Self::Active { .. } => FailureClass::Retryable,
            Self::Served { .. }
            | Self::AudioDeleted { .. }
            | Self::Deleted { .. }
            | Self::UnknownTranscript(_)
            | Self::NoRecording(_)
            | Self::Refused { .. } => FailureClass::Permanent,
        }
    }
}
