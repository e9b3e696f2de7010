//! A workflow as data: what `workflows/*.toml` says, after validation.

use std::collections::BTreeMap;
use std::time::Duration;

/// A whole workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowDefinition {
    /// Exact, case-sensitive: `DiarizationPipeline`.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Names the input's type; part of the shape.
    pub input: String,
    /// In the file's order, which is a valid order to run them in.
    pub tasks: Vec<TaskDefinition>,
    /// Runs once when a task has failed for good.
    pub on_failure: Option<TaskDefinition>,
    /// How many runs may be active at once; others queue.
    pub concurrency: Option<Concurrency>,
}

/// One task of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    /// The task's name.
    pub name: String,
    /// The tasks whose outputs it may read; it starts when all are done.
    pub parents: Vec<String>,
    /// The workflow it makes child runs of, when it is a fan-out.
    pub fan_out: Option<String>,
    /// Which slots it takes.
    pub pool: Pool,
    /// How long and how often.
    pub limits: Limits,
}

/// Limits of one task. Overridable without a rebuild; not part of the workflow's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The hard ceiling of one attempt. A fan-out's includes its children.
    pub execution_timeout: Duration,
    /// How long a task run may wait for a slot.
    pub schedule_timeout: Duration,
    /// How long an attempt may go without progress.
    pub stall_timeout: Duration,
    /// Tries after the first; at most 10.
    pub retries: u32,
    /// 1 or 2.
    pub backoff_factor: u32,
    /// The longest wait before a retry.
    pub backoff_max: Duration,
}

impl Limits {
    /// How long retry `n` (1-based) waits: `min(backoff_max, backoff_factor^n)` seconds, what all three engines can do.
    pub fn backoff(&self, n: u32) -> Duration {
        let seconds = u64::from(self.backoff_factor).saturating_pow(n);
        self.backoff_max.min(Duration::from_secs(seconds))
    }
}

/// Which of a worker's slots a task takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// Demux, mix, encode.
    Audio,
    /// Speech recognition.
    Speech,
    /// Database, storage, network.
    Io,
}

/// How many slots each pool has on this machine.
pub type PoolSizes = BTreeMap<Pool, usize>;

/// At most `max_runs` active runs per value of the key; later ones queue in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// What is counted.
    pub key: ConcurrencyKey,
    /// At least 1.
    pub max_runs: u32,
}

/// What a concurrency group counts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConcurrencyKey {
    /// One group for all runs.
    Constant(String),
    /// A group per value of this field of the run's input.
    InputField(String),
}
