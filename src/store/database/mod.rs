//! The way to the database: addresses, pools, migrations, and transactions that write.
//!
//! SQLite waits for a lock only at the start of a transaction: one that reads first and writes later fails at once
//! when another writer came between. So each writing transaction *begins with a write*. On PostgreSQL transactions run
//! side by side, and what must not change between reading and writing is locked first. A fenced transaction compares the
//! executor's generation before anything else.

mod address;
mod migrate;
mod postgres;
mod reach;
mod sqlite;
mod views;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};

use self::address::Address;
pub use self::migrate::Migrated;
pub(super) use self::postgres::SESSION;
use super::StoreError;

/// Connections per pool: one for what is being done, one for what must not wait for it.
const CONNECTIONS: u32 = 2;
/// How long closing waits for connections in use.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that has begun with a write. Rolled back when dropped without a commit.
pub type WriteTransaction = sqlx::Transaction<'static, sqlx::Any>;

/// What kind of database it is, for what differs between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file: for the processes of one host.
    Sqlite,
    /// A server: for processes of any number of hosts.
    Postgres,
}

/// A pool on one database. Connections are opened when first used, two at most.
#[derive(Clone)]
pub struct Database {
    pool: AnyPool,
    options: AnyConnectOptions,
    /// SQLite's.
    file: Option<PathBuf>,
    generation: Option<i64>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the options: they hold the password.
        f.debug_struct("Database").field("at", &self.shown()).field("generation", &self.generation).finish()
    }
}

impl Database {
    /// A pool on the database at `url`. `sqlite:///var/lib/trackscribe/store.db`: a relative path starts at the current
    /// folder; the file's folder is created, the file itself when first used. `postgres://user:password@host/database`:
    /// the server is reached when first used.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for anything else, [`StoreError::File`] when the folder can't be made.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match address::parse(url)? {
            Address::File(file) => Self::open_file(&file).await,
            Address::Server(options) => Ok(Self::on(options, None)),
        }
    }

    /// A pool on the SQLite database in `file`.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_file(file: &Path) -> Result<Self, StoreError> {
        let (file, options) = sqlite::prepare(file).await?;
        Ok(Self::on(options, Some(file)))
    }

    fn on(options: AnyConnectOptions, file: Option<PathBuf>) -> Self {
        sqlx::any::install_default_drivers();
        Self { pool: lazy_pool(&options, file.is_some()), options, file, generation: None }
    }

    /// A fresh pool on the same database, for one task: its writing transactions fail as [`StoreError::Fenced`] once
    /// the executor's generation is no longer `generation`. `None` on engines that fence by themselves.
    #[must_use]
    pub fn fresh(&self, generation: Option<i64>) -> Self {
        Self {
            pool: lazy_pool(&self.options, self.file.is_some()),
            options: self.options.clone(),
            file: self.file.clone(),
            generation,
        }
    }

    /// For reading, and for single statements that write and need no fence.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// What kind of database it is.
    pub fn kind(&self) -> DatabaseKind {
        if self.file.is_some() { DatabaseKind::Sqlite } else { DatabaseKind::Postgres }
    }

    /// Where it is, for people: the file, or the server's address without its password.
    pub fn shown(&self) -> String {
        match &self.file {
            Some(file) => file.display().to_string(),
            None => address::shown(self.options.database_url.as_str()),
        }
    }

    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    pub(super) fn options(&self) -> &AnyConnectOptions {
        &self.options
    }

    /// Asks the database for nothing, to see that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Begins a transaction that writes. On SQLite it holds the only write lock from here to its end, so nothing slow
    /// belongs inside.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when this pool's generation is no longer the executor's.
    pub async fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.begin().await?;
        let current = match (self.kind(), self.generation) {
            (DatabaseKind::Postgres, None) => true,
            (DatabaseKind::Postgres, Some(generation)) => {
                postgres::holds_generation(&mut transaction, generation).await?
            }
            (DatabaseKind::Sqlite, Some(generation)) => {
                let sql = "UPDATE executor SET generation = generation WHERE id = 1 AND generation = $1";
                sqlx::query(sql).bind(generation).execute(&mut *transaction).await?.rows_affected() > 0
            }
            (DatabaseKind::Sqlite, None) => {
                // Matches no row: takes the lock and writes nothing.
                let sql = "UPDATE executor SET generation = generation WHERE id = 0";
                sqlx::query(sql).execute(&mut *transaction).await?;
                true
            }
        };
        match self.generation {
            Some(generation) if !current => Err(StoreError::Fenced { generation }),
            _ => Ok(transaction),
        }
    }

    /// Begins a transaction. A connection that turns out to be dead has done nothing yet, so another one is taken, as often
    /// as the pool may hold dead ones.
    async fn begin(&self) -> Result<WriteTransaction, sqlx::Error> {
        for _ in 0..CONNECTIONS {
            match self.pool.begin().await {
                Err(error) if self.kind() == DatabaseKind::Postgres && postgres::is_lost(&error) => {}
                begun => return begun,
            }
        }
        self.pool.begin().await
    }

    /// Lets transactions that take the same name come one after another: for decisions that rest on many rows. On SQLite
    /// all writing transactions do.
    ///
    /// # Errors
    /// When the database fails, or another one holds the name for too long.
    pub(super) async fn one_at_a_time(&self, transaction: &mut WriteTransaction, name: &str) -> Result<(), StoreError> {
        match self.kind() {
            DatabaseKind::Sqlite => Ok(()),
            DatabaseKind::Postgres => postgres::take_name(transaction, name).await,
        }
    }

    /// Closes the pool; waits five seconds at most for connections still in use.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }
}

