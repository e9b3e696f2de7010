//! Outward effects, written before they are tried: a delivery that fails is tried again whether or not the run lives.

use std::time::Duration;

use sqlx::Row;

use super::text::storable;
use super::{Database, StoreError, WriteTransaction};
use crate::clock::Timestamp;
use crate::ids::{RecordingId, TranscriptId};

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

/// All that an [`OutboxRow`] holds.
const COLUMNS: &str = "id, transcript_id, kind, payload, tries, last_error";

/// Writes an intent; one that is there already, done or not, stays as it is.
///
/// # Errors
/// When the database can't be written, or the executor was replaced.
pub async fn put(database: &Database, row: &OutboxRow, next_try: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    put_within(&mut tx, row, next_try, now).await?;
    Ok(tx.commit().await?)
}

/// Writes an intent, as [`put`] does, in the transaction of what it follows from.
pub(super) async fn put_within(
    tx: &mut WriteTransaction,
    row: &OutboxRow,
    next_try: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
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
    .bind(row.last_error.as_deref().map(storable))
    .bind(now.as_micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What is still to be done for a transcript, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn waiting(database: &Database, transcript: &TranscriptId) -> Result<Vec<OutboxRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM outbox WHERE transcript_id = $1 AND state = 'waiting' ORDER BY created_at, id"
    )))
    .bind(transcript.as_str())
    .fetch_all(database.pool())
    .await?;
    rows.iter().map(from_row).collect()
}

/// Whether anything of these kinds is still to be done for a transcript of a recording.
///
/// # Errors
/// When the database can't be read.
pub async fn is_waiting(database: &Database, recording: &RecordingId, kinds: [&str; 2]) -> Result<bool, StoreError> {
    let found = sqlx::query(
        "SELECT outbox.id FROM transcripts JOIN outbox ON outbox.transcript_id = transcripts.id
         WHERE transcripts.recording_id = $1 AND outbox.state = 'waiting' AND outbox.kind IN ($2, $3) LIMIT 1",
    )
    .bind(recording.as_str())
    .bind(kinds[0])
    .bind(kinds[1])
    .fetch_optional(database.pool())
    .await?;
    Ok(found.is_some())
}

/// Effects whose time has come, whichever transcript they are about, those that wait longest first.
///
/// # Errors
/// When the database can't be read.
pub async fn due(database: &Database, now: Timestamp, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM outbox WHERE state = 'waiting' AND next_try_at <= $1 ORDER BY next_try_at, id LIMIT $2"
    )))
    .bind(now.as_micros())
    .bind(i64::from(limit))
    .fetch_all(database.pool())
    .await?;
    rows.iter().map(from_row).collect()
}

/// Effects that were given up, oldest first: somebody has to see to them.
///
/// # Errors
/// When the database can't be read.
pub async fn abandoned(database: &Database, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM outbox WHERE state = 'abandoned' ORDER BY created_at, id LIMIT $1"
    )))
    .bind(i64::from(limit))
    .fetch_all(database.pool())
    .await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<OutboxRow, StoreError> {
    let transcript: String = row.try_get("transcript_id")?;
    Ok(OutboxRow {
        id: row.try_get("id")?,
        transcript: transcript.parse().map_err(|error| StoreError::garbled("outbox", error))?,
        kind: row.try_get("kind")?,
        payload: row.try_get("payload")?,
        tries: row.try_get("tries")?,
        last_error: row.try_get("last_error")?,
    })
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

/// Notes that an effect did not happen: it is tried again then, or, with `None`, given up.
///
/// # Errors
/// When the database can't be written.
pub async fn failed(database: &Database, id: &str, error: &str, again: Option<Timestamp>) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "UPDATE outbox SET state = $1, tries = tries + 1, last_error = $2, next_try_at = COALESCE($3, next_try_at)
         WHERE id = $4 AND state = 'waiting'",
    )
    .bind(if again.is_some() { "waiting" } else { "abandoned" })
    .bind(storable(error))
    .bind(again.map(Timestamp::as_micros))
    .bind(id)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
