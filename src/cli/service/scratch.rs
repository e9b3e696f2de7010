//! Where files are made before they become objects: a folder of this process's own. What killed processes left is swept
//! at the next start (U4); a lock that died with its holder tells whose folders those are.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::cli::object_places::derived_place;
use crate::config::Config;
use crate::storage::Place;

/// The lock in each process's folder.
const LOCK: &str = "lock";
/// How the folders' names begin.
const PREFIX: &str = "process-";

/// A process's own folder; it goes with its last holder.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes the folder: beside the objects where these are files, so that they need only be renamed; else where
    /// temporary files are.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        let below = match derived_place(&config.storage) {
            Ok(Place::Folder(root)) => root.join(".unfinished"),
            _ => std::env::temp_dir().join("trackscribe"),
        };
        Self::open_below(&below).with_context(|| format!("{} can't be used for unfinished files", below.display()))
    }

    fn open_below(below: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(below)?;
        sweep(below)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(below)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// Removes folders whose process is gone. One that is just being made has no lock yet and is left alone.
fn sweep(below: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(below)? {
        let path = entry?.path();
        let is_ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let Some(lock) = is_ours.then(|| File::open(path.join(LOCK)).ok()).flatten() else { continue };
        match lock.try_lock() {
            Ok(()) => {
                tracing::debug!(folder = %path.display(), "sweeping what a killed process left");
                // Another process may be at the same.
                let _ = fs::remove_dir_all(&path);
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u4_what_a_dead_process_left_is_swept_and_a_live_ones_is_not() {
        let below = tempfile::tempdir().unwrap();
        let alive = Scratch::open_below(below.path()).unwrap();
        let dead = below.path().join("process-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("half a track"), "x").unwrap();
        let others = below.path().join("somebody's");
        fs::create_dir(&others).unwrap();
        let next = Scratch::open_below(below.path()).unwrap();
        assert!(alive.folder().is_dir() && next.folder().is_dir() && others.is_dir());
        assert!(!dead.exists());
        let folder = next.folder();
        drop(next);
        assert!(!folder.exists());
    }
}
