//! PostgreSQL's lock: an advisory lock that belongs to a session, on a connection that nothing else uses. The server frees
//! it when the session ends: at once when the process dies, within 8 s when its host vanishes.
//! Two databases of one server have separate locks, because the server keeps advisory locks by database.

use std::time::Duration;

use sqlx::{AnyConnection, Connection, Executor};
use tokio::sync::Mutex;

use crate::store::database::SESSION;
use crate::store::{Database, StoreError};

/// What is locked, within the database and its schema.
const KEY: &str = "hashtextextended(current_schema() || ' trackscribe executor', 0)";
/// How often the session is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long it may take to answer. Together with [`LOOK`] less than the server needs to declare a vanished peer dead, so
/// that a holder who is cut off has stopped before anybody else can begin.
const ANSWER: Duration = Duration::from_secs(3);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Whether some session holds the lock of `database`. The server shows the key of such a lock in two halves
/// (<https://www.postgresql.org/docs/current/view-pg-locks.html>).
///
/// # Errors
/// When the server does not answer.
pub(super) async fn is_held(database: &Database) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND ((classid::bigint << 32) | objid::bigint) = {KEY}"
    );
    let held: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(database.pool()).await?;
    Ok(held > 0)
}

/// A session that holds the lock.
#[derive(Debug)]
pub(super) struct SessionLock {
    /// `None` once it was given back.
    connection: Mutex<Option<AnyConnection>>,
    /// The server's process of this session. Another one behind the same connection, which some connection poolers bring
    /// about, does not hold the lock.
    backend: i32,
}

impl SessionLock {
    /// Takes the lock of `database`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when somebody holds it, or when the server does not answer.
    pub(super) async fn take(database: &Database) -> Result<Self, StoreError> {
        let taking = async {
            let mut connection = AnyConnection::connect_with(database.options()).await?;
            connection.execute(sqlx::raw_sql(SESSION)).await?;
            let sql = format!("SELECT CASE WHEN pg_try_advisory_lock({KEY}) THEN pg_backend_pid() END");
            let backend: Option<i32> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
            Ok::<_, StoreError>((connection, backend))
        };
        let timed_out = |_| StoreError::Sql(sqlx::Error::PoolTimedOut);
        let (connection, backend) = tokio::time::timeout(CONNECT, taking).await.map_err(timed_out)??;
        match backend {
            Some(backend) => Ok(Self { connection: Mutex::new(Some(connection)), backend }),
            None => {
                let lock = format!("the executor's lock of {}", database.shown());
                let _ = connection.close().await;
                Err(StoreError::Locked { lock })
            }
        }
    }

    /// Asks the session who it is.
    ///
    /// # Errors
    /// How it was seen that the lock is lost.
    pub(super) async fn check(&self) -> Result<(), String> {
        let mut connection = self.connection.lock().await;
        let Some(connection) = connection.as_mut() else { return Err("it was given back".to_owned()) };
        let asked = sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()").fetch_one(connection);
        match tokio::time::timeout(ANSWER, asked).await {
            Ok(Ok(backend)) if backend == self.backend => Ok(()),
            Ok(Ok(_)) => Err("another session of the server answers: put no pooler between".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the server did not answer for {} s", ANSWER.as_secs())),
        }
    }

    /// Looks at the session until it is gone; says how that was seen.
    pub(super) async fn lost(&self) -> String {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(why) = self.check().await {
                return why;
            }
        }
    }

    /// Ends the session, and the lock with it.
    pub(super) async fn release(&self) {
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection {
            // When the server does not answer, dropping the connection has to do.
            let _ = tokio::time::timeout(ANSWER, connection.close()).await;
        }
    }
}
