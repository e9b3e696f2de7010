//! Objects that somebody fetched out of a bucket into a folder: the source of recordings where there is no bucket.

use std::path::Path;

use async_trait::async_trait;

use super::{LocalFolder, ObjectKey, ObjectReader, Storage, StorageError};

/// What browsers add to the names of Daily's tracks, which have no ending in the bucket.
const ADDED_BY_BROWSERS: &str = ".webm";

/// A folder with a bucket's objects under their keys, each perhaps with `.webm` added. They can be read and deleted;
/// nothing is written here.
#[derive(Debug, Clone)]
pub struct FetchedFolder(LocalFolder);

impl FetchedFolder {
    /// The folder at `root`, which must be there: one that was made here would hold no recordings.
    ///
    /// # Errors
    /// [`StorageError::MissingFolder`].
    pub fn open(root: impl AsRef<Path>) -> Result<Self, StorageError> {
        LocalFolder::existing(root.as_ref()).map(Self)
    }

    /// The key under which the object's file is.
    async fn found(&self, key: &ObjectKey) -> Result<ObjectKey, StorageError> {
        if self.0.size(key).await?.is_none()
            && let Ok(longer) = format!("{key}{ADDED_BY_BROWSERS}").parse()
            && self.0.size(&longer).await?.is_some()
        {
            return Ok(longer);
        }
        Ok(key.clone())
    }
}

fn read_only(key: &ObjectKey) -> StorageError {
    StorageError::ReadOnly { key: key.to_string() }
}

#[async_trait]
impl Storage for FetchedFolder {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        self.0.open(&self.found(key).await?).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        self.0.size(&self.found(key).await?).await
    }

    async fn put_file(&self, key: &ObjectKey, _: &Path) -> Result<(), StorageError> {
        Err(read_only(key))
    }

    async fn put_bytes(&self, key: &ObjectKey, _: &[u8]) -> Result<(), StorageError> {
        Err(read_only(key))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        self.0.list(prefix).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.0.delete(&self.found(key).await?).await
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.0.check_readable().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tracks_are_found_with_and_without_the_ending_that_browsers_add() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("domain/room")).unwrap();
        std::fs::write(root.path().join("domain/room/1-cam-audio-2.webm"), b"two").unwrap();
        std::fs::write(root.path().join("domain/room/3-cam-audio-4"), b"exact").unwrap();
        let folder = FetchedFolder::open(root.path()).unwrap();
        let key = |text: &str| text.parse::<ObjectKey>().unwrap();
        assert_eq!(folder.read(&key("domain/room/1-cam-audio-2"), 9).await.unwrap(), b"two");
        assert_eq!(folder.read(&key("domain/room/1-cam-audio-2.webm"), 9).await.unwrap(), b"two");
        assert_eq!(folder.size(&key("domain/room/3-cam-audio-4")).await.unwrap(), Some(5));
        assert!(matches!(folder.open(&key("domain/room/5")).await, Err(StorageError::Missing { .. })));
        assert!(matches!(folder.put_bytes(&key("x"), b"").await, Err(StorageError::ReadOnly { .. })));
        folder.delete(&key("domain/room/1-cam-audio-2")).await.unwrap();
        assert_eq!(folder.list("").await.unwrap(), [key("domain/room/3-cam-audio-4")]);
        folder.check().await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_not_made() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("recordings");
        let error = FetchedFolder::open(&missing).unwrap_err();
        assert!(matches!(error, StorageError::MissingFolder { .. }), "{error}");
        assert!(!missing.exists());
        let folder = FetchedFolder::open(root.path()).unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        root.close().unwrap();
        assert!(folder.check().await.is_err());
    }
}
