//! Workflows, runs and tasks as the double keeps them.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tokio::time::Instant;

use super::wire::v1;

/// A registered workflow.
pub type Workflow = v1::Workflow;

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    pub workflow: String,
    pub input: Value,
    pub metadata: BTreeMap<String, String>,
    pub priority: i32,
    pub child_key: Option<String>,
    pub parent_task: Option<String>,
    /// By readable id, on-failure task included.
    pub tasks: BTreeMap<String, Task>,
    pub on_failure: Option<String>,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPhase {
    /// Its parents are not done.
    Waiting,
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl TaskPhase {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting | Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// A task of a run.
#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub name: String,
    pub action: String,
    pub phase: TaskPhase,
    pub retry_count: i32,
    /// Retries that the task's failures have used up.
    pub spent: i32,
    /// Times that it was taken from a worker that was lost, or could not be sent to one.
    pub reassigned: i32,
    /// When it may be queued again.
    pub not_before: Option<Instant>,
    /// When something was last heard of it.
    pub heard: Option<Instant>,
    pub worker: Option<String>,
    pub output: Option<Value>,
    pub error: Option<String>,
    pub logs: Vec<(String, String)>,
    pub chunks: Vec<(i64, Vec<u8>)>,
    pub ended: Option<Instant>,
    /// How each attempt ended, for whoever checks.
    pub outcomes: HashMap<i32, (String, bool)>,
    /// When each attempt was handed to a worker.
    pub sent: Vec<Instant>,
}

/// Times that the engine gives a task to another worker before it gives up.
const HAND_OVERS: i32 = 10;

impl Task {
    /// Back into the queue, without a retry spent; failed with `last_words` when that was so too often.
    pub fn hand_over(&mut self, last_words: &str) {
        self.reassigned += 1;
        self.worker = None;
        if self.reassigned > HAND_OVERS {
            self.phase = TaskPhase::Failed;
            self.error = Some(last_words.to_owned());
        } else {
            self.retry_count += 1;
            self.phase = TaskPhase::Queued;
        }
    }
}

impl Run {
    pub fn is_over(&self) -> bool {
        self.tasks.values().all(|task| task.phase.is_final())
    }

    /// The worst that happened.
    pub fn status(&self) -> &'static str {
        let any = |phase| self.tasks.values().any(|task| task.phase == phase);
        if !self.is_over() {
            let queued = |task: &Task| matches!(task.phase, TaskPhase::Waiting | TaskPhase::Queued);
            return if self.tasks.values().all(queued) { "QUEUED" } else { "RUNNING" };
        }
        // A run's own on-failure task is left out when nothing failed.
        if any(TaskPhase::Failed) {
            "FAILED"
        } else if self.steps().any(|task| task.phase == TaskPhase::Cancelled) {
            "CANCELLED"
        } else {
            "COMPLETED"
        }
    }

    pub fn steps(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values().filter(|task| Some(&task.name) != self.on_failure.as_ref())
    }
}
