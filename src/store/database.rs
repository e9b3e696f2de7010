//! The way to the database: addresses, pools, migrations, and transactions that write.
//!
//! SQLite waits for a lock only at the start of a transaction: one that reads first and writes later fails at once
//! when another writer came between. So each writing transaction *begins with a write*; a fenced one uses that first
//! write to compare the executor's generation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use url::Url;

use super::StoreError;
use crate::failure::{Failure as _, FailureClass};

/// Connections per pool: one for what is being done, one for what must not wait for it.
const CONNECTIONS: u32 = 2;
/// How long a statement waits for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before asking for the write-ahead log again.
const WAL_RETRY: Duration = Duration::from_millis(20);
/// How long a pool waits for a free connection: longer than a statement may wait for a lock.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long closing waits for connections in use.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction that has begun with a write. Rolled back when dropped without a commit.
pub type WriteTransaction = sqlx::Transaction<'static, sqlx::Any>;

/// A pool on one database. Connections are opened when first used, two at most.
#[derive(Debug, Clone)]
pub struct Database {
    pool: AnyPool,
    options: AnyConnectOptions,
    file: PathBuf,
    generation: Option<i64>,
}

impl Database {
    /// A pool on the database at `url`, e.g. `sqlite:///var/lib/trackscribe/store.db`. A relative path starts at the
    /// current folder. The file's folder is created; the file itself, when first used.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for anything but a file of SQLite, [`StoreError::File`] when the folder can't be made.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_file(&sqlite_file(url)?).await
    }

    /// A pool on the SQLite database in `file`.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_file(file: &Path) -> Result<Self, StoreError> {
        let refused = |source| StoreError::File { path: file.to_owned(), source };
        let file = std::path::absolute(file).map_err(refused)?;
        if let Some(folder) = file.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(|source| StoreError::File { path: folder.to_owned(), source })?;
        }
        let mut address = Url::from_file_path(&file)
            .map_err(|()| bad_url(&file.to_string_lossy(), "it is not a path of a file"))?
            .to_string();
        address.replace_range(.."file".len(), "sqlite");
        address.push_str("?mode=rwc");
        let options: AnyConnectOptions = address.parse()?;
        sqlx::any::install_default_drivers();
        Ok(Self { pool: lazy_pool(options.clone()), options, file, generation: None })
    }

    /// A fresh pool on the same database, for one task: its writing transactions fail as [`StoreError::Fenced`] once
    /// the executor's generation is no longer `generation`. `None` on engines that fence by themselves.
    #[must_use]
    pub fn fresh(&self, generation: Option<i64>) -> Self {
        Self {
            pool: lazy_pool(self.options.clone()),
            options: self.options.clone(),
            file: self.file.clone(),
            generation,
        }
    }

    /// For reading, and for single statements that write and need no fence.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// The file the database is in.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Brings the schema up to date: all missing migrations in one transaction, or none. Who comes second waits and
    /// finds nothing to do. Migrations of a newer program are left alone.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when a migration fails or one already applied was changed since.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.probe().await?;
        let mut connection = self.pool.acquire().await?;
        use_write_ahead_log(&mut connection).await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut migrations = sqlx::migrate!();
        migrations.set_ignore_missing(true);
        // Not `run`: its bounds on `Acquire` make this future impossible to spawn.
        migrations
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(|error| StoreError::Migration(Box::new(error)))?;
        transaction.commit().await?;
        Ok(())
    }

    /// Opens the file once outside of the pool, which would try for 30 s to open what is no database.
    async fn probe(&self) -> Result<(), StoreError> {
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        sqlx::query("PRAGMA schema_version").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Begins a transaction that writes. It holds SQLite's write lock from here to its end, so nothing slow belongs
    /// inside.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when this pool's generation is no longer the executor's.
    pub async fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.pool.begin().await?;
        match self.generation {
            Some(generation) => {
                let current =
                    sqlx::query("UPDATE executor SET generation = generation WHERE id = 1 AND generation = $1")
                        .bind(generation)
                        .execute(&mut *transaction)
                        .await?;
                if current.rows_affected() == 0 {
                    return Err(StoreError::Fenced { generation });
                }
            }
            // Matches no row: takes the lock and writes nothing.
            None => {
                sqlx::query("UPDATE executor SET generation = generation WHERE id = 0")
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        Ok(transaction)
    }

    /// Closes the pool; waits five seconds at most for connections still in use.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }
}

/// Kept in the file. It can't be set inside a transaction, and SQLite refuses to change it at once, whatever the busy
/// timeout, while another connection is at the same.
async fn use_write_ahead_log(connection: &mut sqlx::AnyConnection) -> Result<(), StoreError> {
    for _ in 0..BUSY_TIMEOUT.as_millis() / WAL_RETRY.as_millis() {
        let set = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await.map_err(StoreError::from);
        match set {
            Err(error) if error.class() == FailureClass::Retryable => tokio::time::sleep(WAL_RETRY).await,
            set => return set.map(drop),
        }
    }
    Ok(sqlx::query("PRAGMA journal_mode = WAL").execute(connection).await.map(drop)?)
}

fn lazy_pool(options: AnyConnectOptions) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let busy = BUSY_TIMEOUT.as_millis();
                let settings =
                    format!("PRAGMA busy_timeout = {busy}; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings))).await?;
                Ok(())
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // On a full disk SQLite ends the transaction by itself, so that rolling it back fails and sqlx takes it
                // for open. Whatever is done on such a connection later becomes a part of a transaction that never ends
                // and keeps everybody else from writing. The ping waits until a pending rollback was tried.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_lazy_with(options)
}

fn bad_url(url: &str, why: impl Into<String>) -> StoreError {
    // What stands before an `@` may hold a password.
    let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    StoreError::BadUrl { url: shown.to_owned(), why: why.into() }
}

/// The file that a `sqlite:` URL names: `sqlite:///absolute`, `sqlite://relative` or `sqlite:relative`, percent-encoded
/// where need be. Its query is not used: how connections are set up is not for the address to say.
fn sqlite_file(url: &str) -> Result<PathBuf, StoreError> {
    let path =
        url.strip_prefix("sqlite:").ok_or_else(|| bad_url(url, "only sqlite:///path/of/a/file is supported here"))?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return Err(bad_url(url, "it must name a file"));
    }
    let here = std::env::current_dir().map_err(|source| StoreError::File { path: PathBuf::from("."), source })?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("./{path}") };
    Url::from_directory_path(here)
        .ok()
        .and_then(|here| here.join(&path).ok())
        .and_then(|file| file.to_file_path().ok())
        .ok_or_else(|| bad_url(url, "it is not a path of a file"))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn addresses_name_files() {
        let here = std::env::current_dir().unwrap();
        for (url, file) in [
            ("sqlite:///a/b.db", PathBuf::from("/a/b.db")),
            ("sqlite:///a/b%20c.db?mode=rwc", PathBuf::from("/a/b c.db")),
            ("sqlite://b.db", here.join("b.db")),
            ("sqlite:folder/b.db", here.join("folder/b.db")),
        ] {
            assert_eq!(sqlite_file(url).unwrap(), file, "{url}");
        }
        for url in ["sqlite:", "sqlite::memory:", "mysql://me:secret@host/x", "/a/b.db"] {
            let error = sqlite_file(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_may_migrate_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let openers = (0..8).map(|_| {
            let file = file.clone();
            tokio::spawn(async move { Database::open_file(&file).await.unwrap().migrate().await })
        });
        for opener in openers.collect::<Vec<_>>() {
            opener.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn migrations_of_a_newer_program_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(&folder).await;
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (999999, 'from the future', 1, x'00', 0)",
        )
        .execute(database.pool())
        .await
        .unwrap();
        database.migrate().await.unwrap();
    }

    #[tokio::test]
    async fn a_replaced_generation_writes_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(&folder).await;
        let old = database.fresh(Some(0));
        old.begin_write().await.unwrap().commit().await.unwrap();
        sqlx::query("UPDATE executor SET generation = 1").execute(database.pool()).await.unwrap();
        assert!(matches!(old.begin_write().await, Err(StoreError::Fenced { generation: 0 })));
        database.begin_write().await.unwrap().rollback().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn writers_wait_for_each_other_instead_of_failing() {
        let folder = tempfile::tempdir().unwrap();
        let database = opened(&folder).await;
        let writers = (0..8).map(|_| {
            let own = database.fresh(Some(0));
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut transaction = own.begin_write().await.unwrap();
                    let taken: i64 = sqlx::query_scalar("SELECT COALESCE(taken_at, 0) FROM executor WHERE id = 1")
                        .fetch_one(&mut *transaction)
                        .await
                        .unwrap();
                    sqlx::query("UPDATE executor SET taken_at = $1 WHERE id = 1")
                        .bind(taken + 1)
                        .execute(&mut *transaction)
                        .await
                        .unwrap();
                    transaction.commit().await.unwrap();
                }
                own.close().await;
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let taken: i64 = sqlx::query_scalar("SELECT taken_at FROM executor").fetch_one(database.pool()).await.unwrap();
        assert_eq!(taken, 80);
    }
}
