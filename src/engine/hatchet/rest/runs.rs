//! Runs and their tasks.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Rest, Rows};
use crate::clock::Timestamp;
use crate::engine::hatchet::error::HatchetError;

/// Where a run or a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskState {
    /// Waits.
    Queued,
    /// Under way.
    Running,
    /// Done.
    Completed,
    /// Stopped, or never started because of another's failure.
    Cancelled,
    /// Failed for good.
    Failed,
}

impl TaskState {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing more comes of it by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

/// A task of a run, or, in lists, a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskSummary {
    /// The task run's id; of a run with several tasks the run's.
    pub task_external_id: String,
    /// The run that it belongs to.
    pub workflow_run_external_id: String,
    /// Where it is.
    pub status: TaskState,
    /// `service:task`; of a run with several tasks absent.
    #[serde(default)]
    pub action_id: Option<String>,
    /// Attempts before this one.
    #[serde(default)]
    pub retry_count: Option<i32>,
    /// What its last attempt failed of; may be empty.
    #[serde(default)]
    pub error_message: Option<String>,
    /// What it was given.
    #[serde(default)]
    pub input: Value,
    /// What it made.
    #[serde(default)]
    pub output: Value,
    /// When its last attempt ended.
    #[serde(default, deserialize_with = "moment")]
    pub finished_at: Option<Timestamp>,
    /// When its last attempt began.
    #[serde(default, deserialize_with = "moment")]
    pub started_at: Option<Timestamp>,
}

impl TaskSummary {
    /// The task's name.
    pub fn task(&self) -> Option<&str> {
        self.action_id.as_deref()?.rsplit_once(':').map(|(_, task)| task)
    }
}

/// A run with its tasks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RunPage {
    /// The run itself.
    pub run: RunSummary,
    /// Its tasks, on-failure task included.
    #[serde(default)]
    pub tasks: Vec<TaskSummary>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSummary {
    /// Where it is.
    pub status: TaskState,
    /// What it was started with.
    #[serde(default)]
    pub additional_metadata: Value,
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskEvent {
    /// `ASSIGNED`, `STARTED`, `RETRYING` and so on.
    pub event_type: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// When.
    #[serde(default, deserialize_with = "moment")]
    pub timestamp: Option<Timestamp>,
    /// In which attempt.
    #[serde(default)]
    pub retry_count: Option<i32>,
}

/// A line that a task logged.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    /// The line.
    pub message: String,
    /// `DEBUG`, `INFO`, `WARN` or `ERROR`.
    #[serde(default)]
    pub level: Option<String>,
    /// In which attempt.
    #[serde(default)]
    pub retry_count: Option<i32>,
}

/// Which runs are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Made after this moment; must be said.
    pub since: Timestamp,
    /// In one of these states; empty: in any.
    pub states: Vec<TaskState>,
    /// With all of this metadata.
    pub metadata: BTreeMap<String, String>,
    /// At most so many.
    pub limit: u32,
}

