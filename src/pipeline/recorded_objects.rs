//! A recorded folder's track files, behind the face that a bucket has. Read-only: replay never changes what it replays.

use std::fs::File;
use std::path::Path;

use async_trait::async_trait;

use crate::daily::RecordedFolder;
use crate::storage::{ObjectKey, ObjectReader, Storage, StorageError};

/// The files of one recorded meeting, looked up by the last part of a key, with or without `.webm`.
#[derive(Debug, Clone)]
pub struct RecordedObjects(RecordedFolder);

impl RecordedObjects {
    /// The files of `folder`.
    pub fn new(folder: RecordedFolder) -> Self {
        Self(folder)
    }
}

fn read_only(key: &ObjectKey) -> StorageError {
    StorageError::ReadOnly { key: key.to_string() }
}

#[async_trait]
impl Storage for RecordedObjects {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        let path = self.0.locate(key.as_str()).ok_or_else(|| StorageError::Missing { key: key.to_string() })?;
        let key = key.to_string();
        let opened = tokio::task::spawn_blocking(move || File::open(path));
        let file = opened.await.map_err(|_| StorageError::Interrupted)?;
        Ok(Box::new(file.map_err(|source| StorageError::Io { key, source })?))
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        let Some(path) = self.0.locate(key.as_str()) else { return Ok(None) };
        let found = tokio::fs::metadata(path).await;
        found.map(|found| Some(found.len())).map_err(|source| StorageError::Io { key: key.to_string(), source })
    }

    async fn put_file(&self, key: &ObjectKey, _: &Path) -> Result<(), StorageError> {
        Err(read_only(key))
    }

    async fn put_bytes(&self, key: &ObjectKey, _: &[u8]) -> Result<(), StorageError> {
        Err(read_only(key))
    }

    async fn list(&self, _: &str) -> Result<Vec<ObjectKey>, StorageError> {
        let tracks = &self.0.only_recording().tracks;
        Ok(tracks.iter().filter_map(|track| track.s3_key.parse().ok()).collect())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        Err(read_only(key))
    }
}
