//! Tasks of runs: their states and outputs.

use std::collections::BTreeMap;

use sqlx::Row;

use super::status::StoredFailure;
use super::{RunStore, TaskRunRecord};
use crate::clock::Timestamp;
use crate::ids::{RunId, TaskRunId};
use crate::store::StoreError;
use crate::store::text::storable;

impl RunStore {
    /// A run's tasks, in the workflow's order, the on-failure task last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn task_runs(&self, run: &RunId) -> Result<Vec<TaskRunRecord>, StoreError> {
        let sql = format!("SELECT {} FROM task_runs WHERE run_id = $1 ORDER BY position", TaskRunRecord::COLUMNS);
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(run.as_str().to_owned()).fetch_all(self.database.pool()).await?;
        rows.iter().map(TaskRunRecord::read).collect()
    }

    /// The outputs of a run's completed tasks, by task, as JSON.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outputs(&self, run: &RunId) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = sqlx::query(
            "SELECT task, output FROM task_runs
             WHERE run_id = $1 AND status = 'completed' AND on_failure = 0 AND output IS NOT NULL",
        )
        .bind(run.as_str().to_owned())
        .fetch_all(self.database.pool())
        .await?;
        rows.iter().map(|row| Ok((row.try_get("task")?, row.try_get("output")?))).collect()
    }

    /// Gives up on a task that waits for an attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_task(
        &self,
        task_run: &TaskRunId,
        failure: &StoredFailure,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().await?;
        sqlx::query(
            "UPDATE task_runs SET status = 'failed', failed_task = $1, failure_class = $2, failure_message = $3,
                 finished_at = $4
             WHERE id = $5 AND status = 'pending'",
        )
        .bind(failure.task.clone())
        .bind(failure.class.as_str())
        .bind(storable(&failure.message))
        .bind(now.as_micros())
        .bind(task_run.as_str().to_owned())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Skips tasks that can't run any more because one before them failed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn skip_tasks(&self, tasks: &[TaskRunId], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().await?;
        for task in tasks {
            sqlx::query(
                "UPDATE task_runs SET status = 'skipped', finished_at = $1 WHERE id = $2 AND status = 'pending'",
            )
            .bind(now.as_micros())
            .bind(task.as_str().to_owned())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Takes back what an attempt left open whose code no longer runs in this process. Nothing counts: the process lives.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_tasks(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().await?;
        sqlx::query("UPDATE task_runs SET status = 'pending' WHERE run_id = $1 AND status = 'running'")
            .bind(run.as_str().to_owned())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "UPDATE attempts SET outcome = 'interrupted', finished_at = $1
             WHERE outcome IS NULL AND task_run_id IN (SELECT id FROM task_runs WHERE run_id = $2)",
        )
        .bind(now.as_micros())
        .bind(run.as_str().to_owned())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
