//! What a failure means for whoever called: try again, give up, or stop quietly.
//!
//! Every room's error type says its class where the error arises, through [`Failure`]; one pure function,
//! [`classify`], maps outside causes (HTTP status, I/O kind) to classes, so that two rooms never disagree.

use std::any::Any;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// The next move after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The same call may succeed later: time-outs, 429, 5xx, lost connections, garbled answers, not ready yet, full disks.
    Retryable,
    /// The same call will fail again: denied, missing, unreadable media, bad configuration or input.
    Permanent,
    /// Somebody asked for the work to stop.
    Cancelled,
}

impl FailureClass {
    /// The word stored and shown for this class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that knows its class. Room errors implement it; `?` then turns them into a task's error.
pub trait Failure: std::error::Error + Send + Sync + 'static {
    /// What the caller should do next.
    fn class(&self) -> FailureClass;
}

/// A cause from outside the program, as far as its class depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An HTTP answer's status code.
    HttpStatus(u16),
    /// An operating-system error's kind.
    Io(io::ErrorKind),
    /// A deadline passed.
    TimedOut,
    /// An answer that arrived whole but can't be read.
    GarbledAnswer,
    /// The thing asked for does not exist *yet*.
    NotReady,
    /// Input, media or configuration that will not get better.
    BadInput,
}

/// Maps a cause to its class. 4xx other than 408, 425 and 429 will not change by asking again; everything that
/// depends on load, network or free space may.
pub fn classify(cause: Cause) -> FailureClass {
    use FailureClass::{Permanent, Retryable};
    match cause {
        Cause::HttpStatus(408 | 425 | 429) => Retryable,
        Cause::HttpStatus(400..=499) => Permanent,
        Cause::HttpStatus(_) => Retryable,
        Cause::Io(
            io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::Unsupported,
        ) => Permanent,
        Cause::Io(_) => Retryable,
        Cause::TimedOut | Cause::GarbledAnswer | Cause::NotReady => Retryable,
        Cause::BadInput => Permanent,
    }
}

/// An error and its causes in one line. A cause that the text ends with already is not said again.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if !told.ends_with(&text) {
            told.push_str(": ");
            told.push_str(&text);
        }
        cause = deeper.source();
    }
    told
}

/// What a panic that was caught said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let said = panic.downcast_ref::<&str>().copied();
    said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Said {
        said: &'static str,
        source: Option<io::Error>,
    }

    #[test]
    fn a_cause_is_told_once() {
        let told = |said| with_causes(&Said { said, source: Some(io::Error::other("disk full")) });
        assert_eq!(told("a.toml: disk full"), "a.toml: disk full");
        assert_eq!(told("can't write a.toml"), "can't write a.toml: disk full");
        assert_eq!(with_causes(&Said { said: "alone", source: None }), "alone");
    }

    #[test]
    fn h7_u12_every_cause_has_its_class() {
        use FailureClass::{Permanent, Retryable};
        let table = [
            (Cause::HttpStatus(400), Permanent),
            (Cause::HttpStatus(401), Permanent),
            (Cause::HttpStatus(402), Permanent),
            (Cause::HttpStatus(403), Permanent),
            (Cause::HttpStatus(404), Permanent),
            (Cause::HttpStatus(408), Retryable),
            (Cause::HttpStatus(413), Permanent),
            (Cause::HttpStatus(425), Retryable),
            (Cause::HttpStatus(429), Retryable),
            (Cause::HttpStatus(500), Retryable),
            (Cause::HttpStatus(503), Retryable),
            (Cause::Io(io::ErrorKind::NotFound), Permanent),
            (Cause::Io(io::ErrorKind::PermissionDenied), Permanent),
            (Cause::Io(io::ErrorKind::StorageFull), Retryable),
            (Cause::Io(io::ErrorKind::ConnectionReset), Retryable),
            (Cause::Io(io::ErrorKind::UnexpectedEof), Retryable),
            (Cause::TimedOut, Retryable),
            (Cause::GarbledAnswer, Retryable),
            (Cause::NotReady, Retryable),
            (Cause::BadInput, Permanent),
        ];
        for (cause, class) in table {
            assert_eq!(classify(cause), class, "{cause:?}");
        }
    }
}
