//! The executor's lock: one process per database executes its runs. It falls when its holder dies, however it dies: a file
//! is unlocked by the operating system, a session's lock by the server.

mod file;
mod session;

use self::file::FileLock;
use self::session::SessionLock;
use super::{Database, StoreError};

/// Held while this process executes the runs of a database. Free again when dropped.
#[derive(Debug)]
pub struct ExecutorLock(Held);

#[derive(Debug)]
enum Held {
    File(#[expect(dead_code, reason = "held, not used")] FileLock),
    Session(Box<SessionLock>),
}

impl ExecutorLock {
    /// Takes the lock of `database`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it; else when the file or the server can't be used.
    pub async fn take(database: &Database) -> Result<Self, StoreError> {
        let Some(file) = database.file() else {
            return Ok(Self(Held::Session(Box::new(SessionLock::take(database).await?))));
        };
        let file = file.to_owned();
        let taken = tokio::task::spawn_blocking(move || FileLock::take(&file)).await;
        let file = taken.map_err(|error| StoreError::Abandoned { why: error.to_string() })??;
        Ok(Self(Held::File(file)))
    }

    /// Returns when the lock is lost although this process lives: the server's session ended or does not answer. Says why.
    /// Never returns for a file.
    pub async fn lost(&self) -> String {
        match &self.0 {
            Held::File(_) => std::future::pending().await,
            Held::Session(session) => session.lost().await,
        }
    }

    /// Gives the lock back.
    pub async fn release(self) {
        if let Held::Session(session) = self.0 {
            session.release().await;
        }
    }
}
