//! Rooms that somebody configured, by base name.

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRow {
    /// Its base name: Daily's is `{base}-{YYYYMMDDHHMMSS}` where a room is made per meeting.
    pub name: String,
    /// What people call it.
    pub title: Option<String>,
    /// When it was configured.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// All that a [`RoomRow`] holds.
const COLUMNS: &str = "name, title, created_at, updated_at";

/// Configures a room, or changes it. Says whether it is new.
///
/// # Errors
/// When the database can't be written.
pub async fn put(database: &Database, name: &str, title: Option<&str>, now: Timestamp) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let new = sqlx::query(
        "INSERT INTO rooms (name, title, created_at, updated_at) VALUES ($1, $2, $3, $3) ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(title.map(str::to_owned))
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?
    .rows_affected()
        > 0;
    if !new {
        sqlx::query("UPDATE rooms SET title = $1, updated_at = $2 WHERE name = $3")
            .bind(title.map(str::to_owned))
            .bind(now.as_micros())
            .bind(name)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(new)
}

/// A room; `None` when it is not configured.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, name: &str) -> Result<Option<RoomRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM rooms WHERE name = $1")))
        .bind(name)
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// All rooms, by name.
///
/// # Errors
/// When the database can't be read.
pub async fn list(database: &Database) -> Result<Vec<RoomRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM rooms ORDER BY name")))
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(from_row).collect()
}

/// Whether any room is configured.
///
/// # Errors
/// When the database can't be read.
pub async fn any(database: &Database) -> Result<bool, StoreError> {
    Ok(sqlx::query("SELECT name FROM rooms LIMIT 1").fetch_optional(database.pool()).await?.is_some())
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<RoomRow, StoreError> {
    Ok(RoomRow {
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
    })
}