impl Rest {
    /// A run with its tasks, their inputs and outputs; `None` when there is none, or none yet on the read side.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn run(&self, run: &str) -> Result<Option<RunPage>, HatchetError> {
        self.get("reading a run", &format!("/api/v1/stable/workflow-runs/{run}"), &[]).await
    }

    /// Where a run is.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn run_state(&self, run: &str) -> Result<Option<TaskState>, HatchetError> {
        self.get("reading a run's status", &format!("/api/v1/stable/workflow-runs/{run}/status"), &[]).await
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn runs(&self, query: &RunQuery) -> Result<Vec<TaskSummary>, HatchetError> {
        let mut asked = vec![
            ("since", query.since.to_string()),
            ("only_tasks", "false".to_owned()),
            ("include_payloads", "false".to_owned()),
            ("limit", query.limit.to_string()),
        ];
        asked.extend(query.states.iter().map(|state| ("statuses", state.as_str().to_owned())));
        asked.extend(query.metadata.iter().map(|(name, value)| ("additional_metadata", format!("{name}:{value}"))));
        if query.metadata.len() > 1 {
            asked.push(("additional_metadata_operator", "AND".to_owned()));
        }
        let found: Option<Rows<TaskSummary>> =
            self.get("looking for runs", &self.stable_tenant("workflow-runs"), &asked).await?;
        Ok(found.and_then(|found| found.rows).unwrap_or_default())
    }

    /// Tasks of runs made since, whose last attempt a worker has been given and not ended.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn running_on(&self, worker: &str, since: Timestamp) -> Result<Vec<TaskSummary>, HatchetError> {
        let asked = [
            ("since", since.to_string()),
            ("only_tasks", "true".to_owned()),
            ("include_payloads", "false".to_owned()),
            ("limit", "1000".to_owned()),
            ("statuses", TaskState::Running.as_str().to_owned()),
            ("worker_id", worker.to_owned()),
        ];
        let found: Option<Rows<TaskSummary>> =
            self.get("looking for a worker's tasks", &self.stable_tenant("workflow-runs"), &asked).await?;
        Ok(found.and_then(|found| found.rows).unwrap_or_default())
    }

    /// One task, as its last attempt left it.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn task(&self, task_run: &str) -> Result<Option<TaskSummary>, HatchetError> {
        self.get("reading a task", &format!("/api/v1/stable/tasks/{task_run}"), &[]).await
    }

    /// What happened to a task, as far as one page goes.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn task_events(&self, task_run: &str) -> Result<Vec<TaskEvent>, HatchetError> {
        let path = format!("/api/v1/stable/tasks/{task_run}/task-events");
        let found: Option<Rows<TaskEvent>> =
            self.get("reading a task's events", &path, &[("limit", "1000".to_owned())]).await?;
        Ok(found.and_then(|found| found.rows).unwrap_or_default())
    }

    /// What a task logged, oldest first.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn task_logs(&self, task_run: &str) -> Result<Vec<LogEntry>, HatchetError> {
        let path = format!("/api/v1/stable/tasks/{task_run}/logs");
        let query = [("limit", "10000".to_owned()), ("order_by_direction", "ASC".to_owned())];
        let found: Option<Rows<LogEntry>> = self.get("reading a task's log", &path, &query).await?;
        Ok(found.and_then(|found| found.rows).unwrap_or_default())
    }

    /// Stops tasks, or all tasks of runs.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn cancel(&self, ids: &[String]) -> Result<(), HatchetError> {
        let body = json!({"externalIds": ids});
        self.send("cancelling", Method::POST, &self.stable_tenant("tasks/cancel"), &body).await
    }

    /// Stops all unfinished runs with this metadata that were made since.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn cancel_by_metadata(&self, name: &str, value: &str, since: Timestamp) -> Result<(), HatchetError> {
        let filter = json!({
            "since": since.to_string(),
            "statuses": [TaskState::Queued.as_str(), TaskState::Running.as_str()],
            "additionalMetadata": [format!("{name}:{value}")],
        });
        let body = json!({"filter": filter});
        self.send("cancelling", Method::POST, &self.stable_tenant("tasks/cancel"), &body).await
    }

    /// Gives tasks, and what depends on them, new attempts.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn replay(&self, ids: &[String]) -> Result<(), HatchetError> {
        let body = json!({"externalIds": ids});
        self.send("replaying", Method::POST, &self.stable_tenant("tasks/replay"), &body).await
    }
}

/// A moment as the API writes it. The zero date stands for none.
fn moment<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parsed = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(parsed.map(|at| Timestamp::from_micros(at.as_microsecond())).filter(|at| at.as_micros() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_read_whatever_the_server_leaves_out() {
        let full = json!({
            "taskExternalId": "t", "workflowRunExternalId": "r", "status": "FAILED", "retryCount": 2, "displayName": "a-1",
            "actionId": "diarizationpipeline:finalize", "errorMessage": "boom", "output": {"a": 1}, "unknown": [],
            "finishedAt": "2026-11-21T17:00:00.123456789Z", "startedAt": "0001-01-01T00:00:00Z",
        });
        let task: TaskSummary = serde_json::from_value(full).unwrap();
        assert_eq!((task.task(), task.retry_count), (Some("finalize"), Some(2)));
        assert_eq!(task.finished_at.unwrap().to_string(), "2026-11-21T17:00:00.123Z");
        assert_eq!(task.started_at, None);
        let sparse = json!({"taskExternalId": "t", "workflowRunExternalId": "r", "status": "QUEUED"});
        let task: TaskSummary = serde_json::from_value(sparse).unwrap();
        assert_eq!((task.task(), task.status.is_final()), (None, false));
    }
}
