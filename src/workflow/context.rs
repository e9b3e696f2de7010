//! What a task is told about itself and what it can tell the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Timestamp};
use crate::failure::FailureClass;
use crate::ids::{RunId, TaskRunId};

/// Who this attempt is. The same words on every engine.
#[derive(Debug, Clone)]
pub struct TaskIdentity {
    /// The workflow's exact name, e.g. `DiarizationPipeline`.
    pub workflow: String,
    /// The task's name, e.g. `get_recording`.
    pub task: String,
    /// The run this task belongs to.
    pub run: RunId,
    /// The outermost run: of a child run its parent's, else `run` itself. Results carry this one.
    pub root_run: RunId,
    /// The child's stable key, when the run is a child.
    pub child_key: Option<String>,
    /// The task run.
    pub task_run: TaskRunId,
    /// 1 for the first try.
    pub attempt: u32,
    /// The embedded executor's generation; `None` on engines that fence by themselves. Writing transactions compare it.
    pub generation: Option<i64>,
}

/// How loud a task's log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For those who look for a cause.
    Debug,
    /// What happened.
    Info,
    /// Went on, but somebody should know.
    Warn,
    /// Did not go on.
    Error,
}

/// A failed task of the run, as an on-failure task sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRunError {
    /// The failed task's name; a child's task is `process_tracks[t001]/pad_track`.
    pub task: String,
    /// Its last error.
    pub message: String,
    /// What could have been done about it.
    pub class: FailureClass,
}

/// Where an engine takes what a task says. Calls return at once; an engine buffers.
pub trait TaskSink: Send + Sync + 'static {
    /// One line for the run's log.
    fn log(&self, level: LogLevel, line: &str);
    /// Bytes for whoever follows the run live.
    fn put_stream(&self, chunk: &[u8]);
    /// How far the attempt is (0..=1) and at what. Each call is a sign of life that restarts the stall timeout.
    fn progress(&self, fraction: f64, doing: &str);
    /// A piece of long work was stored for good: a killed process is forgiven its earlier kills. A sign of life too.
    fn piece_kept(&self);
}

/// Handed to each attempt of each task.
#[derive(Clone)]
pub struct TaskContext {
    identity: Arc<TaskIdentity>,
    metadata: Arc<BTreeMap<String, String>>,
    skipped: Arc<BTreeSet<String>>,
    errors: Arc<Vec<TaskRunError>>,
    sink: Arc<dyn TaskSink>,
    cancel: CancellationToken,
    clock: SharedClock,
    outer: Option<OuterLimits>,
}

/// The limits that the runner holds an attempt to.
#[derive(Clone, Copy)]
pub(super) struct OuterLimits {
    pub(super) deadline: Timestamp,
    pub(super) stall_timeout: Duration,
}

impl TaskContext {
    /// Built by an engine for one attempt.
    pub fn new(
        identity: TaskIdentity,
        metadata: BTreeMap<String, String>,
        sink: Arc<dyn TaskSink>,
        cancel: CancellationToken,
        clock: SharedClock,
    ) -> Self {
        Self {
            identity: Arc::new(identity),
            metadata: Arc::new(metadata),
            skipped: Arc::default(),
            errors: Arc::default(),
            sink,
            cancel,
            clock,
            outer: None,
        }
    }

    /// The same context as the runner hands it on: what the task says and when it has to stop go through the runner.
    pub(super) fn watched(mut self, sink: Arc<dyn TaskSink>, cancel: CancellationToken, outer: OuterLimits) -> Self {
        self.sink = sink;
        self.cancel = cancel;
        self.outer = Some(outer);
        self
    }

    /// The engine's sink.
    pub(super) fn sink(&self) -> &Arc<dyn TaskSink> {
        &self.sink
    }

    /// The same context for a run some of whose tasks were skipped.
    #[must_use]
    pub fn with_skipped(mut self, skipped: BTreeSet<String>) -> Self {
        self.skipped = Arc::new(skipped);
        self
    }

    /// The same context for an on-failure task.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<TaskRunError>) -> Self {
        self.errors = Arc::new(errors);
        self
    }

    /// Who this attempt is.
    pub fn identity(&self) -> &TaskIdentity {
        &self.identity
    }

    /// The run's additional metadata, string to string.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The clock that this attempt's waits go by.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Writes a line to the run's log.
    pub fn log(&self, level: LogLevel, line: impl AsRef<str>) {
        self.sink.log(level, line.as_ref());
    }

    /// Sends bytes to whoever follows the run live.
    pub fn put_stream(&self, chunk: &[u8]) {
        self.sink.put_stream(chunk);
    }

    /// Says how far the attempt is (0..=1) and at what; restarts the stall timeout.
    pub fn progress(&self, fraction: f64, doing: &str) {
        self.sink.progress(fraction.clamp(0.0, 1.0), doing);
    }

    /// Says that a piece of long work was stored for good.
    pub fn piece_kept(&self) {
        self.sink.piece_kept();
    }

    /// Whether the named parent was skipped in this run.
    pub fn was_skipped(&self, parent: &str) -> bool {
        self.skipped.contains(parent)
    }

    /// The run's failed tasks; empty unless this is an on-failure task.
    pub fn task_run_errors(&self) -> &[TaskRunError] {
        &self.errors
    }

    /// Cancelled when the run is, when the attempt timed out, or when the executor lost its lock.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// How long one inner wait without progress (a request, a child process) may take, when it would like to take
    /// `wanted`: always less than what is left of this attempt and than its stall timeout, so that the inner error comes
    /// first and is kept (H4).
    pub fn inner_timeout(&self, wanted: Duration) -> Duration {
        let Some(outer) = self.outer else { return wanted };
        let left = outer.deadline.since(self.clock.now()).min(outer.stall_timeout);
        wanted.min(left * 4 / 5)
    }
}
