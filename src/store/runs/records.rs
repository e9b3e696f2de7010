//! Rows as they are read.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::status::{AttemptOutcome, RunStatus, StoredFailure, TaskStatus, parse_class};
use crate::clock::Timestamp;
use crate::ids::{AttemptId, RunId, TaskRunId};
use crate::store::StoreError;

/// A run, without its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The workflow's exact name.
    pub workflow: String,
    /// The hash of the workflow's shape when the run was started.
    pub version: String,
    /// Where it is.
    pub status: RunStatus,
    /// The outermost run; `id` itself unless this is a child.
    pub root_run: RunId,
    /// The run whose fan-out made this one.
    pub parent_run: Option<RunId>,
    /// The fan-out's task run.
    pub parent_task_run: Option<TaskRunId>,
    /// Which of the planned children this is.
    pub child_key: Option<String>,
    /// 1, or more when the child was started anew.
    pub child_round: Option<i64>,
    /// The run that this one repeats.
    pub replay_of: Option<RunId>,
    /// At most one active run has this key.
    pub dedupe_key: Option<String>,
    /// Runs of one group are bounded in number.
    pub concurrency_group: Option<String>,
    /// Higher numbers first; 2 is ordinary.
    pub priority: i64,
    /// How often it was taken up again.
    pub resumed: i64,
    /// Why it failed.
    pub failure: Option<StoredFailure>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it got its place.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl RunRecord {
    pub(super) const COLUMNS: &'static str = "id, workflow, version, status, root_run, parent_run, parent_task_run, \
        child_key, child_round, replay_of, dedupe_key, concurrency_group, priority, resumed, failed_task, failure_class, failure_message, \
        created_at, started_at, finished_at";

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id(row, "id")?,
            workflow: row.try_get("workflow")?,
            version: row.try_get("version")?,
            status: RunStatus::parse(row.try_get("status")?)?,
            root_run: id(row, "root_run")?,
            parent_run: optional_id(row, "parent_run")?,
            parent_task_run: optional_id(row, "parent_task_run")?,
            child_key: row.try_get("child_key")?,
            child_round: row.try_get("child_round")?,
            replay_of: optional_id(row, "replay_of")?,
            dedupe_key: row.try_get("dedupe_key")?,
            concurrency_group: row.try_get("concurrency_group")?,
            priority: row.try_get("priority")?,
            resumed: row.try_get("resumed")?,
            failure: failure(row, Some("failed_task"))?,
            created_at: Timestamp::from_micros(row.try_get("created_at")?),
            started_at: moment(row, "started_at")?,
            finished_at: moment(row, "finished_at")?,
        })
    }
}

/// One task of one run, without its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRunRecord {
    /// The task run.
    pub id: TaskRunId,
    /// The task's name.
    pub task: String,
    /// Whether it is the workflow's on-failure task.
    pub on_failure: bool,
    /// Where it is.
    pub status: TaskStatus,
    /// Why it failed.
    pub failure: Option<StoredFailure>,
    /// Failed attempts that count against the limit of retries.
    pub failures: u32,
    /// Killed processes in a row without a newly kept piece.
    pub interruptions: u32,
    /// When the next attempt may begin.
    pub not_before: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl TaskRunRecord {
    pub(super) const COLUMNS: &'static str = "id, task, on_failure, status, failed_task, failure_class, \
        failure_message, failures, interruptions, not_before, finished_at";

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id(row, "id")?,
            task: row.try_get("task")?,
            on_failure: row.try_get::<i64, _>("on_failure")? != 0,
            status: TaskStatus::parse(row.try_get("status")?)?,
            failure: failure(row, Some("failed_task"))?,
            failures: count(row, "failures")?,
            interruptions: count(row, "interruptions")?,
            not_before: moment(row, "not_before")?,
            finished_at: moment(row, "finished_at")?,
        })
    }
}

/// One try of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The attempt.
    pub id: AttemptId,
    /// 1 for the first.
    pub number: u32,
    /// The executor's generation that made it.
    pub generation: i64,
    /// When it was ready to run.
    pub created_at: Timestamp,
    /// When it got a slot.
    pub assigned_at: Option<Timestamp>,
    /// When its code began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended; `None` while it lasts.
    pub outcome: Option<AttemptOutcome>,
    /// Its error.
    pub failure: Option<StoredFailure>,
    /// Whether it stored a piece of long work.
    pub kept_piece: bool,
}

impl AttemptRecord {
    pub(super) const COLUMNS: &'static str = "id, number, generation, created_at, assigned_at, started_at, \
        finished_at, outcome, failure_class, failure_message, kept_piece";

    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id(row, "id")?,
            number: count(row, "number")?,
            generation: row.try_get("generation")?,
            created_at: Timestamp::from_micros(row.try_get("created_at")?),
            assigned_at: moment(row, "assigned_at")?,
            started_at: moment(row, "started_at")?,
            finished_at: moment(row, "finished_at")?,
            outcome: row.try_get::<Option<&str>, _>("outcome")?.map(AttemptOutcome::parse).transpose()?,
            failure: failure(row, None)?,
            kept_piece: row.try_get::<i64, _>("kept_piece")? != 0,
        })
    }
}

/// The latest run for one key of a fan-out's plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildRecord {
    /// The run.
    pub run: RunId,
    /// Which of the planned children it is.
    pub key: String,
    /// 1, or more when the child was started anew.
    pub round: i64,
    /// Where it is.
    pub status: RunStatus,
    /// Why it failed.
    pub failure: Option<StoredFailure>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl ChildRecord {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            run: id(row, "id")?,
            key: row.try_get("child_key")?,
            round: row.try_get("child_round")?,
            status: RunStatus::parse(row.try_get("status")?)?,
            failure: failure(row, Some("failed_task"))?,
            finished_at: moment(row, "finished_at")?,
        })
    }
}

pub(super) fn id<T: TryFrom<String>>(row: &AnyRow, column: &'static str) -> Result<T, StoreError>
where
    T::Error: std::fmt::Display,
{
    T::try_from(row.try_get::<String, _>(column)?).map_err(|error| StoreError::garbled(column, error))
}

fn optional_id<T: TryFrom<String>>(row: &AnyRow, column: &'static str) -> Result<Option<T>, StoreError>
where
    T::Error: std::fmt::Display,
{
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| T::try_from(text).map_err(|error| StoreError::garbled(column, error))).transpose()
}

fn moment(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
}

fn count(row: &AnyRow, column: &'static str) -> Result<u32, StoreError> {
    u32::try_from(row.try_get::<i64, _>(column)?).map_err(|error| StoreError::garbled(column, error))
}

fn failure(row: &AnyRow, task_column: Option<&str>) -> Result<Option<StoredFailure>, StoreError> {
    let Some(class) = row.try_get::<Option<&str>, _>("failure_class")? else { return Ok(None) };
    let class = parse_class(class)?;
    let message = row.try_get::<Option<String>, _>("failure_message")?.unwrap_or_default();
    let task = match task_column {
        Some(column) => row.try_get(column)?,
        None => None,
    };
    Ok(Some(StoredFailure { task, class, message }))
}
