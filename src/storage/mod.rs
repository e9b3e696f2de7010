//! Objects by key: in a folder of this machine, or in a bucket of S3 or a service like it.
//!
//! Derived objects are write-once: a key holds the hash of what the object was made from, so whoever writes it again
//! writes the same bytes. An object is there whole or not at all.

mod error;
mod fetched;
mod key;
mod local;
mod place;
mod s3;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::secret::Secret;

pub use error::StorageError;
pub use fetched::FetchedFolder;
pub use key::ObjectKey;
pub use local::LocalFolder;
pub use place::{BucketPlace, Place, PlaceError, S3Settings};
pub use s3::{Patience, S3Storage};

/// Opens the place of what we make. A missing folder is made; a bucket is not asked yet ([`Storage::check`] does).
///
/// # Errors
/// When the folder can't be made.
pub fn open(place: &Place) -> Result<Arc<dyn Storage>, StorageError> {
    Ok(match place {
        Place::Folder(root) => Arc::new(LocalFolder::open(root)?),
        Place::Bucket(bucket) => Arc::new(S3Storage::new(BucketPlace::clone(bucket), Patience::default())),
    })
}

/// Opens the place of recordings that others made. A folder must be there, and is not written to.
///
/// # Errors
/// [`StorageError::MissingFolder`].
pub fn open_source(place: &Place) -> Result<Arc<dyn Storage>, StorageError> {
    match place {
        Place::Folder(root) => Ok(Arc::new(FetchedFolder::open(root)?)),
        Place::Bucket(_) => open(place),
    }
}

/// A stream of an object's bytes, for blocking threads only. Dropping it stops what feeds it.
pub type ObjectReader = Box<dyn Read + Send>;

/// A place that keeps objects by key.
#[async_trait]
pub trait Storage: Send + Sync {
    /// Opens an object for streaming from its start.
    ///
    /// # Errors
    /// [`StorageError::Missing`] when there is none.
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError>;

    /// An object's length in bytes; `None` when there is none.
    ///
    /// # Errors
    /// When the place can't be asked.
    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError>;

    /// Stores the finished file at `from` under `key`; the file may be moved away or left, and is the caller's to delete.
    /// Replaces an object of that key.
    ///
    /// # Errors
    /// When it can't be written; then the old object, if any, is untouched.
    async fn put_file(&self, key: &ObjectKey, from: &Path) -> Result<(), StorageError>;

    /// Stores a small object.
    ///
    /// # Errors
    /// As [`Storage::put_file`].
    async fn put_bytes(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), StorageError>;

    /// Keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// When the place can't be asked.
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError>;

    /// Keys that begin with `prefix`, in order, also those that were deleted and of which the place keeps older versions.
    /// Where those can't be asked for, the same as [`Storage::list`].
    ///
    /// # Errors
    /// When the place can't be asked.
    async fn list_ever(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        self.list(prefix).await
    }

    /// Deletes an object, older versions of it included; one that is not there is deleted already.
    ///
    /// # Errors
    /// [`StorageError::ReadOnly`] where nothing may be deleted.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;

    /// An address by which whoever has it may read the object for `valid_for`. `None` where there is no such thing. It is
    /// as good as a key: made when needed, never stored or logged.
    ///
    /// # Errors
    /// When no credentials are to be had.
    async fn presign(&self, _key: &ObjectKey, _valid_for: Duration) -> Result<Option<Secret>, StorageError> {
        Ok(None)
    }

    /// Whether the place can be reached and lets us in, for those who ask how the service is.
    ///
    /// # Errors
    /// What stands in the way, naming the place.
    async fn check(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Reads a whole object that is known to be small.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] when it is longer than `limit` bytes.
    async fn read(&self, key: &ObjectKey, limit: u64) -> Result<Vec<u8>, StorageError> {
        let reader = self.open(key).await?;
        let key = key.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            reader
                .take(limit + 1)
                .read_to_end(&mut bytes)
                .map_err(|source| StorageError::Io { key: key.to_string(), source })?;
            if bytes.len() as u64 > limit {
                return Err(StorageError::TooLarge { key: key.to_string(), limit });
            }
            Ok(bytes)
        });
        read.await.map_err(|_| StorageError::Interrupted)?
    }
}
