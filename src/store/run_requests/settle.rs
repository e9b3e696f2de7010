//! What becomes of a request. Each statement changes it only from the state it expects, so that of two processes that saw
//! the same thing one says it.

use crate::clock::Timestamp;
use crate::ids::{RequestId, RunId};
use crate::store::text::storable;
use crate::store::{Database, StoreError};

/// Notes the run, and the engine that has it. `false` when the request was not waiting for one any more.
///
/// # Errors
/// When the database can't be written.
pub async fn started(
    database: &Database,
    id: &RequestId,
    run: &RunId,
    provider: &str,
    look_at: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let changed = sqlx::query(
        "UPDATE run_requests SET state = 'started', run_id = $1, provider = $2, tries = 0, last_error = NULL,
             next_try_at = $3
         WHERE id = $4 AND state = 'requested'",
    )
    .bind(run.as_str())
    .bind(provider)
    .bind(look_at.as_micros())
    .bind(id.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(changed.rows_affected() > 0)
}

/// Notes that the engine could not be asked, and when it is tried again.
///
/// # Errors
/// When the database can't be written.
pub async fn again(database: &Database, id: &RequestId, at: Timestamp, error: &str) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "UPDATE run_requests SET tries = tries + 1, next_try_at = $1, last_error = $2
         WHERE id = $3 AND state IN ('requested', 'started')",
    )
    .bind(at.as_micros())
    .bind(storable(error))
    .bind(id.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Says when an active request is looked at next.
///
/// # Errors
/// When the database can't be written.
pub async fn look_again(database: &Database, id: &RequestId, at: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("UPDATE run_requests SET next_try_at = $1 WHERE id = $2 AND state IN ('requested', 'started')")
        .bind(at.as_micros())
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// A run that died of something that may pass.
#[derive(Debug, Clone, Copy)]
pub struct DeadRun<'a> {
    /// The run.
    pub run: &'a RunId,
    /// What it died of.
    pub error: &'a str,
    /// When the next one is started.
    pub next_try_at: Timestamp,
    /// When no more are, unless an earlier death has said so.
    pub give_up_at: Timestamp,
}

/// Puts a request back, for another run. `false` when `dead` was not its run any more.
///
/// # Errors
/// When the database can't be written.
pub async fn died(database: &Database, id: &RequestId, dead: DeadRun<'_>) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let changed = sqlx::query(
        "UPDATE run_requests SET state = 'requested', deaths = deaths + 1, tries = 0, last_error = $1, next_try_at = $2,
             give_up_at = COALESCE(give_up_at, $3),
             run_before = (SELECT current_run FROM transcripts WHERE transcripts.id = run_requests.transcript_id)
         WHERE id = $4 AND state = 'started' AND run_id = $5",
    )
    .bind(storable(dead.error))
    .bind(dead.next_try_at.as_micros())
    .bind(dead.give_up_at.as_micros())
    .bind(id.as_str())
    .bind(dead.run.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(changed.rows_affected() > 0)
}

/// Ends a request; `error` says why without a finished transcript. `false` when it had ended before.
///
/// # Errors
/// When the database can't be written.
pub async fn ended(
    database: &Database,
    id: &RequestId,
    error: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let changed = sqlx::query(
        "UPDATE run_requests SET state = 'ended', last_error = $1, ended_at = $2
         WHERE id = $3 AND state IN ('requested', 'started')",
    )
    .bind(error.map(storable))
    .bind(now.as_micros())
    .bind(id.as_str())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(changed.rows_affected() > 0)
}
