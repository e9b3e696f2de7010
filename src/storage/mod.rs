//! Objects by key: a local folder today, S3 behind the same face.
//!
//! Derived objects are write-once: a key holds the hash of what the object was made from, so whoever writes it again
//! writes the same bytes. An object is there whole or not at all.

mod error;
mod key;
mod local;

use std::io::Read;
use std::path::Path;

use async_trait::async_trait;

pub use error::StorageError;
pub use key::ObjectKey;
pub use local::LocalFolder;

/// A stream of an object's bytes, for blocking threads.
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

    /// Stores the finished file at `from` under `key`; the file may be moved away. Replaces an object of that key.
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

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// [`StorageError::ReadOnly`] where nothing may be deleted.
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError>;

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
