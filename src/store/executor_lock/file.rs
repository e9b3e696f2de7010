//! SQLite's lock: a file beside the database.

use std::fs::{File, TryLockError};
use std::io::Write;
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
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
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

    /// Gives the lock back.
    pub(super) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
