//! SQLite's lock: a file beside the database.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::store::StoreError;

/// A locked file, until it is closed.
#[derive(Debug)]
pub(super) struct FileLock(Mutex<Option<File>>);

impl FileLock {
    /// Takes the lock beside `database`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when somebody holds it.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let lock = beside(database);
        let refused = |source| StoreError::File { path: lock.clone(), source };
        // Not truncated: a holder's note stays readable for whoever is refused.
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&lock).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { lock: lock.display().to_string() }),
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
        Ok(Self(Mutex::new(Some(file))))
    }

    /// Whether somebody holds the lock beside `database`.
    ///
    /// # Errors
    /// When the file can't be looked at.
    pub(super) fn is_held(database: &Path) -> Result<bool, StoreError> {
        let lock = beside(database);
        let refused = |source| StoreError::File { path: lock.clone(), source };
        let file = match File::open(&lock) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(refused(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(refused(source)),
        }
    }

    /// Gives the lock back.
    pub(super) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// The file that is locked.
fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}
