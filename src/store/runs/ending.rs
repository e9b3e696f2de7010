//! Runs begin, end, are cancelled, and are taken up again. Cancelling and resuming reach all child runs.

use super::RunStore;
use super::status::{RunStatus, StoredFailure};
use crate::clock::Timestamp;
use crate::ids::RunId;
use crate::store::text::storable;
use crate::store::{StoreError, WriteTransaction};

/// The run `$1` and everything below it, as the table `tree`.
const TREE: &str = "WITH RECURSIVE tree (id) AS (
    SELECT id FROM runs WHERE id = $1
    UNION ALL
    SELECT runs.id FROM runs JOIN tree ON runs.parent_run = tree.id
)";

/// Of several runs for one planned child, only the latest is looked at.
const LATEST: &str = "NOT EXISTS (SELECT 1 FROM runs AS later
    WHERE later.parent_task_run = runs.parent_task_run AND later.child_key = runs.child_key
      AND later.child_round > runs.child_round)";

/// Whether a run may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It has its place.
    Begun,
    /// Its concurrency group is full.
    Waits,
    /// It is not active any more.
    Over,
}

/// As [`super::lock_tree`], of the tree that a run belongs to.
async fn lock_tree_of(transaction: &mut WriteTransaction, run: &RunId) -> Result<(), StoreError> {
    sqlx::query("UPDATE runs SET status = status WHERE id = (SELECT root_run FROM runs WHERE id = $1)")
        .bind(run.as_str().to_owned())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

impl RunStore {
    /// Gives a queued run its place, if there is one: of `group`, when it has one, so many runs may be running, and those
    /// of higher priority and those that were asked for earlier go first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_run(
        &self,
        run: &RunId,
        group: Option<(&str, u32)>,
        now: Timestamp,
    ) -> Result<Admission, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        if let Some((group, _)) = group {
            // Two that count at the same time would both find the last place free.
            self.database.one_at_a_time(&mut transaction, &format!("group {group}")).await?;
        }
        let begun = sqlx::query(
            "UPDATE runs SET status = 'running', started_at = COALESCE(started_at, $1)
             WHERE id = $2 AND (status = 'running' OR (status = 'queued' AND (
                 concurrency_group IS NULL
                 OR (SELECT COUNT(*) FROM runs AS others WHERE others.concurrency_group = runs.concurrency_group
                     AND (others.status = 'running' OR (others.status = 'queued'
                         AND (others.priority > runs.priority
                              OR (others.priority = runs.priority AND others.id < runs.id))))) < $3)))",
        )
        .bind(now.as_micros())
        .bind(run.as_str().to_owned())
        .bind(group.map_or(i64::MAX, |(_, most)| i64::from(most)))
        .execute(&mut *transaction)
        .await?;
        if begun.rows_affected() > 0 {
            transaction.commit().await?;
            return Ok(Admission::Begun);
        }
        let queued: Option<i64> = sqlx::query_scalar("SELECT 1 FROM runs WHERE id = $1 AND status = 'queued'")
            .bind(run.as_str().to_owned())
            .fetch_optional(&mut *transaction)
            .await?;
        Ok(if queued.is_some() { Admission::Waits } else { Admission::Over })
    }

    /// Ends an active run. `false` when it was over already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_run(
        &self,
        run: &RunId,
        status: RunStatus,
        failure: Option<&StoredFailure>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        let ended = sqlx::query(
            "UPDATE runs SET status = $1, failed_task = $2, failure_class = $3, failure_message = $4, finished_at = $5
             WHERE id = $6 AND status IN ('queued', 'running')",
        )
        .bind(status.as_str())
        .bind(failure.and_then(|failure| failure.task.clone()))
        .bind(failure.map(|failure| failure.class.as_str()))
        .bind(failure.map(|failure| storable(&failure.message)))
        .bind(now.as_micros())
        .bind(run.as_str().to_owned())
        .execute(&mut *transaction)
        .await?;
        // What never had to run: the on-failure task of a run that went well.
        sqlx::query(
            "UPDATE task_runs SET status = 'skipped' WHERE run_id = $1 AND status = 'pending'
                 AND (SELECT status FROM runs WHERE id = $1) IN ('completed', 'failed')",
        )
        .bind(run.as_str().to_owned())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(ended.rows_affected() > 0)
    }

    /// Cancels an active run and everything below it, at once and for good: whatever its attempts still make is
    /// dropped. Any process may ask; an executor stops the code within half a second. `false` when the run was over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(&self, run: &RunId, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        // First, so that the next statement sees whatever children were being made.
        lock_tree_of(&mut transaction, run).await?;
        let cancelled = sqlx::query(sqlx::AssertSqlSafe(format!(
            "{TREE} UPDATE runs SET status = 'cancelled', finished_at = $2
             WHERE id IN (SELECT id FROM tree) AND status IN ('queued', 'running')
               AND (SELECT status FROM runs WHERE id = $1) IN ('queued', 'running')"
        )))
        .bind(run.as_str().to_owned())
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
        if cancelled.rows_affected() == 0 {
            return Ok(false);
        }
        for statement in [
            "UPDATE task_runs SET status = 'cancelled', finished_at = $2
             WHERE status IN ('pending', 'running') AND run_id IN (SELECT id FROM tree)",
            "UPDATE attempts SET outcome = 'cancelled', finished_at = $2
             WHERE outcome IS NULL AND task_run_id IN (SELECT task_runs.id FROM task_runs JOIN tree ON run_id = tree.id)",
        ] {
            sqlx::query(sqlx::AssertSqlSafe(format!("{TREE} {statement}")))
                .bind(run.as_str().to_owned())
                .bind(now.as_micros())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes a failed or cancelled run up again, with everything below it: completed outputs stay, all other tasks get
    /// new attempts with full retries. `false` when it is not over or is completed.
    ///
    /// # Errors
    /// A unique violation when another active run has its dedupe key; else when the database fails.
    pub async fn resume(&self, run: &RunId) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        lock_tree_of(&mut transaction, run).await?;
        let resumable: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM runs WHERE id = $1 AND status IN ('failed', 'cancelled')")
                .bind(run.as_str().to_owned())
                .fetch_optional(&mut *transaction)
                .await?;
        if resumable.is_none() {
            return Ok(false);
        }
        for statement in [
            format!(
                "UPDATE task_runs SET status = 'pending', failures = 0, interruptions = 0, not_before = NULL,
                     failed_task = NULL, failure_class = NULL, failure_message = NULL, finished_at = NULL
                 WHERE (status IN ('failed', 'cancelled', 'skipped') OR on_failure = 1)
                   AND run_id IN (SELECT runs.id FROM tree JOIN runs ON runs.id = tree.id
                                  WHERE runs.status IN ('failed', 'cancelled') AND {LATEST})"
            ),
            format!(
                "UPDATE runs SET status = 'queued', resumed = resumed + 1, failed_task = NULL, failure_class = NULL, failure_message = NULL,
                     finished_at = NULL
                 WHERE status IN ('failed', 'cancelled') AND id IN (SELECT id FROM tree) AND {LATEST}"
            ),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(format!("{TREE} {statement}")))
                .bind(run.as_str().to_owned())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
