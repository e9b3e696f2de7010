//! Which files a recorded folder has. A track is looked up by name in this index, never by building a path from its key,
//! so that no key and no symbolic link leads out of the folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::DailyError;
use super::track_name::last_part;

/// The regular files of one folder, by name.
#[derive(Debug, Clone)]
pub(super) struct FolderIndex {
    /// Without links in it.
    root: PathBuf,
    files: BTreeMap<String, PathBuf>,
    /// Links that lead out of the folder, or nowhere.
    refused: Vec<String>,
}

impl FolderIndex {
    /// Lists `dir`. Files in folders below are not part of a recording.
    pub(super) fn read(dir: &Path) -> Result<Self, DailyError> {
        let unreadable = |source| DailyError::Unreadable { path: dir.to_owned(), source };
        let root = dir.canonicalize().map_err(unreadable)?;
        let (mut files, mut refused) = (BTreeMap::new(), Vec::new());
        for entry in fs::read_dir(&root).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let inside = path.canonicalize().ok().filter(|real| real.starts_with(&root));
            match inside {
                Some(real) if real.is_file() => {
                    files.insert(name.to_owned(), real);
                }
                Some(_) => {}
                None => refused.push(name.to_owned()),
            }
        }
        refused.sort_unstable();
        Ok(Self { root, files, refused })
    }

    /// The folder itself, without links in its path.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Links that were refused, sorted.
    pub(super) fn refused(&self) -> &[String] {
        &self.refused
    }

    /// A file by its exact name.
    pub(super) fn file(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }

    /// The file of the track `key`: named as the key's last part, with or without `.webm`. Gives the name as well.
    pub(super) fn track(&self, key: &str) -> Option<(&str, &Path)> {
        let exact = key.rsplit('/').next().unwrap_or(key);
        let stem = last_part(key);
        [exact.to_owned(), format!("{stem}.webm"), stem.to_owned()]
            .iter()
            .find_map(|name| self.files.get_key_value(name))
            .map(|(name, path)| (name.as_str(), path.as_path()))
    }

    /// A file's bytes, if it is there.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, DailyError> {
        let Some(path) = self.file(name) else {
            return Ok(None);
        };
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(source) => Err(DailyError::Unreadable { path: path.to_owned(), source }),
        }
    }
}
