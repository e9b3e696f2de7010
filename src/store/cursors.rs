//! How far something has got that goes on after a restart.

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// A cursor's value; `None` while it was never set.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, name: &str) -> Result<Option<String>, StoreError> {
    let value: Option<String> = sqlx::query_scalar("SELECT value FROM cursors WHERE name = $1")
        .bind(name)
        .fetch_optional(database.pool())
        .await?;
    Ok(value)
}

/// Sets a cursor.
///
/// # Errors
/// When the database can't be written.
pub async fn put(database: &Database, name: &str, value: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "INSERT INTO cursors (name, value, updated_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
    )
    .bind(name)
    .bind(value)
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
