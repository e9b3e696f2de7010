//! Reading runs: for the engine, for the command line and for pages. Readers need no lock and disturb nobody.

use std::collections::BTreeMap;

use sqlx::Row;

use super::records::{AttemptRecord, ChildRecord, RunRecord, id};
use super::{RunStatus, RunStore};
use crate::clock::Timestamp;
use crate::ids::{RunId, TaskRunId};
use crate::store::StoreError;

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only runs of this workflow.
    pub workflow: Option<String>,
    /// Only runs in this state.
    pub status: Option<RunStatus>,
    /// Child runs too.
    pub children: bool,
    /// Only runs older than this one: the last of the page before.
    pub before: Option<RunId>,
}

/// A run that is queued or running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRun {
    /// The run.
    pub id: RunId,
    /// Whether a fan-out made it.
    pub is_child: bool,
    /// How often it was taken up again.
    pub resumed: i64,
}

impl RunStore {
    /// The newest runs first, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, filter: &RunFilter, limit: u32) -> Result<Vec<RunRecord>, StoreError> {
        let sql = format!(
            "SELECT {} FROM runs
             WHERE ($1 = '' OR workflow = $1) AND ($2 = '' OR status = $2) AND ($3 = '' OR id < $3)
               AND ($4 = 1 OR parent_run IS NULL)
             ORDER BY id DESC LIMIT $5",
            RunRecord::COLUMNS
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(filter.workflow.clone().unwrap_or_default())
            .bind(filter.status.map_or("", RunStatus::as_str))
            .bind(filter.before.as_ref().map_or_else(String::new, |run| run.as_str().to_owned()))
            .bind(i64::from(filter.children))
            .bind(i64::from(limit))
            .fetch_all(self.database.pool())
            .await?;
        rows.iter().map(RunRecord::read).collect()
    }

    /// One run; `None` if there is none of that id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let sql = format!("SELECT {} FROM runs WHERE id = $1", RunRecord::COLUMNS);
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(run.as_str().to_owned())
            .fetch_optional(self.database.pool())
            .await?;
        row.as_ref().map(RunRecord::read).transpose()
    }

    /// When a shape of a workflow was first stored; `None` if it never was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version_seen_at(&self, version: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT created_at FROM workflow_versions WHERE version = $1";
        let found: Option<i64> =
            sqlx::query_scalar(sql).bind(version.to_owned()).fetch_optional(self.database.pool()).await?;
        Ok(found.map(Timestamp::from_micros))
    }

    /// A run's input as JSON.
    ///
    /// # Errors
    /// When the database fails or has no such run.
    pub async fn input(&self, run: &RunId) -> Result<String, StoreError> {
        let sql = "SELECT input FROM runs WHERE id = $1";
        Ok(sqlx::query_scalar(sql).bind(run.as_str().to_owned()).fetch_one(self.database.pool()).await?)
    }

    /// A run's additional metadata.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn metadata(&self, run: &RunId) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = sqlx::query("SELECT name, value FROM run_metadata WHERE run_id = $1")
            .bind(run.as_str().to_owned())
            .fetch_all(self.database.pool())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("value")?))).collect()
    }

    /// The attempts of one task run, first to last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempts(&self, task_run: &TaskRunId) -> Result<Vec<AttemptRecord>, StoreError> {
        let sql = format!("SELECT {} FROM attempts WHERE task_run_id = $1 ORDER BY number", AttemptRecord::COLUMNS);
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(task_run.as_str().to_owned())
            .fetch_all(self.database.pool())
            .await?;
        rows.iter().map(AttemptRecord::read).collect()
    }

    /// A fan-out's child runs: of each key the latest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn children(&self, task_run: &TaskRunId) -> Result<Vec<ChildRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, child_key, child_round, status, failed_task, failure_class, failure_message,
                    finished_at
             FROM runs
             WHERE parent_task_run = $1
               AND child_round = (SELECT MAX(child_round) FROM runs AS rounds
                                  WHERE rounds.parent_task_run = runs.parent_task_run
                                    AND rounds.child_key = runs.child_key)
             ORDER BY child_key",
        )
        .bind(task_run.as_str().to_owned())
        .fetch_all(self.database.pool())
        .await?;
        rows.iter().map(ChildRecord::read).collect()
    }

    /// All runs that are queued or running, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn active(&self) -> Result<Vec<ActiveRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, CASE WHEN parent_run IS NULL THEN 0 ELSE 1 END AS is_child, resumed FROM runs
             WHERE status IN ('queued', 'running') ORDER BY id",
        )
        .fetch_all(self.database.pool())
        .await?;
        rows.iter()
            .map(|row| {
                // SQLite types an expression by its value, PostgreSQL as a 32-bit integer: both read as i64 here.
                let is_child: i64 = row.try_get("is_child")?;
                Ok(ActiveRun { id: id(row, "id")?, is_child: is_child != 0, resumed: row.try_get("resumed")? })
            })
            .collect()
    }
}
