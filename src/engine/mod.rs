//! The engines' one face: start a run, look at it, wait for it, stop it, take it up again. Whoever triggers runs does not
//! know which engine runs them.

pub mod embedded;
mod error;
pub mod hatchet;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub use error::EngineError;

use crate::failure::FailureClass;
use crate::ids::RunId;

/// What every engine can do.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Asks for a run of the workflow of exactly that name. When an active run has the same dedupe key, no new one is
    /// made and that one's id is given.
    ///
    /// # Errors
    /// [`EngineError::UnknownWorkflow`] and [`EngineError::InputTooLarge`] before anything is asked for; else when the
    /// engine can't be reached.
    async fn start(&self, workflow: &str, input: Value, options: StartOptions) -> Result<RunId, EngineError>;

    /// Where the run is.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], or when the engine can't be reached.
    async fn status(&self, run: &RunId) -> Result<RunStatus, EngineError>;

    /// Stops the run and everything below it, for good. Stopping a run that is over changes nothing.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], or when the engine can't be reached.
    async fn cancel(&self, run: &RunId) -> Result<(), EngineError>;

    /// Takes a failed or cancelled run up again: completed outputs are kept, all other tasks get new attempts with full
    /// retries. A run that is under way goes on; a completed one stays as it is.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`], [`EngineError::KeyInUse`], or when the engine can't be reached.
    async fn resume(&self, run: &RunId) -> Result<(), EngineError>;

    /// Waits until the run is over.
    ///
    /// # Errors
    /// [`EngineError::UnknownRun`]; [`EngineError::Stopped`] when this process stops first; else when the engine can't be
    /// reached. The run may still go on then.
    async fn wait(&self, run: &RunId) -> Result<RunOutcome, EngineError>;
}

/// What else a run is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// Additional metadata; child runs inherit it.
    pub metadata: BTreeMap<String, String>,
    /// At most one active run has this key.
    pub dedupe_key: Option<String>,
    /// The run that this one repeats.
    pub replay_of: Option<RunId>,
    /// Who goes first where several wait.
    pub priority: Priority,
}

/// Which runs go first where several wait for a slot, or for a place in their concurrency group. Child runs have their
/// parent's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Nobody waits for it: old recordings that are made up for.
    Low,
    /// As most are.
    #[default]
    Normal,
    /// Somebody waits for it.
    High,
}

impl Priority {
    /// As it is stored: 1, 2 or 3.
    pub fn number(self) -> i64 {
        match self {
            Self::Low => 1,
            Self::Normal => 2,
            Self::High => 3,
        }
    }

    /// From what is stored.
    pub fn from_number(number: i64) -> Self {
        match number {
            ..=1 => Self::Low,
            2 => Self::Normal,
            3.. => Self::High,
        }
    }
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// Waits for its turn.
    Queued,
    /// Under way.
    Running,
    /// All tasks are done.
    Completed,
    /// A task failed for good.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl RunStatus {
    /// Whether the run still waits or works.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOutcome {
    /// Completed, failed or cancelled.
    pub status: RunStatus,
    /// The first failure, when it failed.
    pub failure: Option<RunFailure>,
    /// The completed tasks' outputs, by task.
    pub output: Map<String, Value>,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFailure {
    /// The task that failed first; a child's is `process_tracks[t001]/pad_track`. `None` when it was no task's doing.
    pub task: Option<String>,
    /// Retryable when trying again may help, though all retries are used up.
    pub class: FailureClass,
    /// What happened, for people.
    pub message: String,
}

/// A child's failed task as its parent's run names it: `process_tracks[t001]/pad_track`.
pub(crate) fn child_task(fan_out: &str, key: &str, task: Option<&str>) -> String {
    match task {
        Some(task) => format!("{fan_out}[{key}]/{task}"),
        None => format!("{fan_out}[{key}]"),
    }
}
