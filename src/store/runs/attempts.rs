//! Attempts begin and end. Beginning and ending each change the attempt and its task in one transaction.

use sqlx::Row;

use super::RunStore;
use super::status::{AttemptOutcome, StoredFailure};
use crate::clock::Timestamp;
use crate::ids::{AttemptId, TaskRunId};
use crate::store::text::storable;
use crate::store::{StoreError, WriteTransaction};

/// An attempt about to begin.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Its id.
    pub id: AttemptId,
    /// Its task run.
    pub task_run: TaskRunId,
    /// The executor that makes it.
    pub generation: i64,
    /// When it was ready to run.
    pub created_at: Timestamp,
    /// Now: it has its slot. `None` when it got none in time.
    pub assigned_at: Option<Timestamp>,
}

/// How an attempt ended and what that means for its task.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its task run.
    pub task_run: TaskRunId,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// Its error.
    pub failure: Option<StoredFailure>,
    /// What becomes of the task.
    pub task: TaskEnd,
    /// Now.
    pub finished_at: Timestamp,
}

/// What becomes of a task when an attempt of it has ended.
#[derive(Debug, Clone)]
pub enum TaskEnd {
    /// It is done; its output as JSON.
    Completed(String),
    /// It failed for good.
    Failed,
    /// It is tried again, not before this moment; the failure counts.
    Retry(Timestamp),
    /// It goes on when the engine does; nothing counts.
    Paused,
}

impl RunStore {
    /// Begins an attempt and gives its number. `None` when the task does not wait for one: its run was cancelled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_attempt(&self, attempt: &NewAttempt) -> Result<Option<u32>, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        let number = insert(&mut transaction, attempt).await?;
        transaction.commit().await?;
        Ok(number)
    }

    /// Ends an attempt. Gives `false` when it was over already: what it made comes too late and is dropped.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_attempt(&self, end: &AttemptEnd) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        let ended = finish(&mut transaction, end).await?;
        if ended {
            transaction.commit().await?;
        }
        Ok(ended)
    }

    /// Records an attempt that ended before it began: it got no slot in time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempt_without_slot(&self, attempt: &NewAttempt, end: &AttemptEnd) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        let ended = insert(&mut transaction, attempt).await?.is_some() && finish(&mut transaction, end).await?;
        if ended {
            transaction.commit().await?;
        }
        Ok(ended)
    }

    /// Notes that an attempt stored a piece of long work for good.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_piece(&self, attempt: &AttemptId) -> Result<(), StoreError> {
        self.flag("UPDATE attempts SET kept_piece = 1 WHERE id = $1 AND outcome IS NULL", attempt).await
    }

    /// Notes that an attempt's children are done and it works again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn children_joined(&self, attempt: &AttemptId) -> Result<(), StoreError> {
        self.flag("UPDATE attempts SET waiting = 0 WHERE id = $1 AND outcome IS NULL", attempt).await
    }

    async fn flag(&self, sql: &'static str, attempt: &AttemptId) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().await?;
        sqlx::query(sql).bind(attempt.as_str().to_owned()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The plan that an earlier attempt of a fan-out stored, as JSON.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn plan(&self, task_run: &TaskRunId) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT plan FROM attempts WHERE task_run_id = $1 AND plan IS NOT NULL ORDER BY number LIMIT 1",
        )
        .bind(task_run.as_str().to_owned())
        .fetch_optional(self.database.pool())
        .await?;
        Ok(row.map(|row| row.try_get("plan")).transpose()?)
    }
}

async fn insert(transaction: &mut WriteTransaction, attempt: &NewAttempt) -> Result<Option<u32>, StoreError> {
    let task_run = attempt.task_run.as_str();
    let waiting =
        sqlx::query("UPDATE task_runs SET status = 'running', not_before = NULL WHERE id = $1 AND status = 'pending'")
            .bind(task_run.to_owned())
            .execute(&mut **transaction)
            .await?;
    if waiting.rows_affected() == 0 {
        return Ok(None);
    }
    let assigned = attempt.assigned_at.map(Timestamp::as_micros);
    let number: i64 = sqlx::query_scalar(
        "INSERT INTO attempts (id, task_run_id, number, generation, created_at, assigned_at, started_at)
         VALUES ($1, $2, (SELECT COALESCE(MAX(number), 0) + 1 FROM attempts WHERE task_run_id = $2), $3, $4, $5, $5)
         RETURNING number",
    )
    .bind(attempt.id.as_str().to_owned())
    .bind(task_run.to_owned())
    .bind(attempt.generation)
    .bind(attempt.created_at.as_micros())
    .bind(assigned)
    .fetch_one(&mut **transaction)
    .await?;
    u32::try_from(number).map(Some).map_err(|error| StoreError::garbled("attempt number", error))
}

async fn finish(transaction: &mut WriteTransaction, end: &AttemptEnd) -> Result<bool, StoreError> {
    let class = end.failure.as_ref().map(|failure| failure.class.as_str());
    let message = end.failure.as_ref().map(|failure| storable(&failure.message));
    let finished_at = end.finished_at.as_micros();
    // A process that lives on to see the attempt's end was not killed by it: the row of interruptions is broken.
    let query = match &end.task {
        TaskEnd::Completed(output) => sqlx::query(
            "UPDATE task_runs SET status = 'completed', output = $1, finished_at = $2, interruptions = 0,
                 failed_task = NULL, failure_class = NULL, failure_message = NULL
             WHERE id = $3 AND status = 'running'",
        )
        .bind(output.clone())
        .bind(finished_at),
        TaskEnd::Failed => sqlx::query(
            "UPDATE task_runs SET status = 'failed', failures = failures + 1, interruptions = 0, finished_at = $1,
                 failed_task = $2, failure_class = $4, failure_message = $5
             WHERE id = $3 AND status = 'running'",
        )
        .bind(finished_at)
        .bind(end.failure.as_ref().and_then(|failure| failure.task.clone())),
        TaskEnd::Retry(not_before) => sqlx::query(
            "UPDATE task_runs SET status = 'pending', failures = failures + 1, interruptions = 0, not_before = $1,
                 failed_task = $2, failure_class = $4, failure_message = $5
             WHERE id = $3 AND status = 'running'",
        )
        .bind(not_before.as_micros())
        .bind(end.failure.as_ref().and_then(|failure| failure.task.clone())),
        TaskEnd::Paused => sqlx::query("UPDATE task_runs SET status = 'pending' WHERE id = $1 AND status = 'running'"),
    };
    let query = query.bind(end.task_run.as_str().to_owned());
    let query = match end.task {
        TaskEnd::Failed | TaskEnd::Retry(_) => query.bind(class).bind(message.clone()),
        TaskEnd::Completed(_) | TaskEnd::Paused => query,
    };
    if query.execute(&mut **transaction).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let open = sqlx::query(
        "UPDATE attempts SET outcome = $1, failure_class = $2, failure_message = $3, finished_at = $4
         WHERE id = $5 AND outcome IS NULL",
    )
    .bind(end.outcome.as_str())
    .bind(class)
    .bind(message)
    .bind(finished_at)
    .bind(end.attempt.as_str().to_owned())
    .execute(&mut **transaction)
    .await?;
    Ok(open.rows_affected() > 0)
}
