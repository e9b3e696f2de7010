//! Who may use the API: names of keys and their hashes, never the keys. A revoked key stays, so that its name in old
//! logs still means something.

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// What it is revoked by.
    pub id: String,
    /// Whose it is, or what for.
    pub name: String,
    /// Hash of the key, as hexadecimal text.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing any more.
    pub revoked_at: Option<Timestamp>,
}

/// All that an [`ApiKeyRow`] holds.
const COLUMNS: &str = "id, name, hash, created_at, last_used_at, revoked_at";

/// Stores a new key.
///
/// # Errors
/// When the database can't be written, or the id or hash is there already.
pub async fn create(database: &Database, key: &ApiKeyRow) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("INSERT INTO api_keys (id, name, hash, created_at) VALUES ($1, $2, $3, $4)")
        .bind(key.id.as_str())
        .bind(key.name.as_str())
        .bind(key.hash.as_str())
        .bind(key.created_at.as_micros())
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// All keys, revoked ones too, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn list(database: &Database) -> Result<Vec<ApiKeyRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM api_keys ORDER BY created_at, id")))
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(from_row).collect()
}

/// Whether a key was ever made. Revoking the last one does not open the API to everybody again.
///
/// # Errors
/// When the database can't be read.
pub async fn any(database: &Database) -> Result<bool, StoreError> {
    Ok(sqlx::query("SELECT id FROM api_keys LIMIT 1").fetch_optional(database.pool()).await?.is_some())
}

/// The key with this hash, unless it was revoked.
///
/// # Errors
/// When the database can't be read.
pub async fn find(database: &Database, hash: &str) -> Result<Option<ApiKeyRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM api_keys WHERE hash = $1 AND revoked_at IS NULL"
    )))
    .bind(hash)
    .fetch_optional(database.pool())
    .await?;
    row.as_ref().map(from_row).transpose()
}

/// Notes that a key was used.
///
/// # Errors
/// When the database can't be written.
pub async fn used(database: &Database, id: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("UPDATE api_keys SET last_used_at = $1 WHERE id = $2")
        .bind(now.as_micros())
        .bind(id)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Revokes a key for good; one that is revoked already keeps its time. Says whether there is such a key.
///
/// # Errors
/// When the database can't be written.
pub async fn revoke(database: &Database, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let revoked = sqlx::query("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2")
        .bind(now.as_micros())
        .bind(id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(revoked.rows_affected() > 0)
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<ApiKeyRow, StoreError> {
    let moment = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
    };
    Ok(ApiKeyRow {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        last_used_at: moment("last_used_at")?,
        revoked_at: moment("revoked_at")?,
    })
}
