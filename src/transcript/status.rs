//! A transcript's status, and the one place that says how it changes.
//!
//! ```text
//! idle ──> recording ──> uploaded ──> processing ──> ended
//!   └────────┴──────────────┴──> error <──┘   ^         │
//!                                  └──────────┴─────────┘  (a run starts)
//! ```
//!
//! `ended` absorbs for the run that reached it: nothing that this run still says, nor any older one, changes it; only a
//! new run goes back to `processing`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a transcript stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Known, nothing recorded yet.
    #[default]
    Idle,
    /// The recording's files are there.
    Uploaded,
    /// Being recorded.
    Recording,
    /// A run works on it.
    Processing,
    /// The last run is dead, or recording failed.
    Error,
    /// Finished and readable.
    Ended,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Uploaded, Self::Recording, Self::Processing, Self::Error, Self::Ended];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Uploaded => "uploaded",
            Self::Recording => "recording",
            Self::Processing => "processing",
            Self::Error => "error",
            Self::Ended => "ended",
        }
    }

    /// The status after `event`: `None` where the event changes nothing, because it is late, repeated or of a run that
    /// is not the transcript's current one.
    pub fn after(self, event: StatusEvent) -> Option<Self> {
        use Status::{Ended, Error, Idle, Processing, Recording, Uploaded};
        use StatusEvent::{
            RecordingFailed, RecordingReady, RecordingStarted, RunEnded, RunFailed, RunNeverBegan, RunStarted,
        };
        let next = match (self, event) {
            (Idle | Error, RecordingStarted) => Recording,
            (Idle | Recording | Error, RecordingReady) => Uploaded,
            (Idle | Recording | Uploaded, RecordingFailed) => Error,
            // The same run starts again after `error` when it is resumed; one that ended has nothing more to say.
            (Idle | Uploaded | Recording | Processing | Error, RunStarted(_)) => Processing,
            (Ended, RunStarted(Run::Other)) => Processing,
            (Processing, RunEnded(Run::Current)) => Ended,
            (Processing, RunFailed(Run::Current)) => Error,
            (Idle | Recording | Uploaded, RunNeverBegan) => Error,
            _ => return None,
        };
        (next != self).then_some(next)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that is no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no transcript status")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// Which run speaks, compared with the one the transcript has on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// The transcript's current run.
    Current,
    /// Another one: when it starts, a newer one; when it says anything else, one that was superseded.
    Other,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusEvent {
    /// Daily began to record.
    RecordingStarted,
    /// The recording's files are there.
    RecordingReady,
    /// Daily could not record.
    RecordingFailed,
    /// A run began, or a failed one was resumed.
    RunStarted(Run),
    /// A run published its results.
    RunEnded(Run),
    /// A run is dead: no task of it will be tried again. A failed attempt alone is no such event.
    RunFailed(Run),
    /// The run that was asked for died or was stopped before its first step could say anything.
    RunNeverBegan,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Run::{Current, Other};
    use StatusEvent::*;

    #[test]
    fn h6_u24_every_status_meets_every_event() {
        // One row per event; columns as Status::ALL; a dash changes nothing.
        let table = [
            (RecordingStarted, "recording - - - recording -"),
            (RecordingReady, "uploaded - uploaded - uploaded -"),
            (RecordingFailed, "error error error - - -"),
            (RunStarted(Current), "processing processing processing - processing -"),
            (RunStarted(Other), "processing processing processing - processing processing"),
            (RunEnded(Current), "- - - ended - -"),
            (RunEnded(Other), "- - - - - -"),
            (RunFailed(Current), "- - - error - -"),
            (RunNeverBegan, "error error error - - -"),
            (RunFailed(Other), "- - - - - -"),
        ];
        for (event, row) in table {
            for (status, expected) in Status::ALL.into_iter().zip(row.split(' ')) {
                let next = status.after(event).map_or("-", Status::as_str);
                assert_eq!(next, expected, "{status} after {event:?}");
            }
        }
    }

    #[test]
    fn u24_a_run_that_ended_can_say_nothing_that_un_ends_it() {
        let own = [RunStarted(Current), RunEnded(Current), RunFailed(Current), RunFailed(Other), RecordingFailed];
        assert!(own.into_iter().all(|event| Status::Ended.after(event).is_none()));
        assert_eq!(Status::Ended.after(RunStarted(Other)), Some(Status::Processing));
    }

    #[test]
    fn a_status_is_written_as_one_word_and_read_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{status}\""));
        }
        assert!("Ended".parse::<Status>().is_err());
    }
}