fn lazy_pool(options: &AnyConnectOptions, is_file: bool) -> AnyPool {
    let pool = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    let pool = if is_file { sqlite::pool_options(pool) } else { postgres::pool_options(pool) };
    pool.connect_lazy_with(options.clone())
}

#[cfg(test)]
mod tests {
    use super::sqlite::{ACQUIRE_TIMEOUT, BUSY_TIMEOUT};
    use super::*;
    use crate::store::test_server::Postgres;

    #[tokio::test]
    async fn a_connection_whose_transaction_ended_by_itself_does_not_lock_everybody_out() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        let mut ended = database.begin_write().await.unwrap();
        // What SQLite does on a full disk.
        sqlx::query("ROLLBACK").execute(&mut *ended).await.unwrap();
        drop(ended);
        for turn in 0..4 * CONNECTIONS {
            let write = tokio::time::timeout(BUSY_TIMEOUT / 4, database.begin_write()).await;
            let write = write.unwrap_or_else(|_| panic!("turn {turn}: a transaction of nobody's holds the write lock"));
            write.unwrap().rollback().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        std::fs::write(&file, "these are somebody's notes, and no database ".repeat(30)).unwrap();
        let database = Database::open_file(&file).await.unwrap();
        let refused = tokio::time::timeout(ACQUIRE_TIMEOUT / 4, database.migrate()).await.unwrap();
        let Err(StoreError::Sql(error)) = refused else { panic!("taken for a database: {refused:?}") };
        assert!(error.to_string().contains("file is not a database"), "{error}");
    }

    #[tokio::test]
    async fn postgresql_is_reached_by_tcp_and_by_its_socket() {
        let server = Postgres::shared();
        let name = server.empty().await;
        for url in [server.url(&name), server.socket_url(&name)] {
            let database = Database::open(&url).await.unwrap();
            assert_eq!(database.kind(), DatabaseKind::Postgres);
            database.migrate().await.unwrap();
            database.ping().await.unwrap();
            let mut old = database.fresh(Some(0)).begin_write().await.unwrap();
            sqlx::query("SELECT 1").execute(&mut *old).await.unwrap();
            database.close().await;
        }
    }

    async fn opened(folder: &tempfile::TempDir) -> Database {
        let database = Database::open_file(&folder.path().join("new folder/50%? #.db")).await.unwrap();
        database.migrate().await.unwrap();
        database
    }

    #[tokio::test]
    async fn a_missing_file_is_made_with_its_folder_and_set_up() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(&folder).await;
        assert!(folder.path().join("new folder/50%? #.db").is_file());
        for (pragma, expected) in [("synchronous", 1), ("foreign_keys", 1), ("busy_timeout", 10_000)] {
            let sql = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
            let value: i64 = sqlx::query_scalar(sql).fetch_one(database.pool()).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(database.pool()).await.unwrap();
        assert_eq!(mode, "wal");
        database.close().await;
    }
}
