//! The executor's lock: a file that the operating system unlocks when its holder dies, however it dies.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::engine::EngineError;
use crate::store::StoreError;

/// Held while this process executes runs.
#[derive(Debug)]
pub(super) struct ExecutorLock {
    _file: File,
}

impl ExecutorLock {
    /// Takes the lock beside `database`.
    ///
    /// # Errors
    /// [`EngineError::AlreadyRunning`] when somebody holds it.
    pub(super) fn take(database: &Path) -> Result<Self, EngineError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let refused = |source| StoreError::File { path: lock.clone(), source };
        // Not truncated: a holder's note stays readable for whoever is refused.
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(&lock).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EngineError::AlreadyRunning { lock }),
            Err(TryLockError::Error(source)) => return Err(refused(source).into()),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
        Ok(Self { _file: file })
    }
}
