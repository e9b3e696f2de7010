//! How storage fails, and what that means for whoever called.

use std::io;

use crate::failure::{Cause, Failure, FailureClass, classify};

/// A failure of a place that keeps objects.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object of that key.
    #[error("{key}: there is no such object")]
    Missing {
        /// The key; in a bucket the object's address.
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
    /// A folder that has to be there.
    #[error("{folder}: there is no such folder")]
    MissingFolder {
        /// Its path.
        folder: String,
    },
    /// No bucket of that name.
    #[error("{object}: there is no such bucket")]
    MissingBucket {
        /// The object's address, `s3://bucket/key`.
        object: String,
    },
    /// The credentials are good, but do not allow this.
    #[error("{object}: access denied ({why})")]
    Denied {
        /// The object's address.
        object: String,
        /// What was said, and what may be missing.
        why: String,
    },
    /// No credentials, or ones that are wrong or have expired.
    #[error("{object}: the credentials can't be used: {why}")]
    BadCredentials {
        /// The object's address.
        object: String,
        /// What was said.
        why: String,
    },
    /// The bucket is in another region than the one that was asked.
    #[error("{object}: the bucket is not in region {asked} but in {}", right.as_deref().unwrap_or("another"))]
    WrongRegion {
        /// The object's address.
        object: String,
        /// The region that was asked.
        asked: String,
        /// The region that S3 asks for.
        right: Option<String>,
    },
    /// Some other request that will not be answered better next time.
    #[error("{object}: refused ({why})")]
    Refused {
        /// The object's address.
        object: String,
        /// What was said.
        why: String,
    },
    /// Too busy, broken, slow or out of reach.
    #[error("{object}: not available ({why})")]
    Unavailable {
        /// The object's address.
        object: String,
        /// What was said or happened.
        why: String,
    },
    /// While the object was read, another took its place. Reading it again from the start may succeed.
    #[error("{object}: was replaced while it was read")]
    Replaced {
        /// The object's address.
        object: String,
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
            Self::Missing { .. }
            | Self::BadKey { .. }
            | Self::ReadOnly { .. }
            | Self::MissingFolder { .. }
            | Self::MissingBucket { .. }
            | Self::Denied { .. }
            | Self::BadCredentials { .. }
            | Self::WrongRegion { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. } => FailureClass::Permanent,
            Self::Io { source, .. } => classify(Cause::Io(source.kind())),
            Self::Unavailable { .. } | Self::Replaced { .. } | Self::Interrupted => FailureClass::Retryable,
        }
    }
}

/// For readers in the middle of an object. The kind says the class, as [`classify`] reads it; never
/// [`io::ErrorKind::UnexpectedEof`], which would look like a file that is cut off.
impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::Io { source, .. } => source.kind(),
            StorageError::Missing { .. } => io::ErrorKind::NotFound,
            StorageError::Denied { .. } | StorageError::BadCredentials { .. } => io::ErrorKind::PermissionDenied,
            error if error.class() == FailureClass::Retryable => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_middle_of_an_object_keeps_its_class() {
        let (object, why) = (|| "s3://b/k".to_owned(), || "x".to_owned());
        for error in [
            StorageError::Missing { key: object() },
            StorageError::MissingBucket { object: object() },
            StorageError::Denied { object: object(), why: why() },
            StorageError::BadCredentials { object: object(), why: why() },
            StorageError::WrongRegion { object: object(), asked: why(), right: None },
            StorageError::Refused { object: object(), why: why() },
            StorageError::Unavailable { object: object(), why: why() },
            StorageError::Replaced { object: object() },
            StorageError::Io { key: object(), source: io::ErrorKind::StorageFull.into() },
            StorageError::Interrupted,
        ] {
            let class = error.class();
            let error = io::Error::from(error);
            assert_eq!(classify(Cause::Io(error.kind())), class, "{error}");
            assert_ne!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
