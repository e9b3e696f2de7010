//! Newtypes for identities. Text from outside is parsed into one of these at the edge; inside, a recording's id
//! can't be passed where a transcript's is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text that is no identity: empty, too long, or with control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} id {text:?} is not usable: {why}")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
    why: &'static str,
}

fn checked(kind: &'static str, text: &str) -> Result<String, InvalidId> {
    let why = if text.is_empty() {
        "it is empty"
    } else if text.len() > 200 {
        "it is longer than 200 bytes"
    } else if text.chars().any(char::is_control) {
        "it has control characters"
    } else {
        return Ok(text.to_owned());
    };
    Err(InvalidId { kind, text: text.chars().take(40).collect(), why })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text, as stored and sent.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                checked($kind, text).map(Self)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                checked($kind, &text).map(Self)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// Ids this program makes itself: UUIDv7 text, so that they sort by the time they were made.
macro_rules! own_id {
    ($($name:ident),+) => {$(
        impl $name {
            /// A new id, never used before.
            pub fn generate() -> Self {
                Self(Uuid::now_v7().to_string())
            }
        }
    )+};
}

id!(/// Daily's id of one recording.
    RecordingId, "recording");
id!(/// Daily's id of one meeting session (`mtgSessionId`).
    MeetingId, "meeting");
id!(/// Daily's id of one participant *session*: a person who re-joins gets a new one.
    ParticipantId, "participant");
id!(/// A track within one transcript: short (`t000`, `t001`, …), so that plans of hundreds of tracks stay small.
    TrackId, "track");
id!(/// A transcript.
    TranscriptId, "transcript");
id!(/// One run of a workflow.
    RunId, "run");
id!(/// One task of one run.
    TaskRunId, "task run");
id!(/// One try of a task run.
    AttemptId, "attempt");
id!(/// A run that was asked for, on whichever engine.
    RequestId, "request");

own_id!(TranscriptId, RunId, TaskRunId, AttemptId, RequestId);

impl TrackId {
    /// The id of the track at `position` in the recording's list.
    pub fn at(position: usize) -> Self {
        Self(format!("t{position:03}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_can_not_be_one() {
        assert!("".parse::<RecordingId>().is_err());
        assert!("a\nb".parse::<RecordingId>().is_err());
        assert!("x".repeat(201).parse::<RecordingId>().is_err());
        assert_eq!("rec-1".parse::<RecordingId>().unwrap().as_str(), "rec-1");
    }

    #[test]
    fn generated_ids_sort_by_the_time_they_were_made() {
        let ids: Vec<RunId> = (0..100).map(|_| RunId::generate()).collect();
        assert!(ids.is_sorted());
    }
}
