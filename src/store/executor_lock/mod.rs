//! The executor's lock: one process per database executes its runs. It falls when its holder dies, however it dies: a file
//! is unlocked by the operating system, a session's lock by the server.

mod file;
mod session;

use self::file::FileLock;
use self::session::SessionLock;
use super::{Database, StoreError};

/// Held while this process executes the runs of a database. Free again when released or dropped.
#[derive(Debug)]
pub struct ExecutorLock(Held);

#[derive(Debug)]
enum Held {
    File(FileLock),
    Session(SessionLock),
}

impl ExecutorLock {
    /// Takes the lock of `database`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process holds it; else when the file or the server can't be used.
    pub async fn take(database: &Database) -> Result<Self, StoreError> {
        let Some(file) = database.file() else {
            return Ok(Self(Held::Session(SessionLock::take(database).await?)));
        };
        let file = file.to_owned();
        let locked = tokio::task::spawn_blocking(move || FileLock::take(&file)).await;
        // Fails only when this process is about to end.
        let locked = locked.map_err(|_| StoreError::Sql(sqlx::Error::WorkerCrashed))??;
        Ok(Self(Held::File(locked)))
    }

    /// Whether some process holds the lock of `database` now, this one included. Takes nothing from anybody who asks for it,
    /// but for the moment of looking at a file.
    ///
    /// # Errors
    /// When the file or the server can't be asked.
    pub async fn is_held(database: &Database) -> Result<bool, StoreError> {
        let Some(file) = database.file() else { return session::is_held(database).await };
        let file = file.to_owned();
        let looked = tokio::task::spawn_blocking(move || FileLock::is_held(&file)).await;
        looked.map_err(|_| StoreError::Sql(sqlx::Error::WorkerCrashed))?
    }

    /// Looks whether the lock is still held.
    ///
    /// # Errors
    /// How it was lost although this process lives: the server's session ended, or does not answer.
    pub async fn check(&self) -> Result<(), String> {
        match &self.0 {
            Held::File(_) => Ok(()),
            Held::Session(session) => session.check().await,
        }
    }

    /// Looks again and again, and returns when the lock is lost. Never for a file.
    pub async fn lost(&self) -> String {
        match &self.0 {
            Held::File(_) => std::future::pending().await,
            Held::Session(session) => session.lost().await,
        }
    }

    /// Gives the lock back.
    pub async fn release(&self) {
        match &self.0 {
            Held::File(file) => file.release(),
            Held::Session(session) => session.release().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn others_see_whether_the_lock_of_a_file_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        assert!(!ExecutorLock::is_held(&database).await.unwrap(), "nobody ever held it");
        let lock = ExecutorLock::take(&database).await.unwrap();
        assert!(ExecutorLock::is_held(&database).await.unwrap());
        lock.release().await;
        assert!(!ExecutorLock::is_held(&database).await.unwrap());
        ExecutorLock::take(&database).await.unwrap();
    }
}
