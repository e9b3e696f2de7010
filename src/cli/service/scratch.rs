//! Where files are made before they become objects: a folder of this process's own. What killed processes left is swept
//! at the next start (U4); a lock that died with its holder tells whose folders those are.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::cli::object_places::derived_place;
use crate::config::Config;
use crate::storage::Place;

/// The lock in each process's folder.
const LOCK: &str = "lock";
/// What it is called before it is locked.
const NEW_LOCK: &str = "lock.new";
/// Nobody else may look into what we make.
const OWN: u32 = 0o700;
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
            Ok(Place::Folder(root)) => Ok(root.join(".unfinished")),
            _ => own_temporary(&std::env::temp_dir()),
        };
        let below = below.context("there is no place for unfinished files")?;
        Self::open_below(&below).with_context(|| format!("{} can't be used for unfinished files", below.display()))
    }

    fn open_below(below: &Path) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(OWN).create(below)?;
        sweep(below)?;
        // People's voices: not for whoever else is on this machine.
        let own = Permissions::from_mode(OWN);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(own).tempdir_in(below)?;
        // Locked before it has the name that others look for: one that is there and not locked is a dead process's.
        let unlocked = folder.path().join(NEW_LOCK);
        let lock = File::create(&unlocked)?;
        lock.lock()?;
        fs::rename(&unlocked, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

/// Where temporary files are, a folder of this user's own: one that another user has made could not be used.
fn own_temporary(temporary: &Path) -> std::io::Result<PathBuf> {
    let user = tempfile::tempfile_in(temporary)?.metadata()?.uid();
    Ok(temporary.join(format!("trackscribe-{user}")))
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
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, OWN);
        drop(next);
        assert!(!folder.exists());
    }

    #[test]
    fn processes_that_start_at_once_do_not_sweep_each_other() {
        let below = tempfile::tempdir().unwrap();
        let open = || (0..50).map(|_| Scratch::open_below(below.path()).unwrap()).collect::<Vec<_>>();
        let opened = std::thread::scope(|threads| {
            let processes: Vec<_> = (0..4).map(|_| threads.spawn(open)).collect();
            processes.into_iter().flat_map(|process| process.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(opened.iter().all(|scratch| scratch.folder().join(LOCK).is_file()));
    }

    #[test]
    fn users_have_folders_of_their_own() {
        let temporary = tempfile::tempdir().unwrap();
        let user = fs::metadata(temporary.path()).unwrap().uid();
        let own = own_temporary(temporary.path()).unwrap();
        assert_eq!(own, temporary.path().join(format!("trackscribe-{user}")));
    }
}
