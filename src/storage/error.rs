//! How storage fails, and what that means for whoever called.

use std::io;

use crate::failure::{Cause, Failure, FailureClass, classify};

/// A failure of a place that keeps objects.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object of that key.
    #[error("{key}: there is no such object")]
    Missing {
        /// The key.
        key: String,
    },
    /// Text that can't be a key.
    #[error("{key:?} is no object key: {why}")]
    BadKey {
        /// The text, shortened.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Nothing may be written or deleted here.
    #[error("{key}: this place is read-only")]
    ReadOnly {
        /// The key.
        key: String,
    },
    /// An object that should have been small.
    #[error("{key}: longer than {limit} bytes")]
    TooLarge {
        /// The key.
        key: String,
        /// Bytes.
        limit: u64,
    },
    /// The operating system refused.
    #[error("{key}")]
    Io {
        /// The key or file.
        key: String,
        /// Its word.
        source: io::Error,
    },
    /// The program is shutting down.
    #[error("reading was interrupted")]
    Interrupted,
}

impl Failure for StorageError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Missing { .. } | Self::BadKey { .. } | Self::ReadOnly { .. } | Self::TooLarge { .. } => {
                FailureClass::Permanent
            }
            Self::Io { source, .. } => classify(Cause::Io(source.kind())),
            Self::Interrupted => FailureClass::Retryable,
        }
    }
}
