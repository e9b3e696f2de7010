//! New runs: a run, its tasks and its metadata appear together or not at all.

use std::collections::BTreeMap;

use super::{RunStore, lock_tree};
use crate::clock::Timestamp;
use crate::ids::{AttemptId, RunId, TaskRunId};
use crate::store::{StoreError, WriteTransaction};

/// A run to be made.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The workflow's exact name.
    pub workflow: String,
    /// The hash of the workflow's shape.
    pub version: String,
    /// The shape as JSON, for people and pages.
    pub shape: String,
    /// The input as JSON.
    pub input: String,
    /// The workflow's tasks.
    pub tasks: Vec<NewTask>,
    /// The outermost run; `id` itself unless this is a child.
    pub root_run: RunId,
    /// Who makes it, when it is a child.
    pub parent: Option<ParentOf>,
    /// The run that it repeats.
    pub replay_of: Option<RunId>,
    /// No second active run has this key.
    pub dedupe_key: Option<String>,
    /// Workflow and value of its concurrency key.
    pub concurrency_group: Option<String>,
    /// Higher numbers first, where several runs wait for a slot or a place; 2 is ordinary.
    pub priority: i64,
    /// Additional metadata.
    pub metadata: BTreeMap<String, String>,
    /// Now.
    pub created_at: Timestamp,
}

/// A task of a new run.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// The task's name.
    pub name: String,
    /// Whether it is the on-failure task.
    pub on_failure: bool,
}

/// What makes a run a child.
#[derive(Debug, Clone)]
pub struct ParentOf {
    /// The fan-out's run.
    pub run: RunId,
    /// The fan-out's task run.
    pub task_run: TaskRunId,
    /// Which of the planned children it is.
    pub key: String,
    /// 1, or more when the child is started anew.
    pub round: i64,
}

/// What came of asking for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    New(RunId),
    /// An active run has the same dedupe key; nothing was made.
    Existing(RunId),
}

impl RunStore {
    /// Makes a queued run, unless an active one has its dedupe key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create(&self, run: &NewRun) -> Result<Created, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        loop {
            if insert(&mut transaction, run).await? {
                transaction.commit().await?;
                return Ok(Created::New(run.id.clone()));
            }
            let sql = "SELECT id FROM runs WHERE dedupe_key = $1 AND status IN ('queued', 'running')";
            let existing: Option<String> =
                sqlx::query_scalar(sql).bind(run.dedupe_key.clone()).fetch_optional(&mut *transaction).await?;
            match existing {
                Some(id) => {
                    let id = id.parse().map_err(|error| StoreError::garbled("run id", error))?;
                    return Ok(Created::Existing(id));
                }
                // Without a key nothing but its own id stands in the way.
                None if run.dedupe_key.is_none() => return Ok(Created::Existing(run.id.clone())),
                // It ended between the two statements: its key is free now.
                None => {}
            }
        }
    }

    /// Makes those of a fan-out's child runs that are missing, stores the plan with the attempt if that one made it, and
    /// notes that the attempt only waits from now on.
    ///
    /// Gives `false`, and makes nothing, when the attempt is over: its run was cancelled meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_children(
        &self,
        attempt: &AttemptId,
        plan: Option<&str>,
        children: &[NewRun],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        if let Some(child) = children.first() {
            // Whoever cancels the tree now waits, and sees the children afterwards.
            lock_tree(&mut transaction, &child.root_run).await?;
        }
        let open =
            sqlx::query("UPDATE attempts SET plan = COALESCE($1, plan), waiting = 1 WHERE id = $2 AND outcome IS NULL")
                .bind(plan.map(str::to_owned))
                .bind(attempt.as_str().to_owned())
                .execute(&mut *transaction)
                .await?;
        if open.rows_affected() == 0 {
            return Ok(false);
        }
        for child in children {
            // A conflict means that it was made already, by this call before an answer was lost.
            insert(&mut transaction, child).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Whether the run was inserted; not so when an active run has its dedupe key, or the child exists.
async fn insert(transaction: &mut WriteTransaction, run: &NewRun) -> Result<bool, StoreError> {
    sqlx::query(
        "INSERT INTO workflow_versions (version, workflow, shape, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(run.version.clone())
    .bind(run.workflow.clone())
    .bind(run.shape.clone())
    .bind(run.created_at.as_micros())
    .execute(&mut **transaction)
    .await?;
    let parent = run.parent.as_ref();
    let inserted = sqlx::query(
        "INSERT INTO runs (id, workflow, version, status, input, root_run, parent_run, parent_task_run, child_key,
                           child_round, replay_of, dedupe_key, concurrency_group, created_at, priority)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT DO NOTHING",
    )
    .bind(run.id.as_str().to_owned())
    .bind(run.workflow.clone())
    .bind(run.version.clone())
    .bind(run.input.clone())
    .bind(run.root_run.as_str().to_owned())
    .bind(parent.map(|parent| parent.run.as_str().to_owned()))
    .bind(parent.map(|parent| parent.task_run.as_str().to_owned()))
    .bind(parent.map(|parent| parent.key.clone()))
    .bind(parent.map(|parent| parent.round))
    .bind(run.replay_of.as_ref().map(|id| id.as_str().to_owned()))
    .bind(run.dedupe_key.clone())
    .bind(run.concurrency_group.clone())
    .bind(run.created_at.as_micros())
    .bind(run.priority)
    .execute(&mut **transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    for (name, value) in &run.metadata {
        sqlx::query("INSERT INTO run_metadata (run_id, name, value) VALUES ($1, $2, $3)")
            .bind(run.id.as_str().to_owned())
            .bind(name.clone())
            .bind(value.clone())
            .execute(&mut **transaction)
            .await?;
    }
    for (position, task) in (0_i64..).zip(&run.tasks) {
        sqlx::query(
            "INSERT INTO task_runs (id, run_id, task, position, on_failure, status)
             VALUES ($1, $2, $3, $4, $5, 'pending')",
        )
        .bind(TaskRunId::generate().as_str().to_owned())
        .bind(run.id.as_str().to_owned())
        .bind(task.name.clone())
        .bind(position)
        .bind(i64::from(task.on_failure))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(true)
}
