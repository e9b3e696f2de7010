//! For whoever looks after transcripts from outside of runs: which ones need it, and a status that is changed in nobody's name.

use super::text::storable;
use super::transcripts::{COLUMNS, TranscriptFailure, TranscriptRow, from_row};
use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::RunId;

/// Transcripts whose status says that a run is at work and for which none was asked for here that is not over, those that
/// were touched longest ago first.
///
/// # Errors
/// When the database can't be read.
pub async fn processing_unasked(database: &Database, limit: u32) -> Result<Vec<TranscriptRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM transcripts WHERE status = 'processing' AND NOT EXISTS (
             SELECT 1 FROM run_requests WHERE run_requests.transcript_id = transcripts.id
                 AND run_requests.state IN ('requested', 'started'))
         ORDER BY updated_at, id LIMIT $1"
    )))
    .bind(i64::from(limit))
    .fetch_all(database.pool())
    .await?;
    rows.iter().map(from_row).collect()
}

/// Changes the status of a transcript that is still as it was read: no run has begun since, and the status is the same.
/// For those who speak of a transcript and not in the name of a run. Says whether it was.
///
/// # Errors
/// When the database can't be written.
pub async fn change_status(
    database: &Database,
    before: &TranscriptRow,
    after: &str,
    failure: Option<&TranscriptFailure>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let changed = sqlx::query(
        "UPDATE transcripts SET status = $1, failed_task = $2, failure_class = $3, failure_message = $4, updated_at = $5
         WHERE id = $6 AND status = $7 AND COALESCE(current_run, '') = $8",
    )
    .bind(after)
    .bind(failure.map(|failure| failure.task.clone()))
    .bind(failure.map(|failure| failure.class.clone()))
    .bind(failure.map(|failure| storable(&failure.message)))
    .bind(now.as_micros())
    .bind(before.id.as_str())
    .bind(before.status.as_str())
    .bind(before.current_run.as_ref().map_or("", RunId::as_str))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(changed.rows_affected() > 0)
}
