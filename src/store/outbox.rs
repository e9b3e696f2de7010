//! Outward effects, written before they are tried: a delivery that fails is tried again whether or not the run lives.

use std::time::Duration;

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::TranscriptId;

/// How long after the first try the second comes.
pub const FIRST_RETRY: Duration = Duration::from_secs(60);

/// An effect that still has to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Stable: derived from what the effect is.
    pub id: String,
    /// What it is about.
    pub transcript: TranscriptId,
    /// E.g. `delete_object`.
    pub kind: String,
    /// JSON.
    pub payload: String,
    /// How often it was tried.
    pub tries: i64,
    /// Why it did not work.
    pub last_error: Option<String>,
}

/// Writes an intent; one that is there already, done or not, stays as it is.
///
/// # Errors
/// When the database can't be written, or the executor was replaced.
pub async fn put(database: &Database, row: &OutboxRow, next_try: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "INSERT INTO outbox (id, transcript_id, kind, payload, state, tries, next_try_at, last_error, created_at)
         VALUES ($1, $2, $3, $4, 'waiting', $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
    )
    .bind(row.id.as_str())
    .bind(row.transcript.as_str())
    .bind(row.kind.as_str())
    .bind(row.payload.as_str())
    .bind(row.tries)
    .bind(next_try.as_micros())
    .bind(row.last_error.clone())
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// What is still to be done for a transcript, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn waiting(database: &Database, transcript: &TranscriptId) -> Result<Vec<OutboxRow>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM outbox WHERE transcript_id = $1 AND state = 'waiting' ORDER BY created_at, id")
            .bind(transcript.as_str())
            .fetch_all(database.pool())
            .await?;
    rows.iter()
        .map(|row| {
            Ok(OutboxRow {
                id: row.try_get("id")?,
                transcript: transcript.clone(),
                kind: row.try_get("kind")?,
                payload: row.try_get("payload")?,
                tries: row.try_get("tries")?,
                last_error: row.try_get("last_error")?,
            })
        })
        .collect()
}

/// Marks an effect as happened.
///
/// # Errors
/// When the database can't be written.
pub async fn done(database: &Database, id: &str) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("UPDATE outbox SET state = 'done' WHERE id = $1").bind(id).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}
