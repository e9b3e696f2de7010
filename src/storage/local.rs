//! Objects as files of a folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{ObjectKey, ObjectReader, Storage, StorageError};

/// Where a file is written before it gets its name. No key can begin with it: a leading slash is refused.
const UNFINISHED: &str = ".unfinished";

/// A folder whose files are objects, keyed by their path.
#[derive(Debug, Clone)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The folder at `root`, made when missing.
    ///
    /// # Errors
    /// [`StorageError::Io`] when it can't be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        fs::create_dir_all(root.join(UNFINISHED)).map_err(|source| at(&root, source))?;
        Ok(Self { root })
    }

    /// The folder at `root`, which must be there.
    ///
    /// # Errors
    /// [`StorageError::MissingFolder`].
    pub fn existing(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        if !root.is_dir() {
            return Err(StorageError::MissingFolder { folder: root.display().to_string() });
        }
        Ok(Self { root })
    }

    /// Whether the folder is there and can be listed.
    pub(super) async fn check_readable(&self) -> Result<(), StorageError> {
        self.blocking(|folder| fs::read_dir(&folder.root).map(drop).map_err(|source| at(&folder.root, source))).await
    }

    /// Where the object's file is.
    pub fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// A folder on the same file system, for files that will become objects.
    pub fn scratch(&self) -> PathBuf {
        self.root.join(UNFINISHED)
    }

    fn publish(&self, key: &ObjectKey, finished: &Path) -> Result<(), StorageError> {
        let target = self.path(key);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|source| at(folder, source))?;
        }
        match fs::rename(finished, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut copy = self.unfinished()?;
                let mut source = File::open(finished).map_err(|source| at(finished, source))?;
                io::copy(&mut source, &mut copy).map_err(|source| at(&target, source))?;
                copy.persist(&target).map_err(|error| at(&target, error.error))?;
                Ok(())
            }
            outcome => outcome.map_err(|source| at(&target, source)),
        }
    }

    fn unfinished(&self) -> Result<tempfile::NamedTempFile, StorageError> {
        tempfile::NamedTempFile::new_in(self.scratch()).map_err(|source| at(&self.scratch(), source))
    }

    /// Keys of files below `folder`, unsorted. The folder may vanish while it is read.
    fn collect(&self, folder: &Path, keys: &mut Vec<ObjectKey>) -> Result<(), StorageError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(at(folder, source)),
        };
        for entry in entries {
            let entry = entry.map_err(|source| at(folder, source))?;
            let path = entry.path();
            if path == self.root.join(UNFINISHED) {
                continue;
            }
            if entry.file_type().map_err(|source| at(&path, source))?.is_dir() {
                self.collect(&path, keys)?;
            } else if let Some(key) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) {
                keys.extend(key.parse::<ObjectKey>());
            }
        }
        Ok(())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let folder = self.clone();
        tokio::task::spawn_blocking(move || work(&folder)).await.map_err(|_| StorageError::Interrupted)?
    }
}

fn at(path: &Path, source: io::Error) -> StorageError {
    StorageError::Io { key: path.display().to_string(), source }
}

#[async_trait]
impl Storage for LocalFolder {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        let key = key.clone();
        self.blocking(move |folder| match File::open(folder.path(&key)) {
            Ok(file) => Ok(Box::new(file) as ObjectReader),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StorageError::Missing { key: key.to_string() })
            }
            Err(source) => Err(StorageError::Io { key: key.to_string(), source }),
        })
        .await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        let key = key.clone();
        self.blocking(move |folder| match fs::metadata(folder.path(&key)) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StorageError::Io { key: key.to_string(), source }),
        })
        .await
    }

    async fn put_file(&self, key: &ObjectKey, from: &Path) -> Result<(), StorageError> {
        let (key, from) = (key.clone(), from.to_owned());
        self.blocking(move |folder| folder.publish(&key, &from)).await
    }

    async fn put_bytes(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), StorageError> {
        let (key, bytes) = (key.clone(), bytes.to_vec());
        self.blocking(move |folder| {
            let mut unfinished = folder.unfinished()?;
            unfinished.write_all(&bytes).map_err(|source| at(unfinished.path(), source))?;
            folder.publish(&key, unfinished.path())
        })
        .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        let prefix = prefix.to_owned();
        self.blocking(move |folder| {
            let below = match prefix.rsplit_once('/') {
                Some((below, _)) => folder.path(&below.parse()?),
                None => folder.root.clone(),
            };
            let mut keys = Vec::new();
            folder.collect(&below, &mut keys)?;
            keys.retain(|key| key.as_str().starts_with(&prefix));
            keys.sort_unstable();
            Ok(keys)
        })
        .await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let key = key.clone();
        self.blocking(move |folder| match fs::remove_file(folder.path(&key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(|source| StorageError::Io { key: key.to_string(), source }),
        })
        .await
    }

    async fn check(&self) -> Result<(), StorageError> {
        self.check_readable().await?;
        self.blocking(|folder| folder.unfinished().map(drop)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ObjectKey {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn objects_are_written_listed_read_and_deleted() {
        let root = tempfile::tempdir().unwrap();
        let folder = LocalFolder::open(root.path().join("new/folder")).unwrap();
        folder.put_bytes(&key("a/two"), b"22").await.unwrap();
        folder.put_bytes(&key("a/one"), b"1").await.unwrap();
        folder.put_bytes(&key("ab"), b"3").await.unwrap();
        assert_eq!(folder.list("a/").await.unwrap(), [key("a/one"), key("a/two")]);
        assert_eq!(folder.list("").await.unwrap().len(), 3);
        assert_eq!(folder.list("nothing/here").await.unwrap(), []);
        assert_eq!(folder.read(&key("a/two"), 2).await.unwrap(), b"22");
        assert!(matches!(folder.read(&key("a/two"), 1).await, Err(StorageError::TooLarge { .. })));
        assert_eq!(folder.size(&key("a/two")).await.unwrap(), Some(2));
        folder.delete(&key("a/two")).await.unwrap();
        folder.delete(&key("a/two")).await.unwrap();
        assert_eq!(folder.size(&key("a/two")).await.unwrap(), None);
        assert!(matches!(folder.open(&key("a/two")).await, Err(StorageError::Missing { .. })));
    }

    #[tokio::test]
    async fn what_a_killed_process_left_unfinished_is_no_object() {
        let root = tempfile::tempdir().unwrap();
        let folder = LocalFolder::open(root.path()).unwrap();
        fs::write(folder.scratch().join("half"), b"x").unwrap();
        assert_eq!(folder.list("").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_finished_file_becomes_an_object() {
        let root = tempfile::tempdir().unwrap();
        let folder = LocalFolder::open(root.path()).unwrap();
        let file = folder.scratch().join("made");
        fs::write(&file, b"whole").unwrap();
        folder.put_file(&key("deep/down/object"), &file).await.unwrap();
        assert_eq!(folder.read(&key("deep/down/object"), 10).await.unwrap(), b"whole");
    }
}
