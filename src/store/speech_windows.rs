//! Finished pieces of recognition. They belong to what they were made from (audio, settings, model), not to a run: a
//! killed, retried or new run goes on from there.

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// The kept piece, JSON; `None` when that window was never finished.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, work: &str, window: usize) -> Result<Option<String>, StoreError> {
    let body = sqlx::query_scalar("SELECT body FROM speech_windows WHERE work_key = $1 AND window_index = $2")
        .bind(work)
        .bind(window as i64)
        .fetch_optional(database.pool())
        .await?;
    Ok(body)
}

/// All kept pieces of one work, in order, with their index.
///
/// # Errors
/// When the database can't be read.
pub async fn all(database: &Database, work: &str) -> Result<Vec<(usize, String)>, StoreError> {
    let rows = sqlx::query("SELECT window_index, body FROM speech_windows WHERE work_key = $1 ORDER BY window_index")
        .bind(work)
        .fetch_all(database.pool())
        .await?;
    rows.iter()
        .map(|row| Ok((usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or_default(), row.try_get(1)?)))
        .collect()
}

/// Keeps a finished piece. Whoever makes it again makes the same.
///
/// # Errors
/// When the database can't be written, or the executor was replaced.
pub async fn keep(
    database: &Database,
    work: &str,
    window: usize,
    body: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "INSERT INTO speech_windows (work_key, window_index, body, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (work_key, window_index) DO UPDATE SET body = excluded.body",
    )
    .bind(work)
    .bind(window as i64)
    .bind(body)
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
