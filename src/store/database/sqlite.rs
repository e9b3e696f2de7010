//! What is SQLite's own: the file, the write-ahead log, locks that must be waited for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, Connection, Executor};
use url::Url;

use super::address::bad_url;
use crate::failure::{Failure as _, FailureClass};
use crate::store::StoreError;

/// How long a statement waits for another writer.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a pool waits for a free connection: longer than a statement may wait for a lock.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before asking for the write-ahead log again.
const WAL_RETRY: Duration = Duration::from_millis(20);

/// Makes the file's folder; gives the absolute path and how to open it. The file itself is made when it is first used.
///
/// # Errors
/// [`StoreError::File`] when the folder can't be made.
pub(super) async fn prepare(file: &Path) -> Result<(PathBuf, AnyConnectOptions), StoreError> {
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
    Ok((file, address.parse()?))
}

/// How SQLite's connections are set up and looked after.
pub(super) fn pool_options(options: AnyPoolOptions) -> AnyPoolOptions {
    options
        .acquire_timeout(ACQUIRE_TIMEOUT)
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
}

/// Opens the file once outside of the pool, which would try for 30 s to open what is no database.
pub(super) async fn probe(options: &AnyConnectOptions) -> Result<(), StoreError> {
    let mut connection = AnyConnection::connect_with(options).await?;
    sqlx::query("PRAGMA schema_version").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Kept in the file. It can't be set inside a transaction, and SQLite refuses to change it at once, whatever the busy
/// timeout, while another connection is at the same.
pub(super) async fn use_write_ahead_log(connection: &mut AnyConnection) -> Result<(), StoreError> {
    for _ in 0..BUSY_TIMEOUT.as_millis() / WAL_RETRY.as_millis() {
        let set = sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await.map_err(StoreError::from);
        match set {
            Err(error) if error.class() == FailureClass::Retryable => tokio::time::sleep(WAL_RETRY).await,
            set => return set.map(drop),
        }
    }
    Ok(sqlx::query("PRAGMA journal_mode = WAL").execute(connection).await.map(drop)?)
}
