//! A workflow as data: what `workflows/*.toml` says, after validation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// A whole workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowDefinition {
    /// Exact, case-sensitive: `DiarizationPipeline`.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Names the input's type; part of the shape.
    pub input: String,
    /// What the input looks like, as JSON Schema: for pages where people start runs. Not part of the shape.
    pub input_schema: Option<Value>,
    /// In an order they can run in: parents first, else as in the file.
    pub tasks: Vec<TaskDefinition>,
    /// Runs once when a task has failed for good.
    pub on_failure: Option<TaskDefinition>,
    /// How many runs may be active at once; others queue.
    pub concurrency: Option<Concurrency>,
}

impl WorkflowDefinition {
    /// The step or on-failure task of that name.
    pub fn task(&self, name: &str) -> Option<&TaskDefinition> {
        self.all_tasks().find(|task| task.name == name)
    }

    /// Those parents of `task` that none of its other parents waits for: the arrows of a drawing, the rest being implied.
    pub fn nearest_parents<'d>(&'d self, task: &'d TaskDefinition) -> Vec<&'d str> {
        let mut implied = BTreeSet::new();
        for parent in task.parents.iter().filter_map(|parent| self.task(parent)) {
            self.add_ancestors(parent, &mut implied);
        }
        task.parents.iter().map(String::as_str).filter(|parent| !implied.contains(parent)).collect()
    }

    fn add_ancestors<'d>(&'d self, task: &'d TaskDefinition, found: &mut BTreeSet<&'d str>) {
        for parent in &task.parents {
            if found.insert(parent)
                && let Some(parent) = self.task(parent)
            {
                self.add_ancestors(parent, found);
            }
        }
    }

    /// The steps, then the on-failure task.
    pub fn all_tasks(&self) -> impl Iterator<Item = &TaskDefinition> {
        self.tasks.iter().chain(&self.on_failure)
    }
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
    /// How many units of which rate limits each attempt takes, by key.
    pub rate_limits: BTreeMap<String, u32>,
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

impl Pool {
    /// All pools.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Speech, Self::Io];

    /// The pool's name in files and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Speech => "speech",
            Self::Io => "io",
        }
    }

    /// The pool of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pool| pool.as_str() == name)
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many slots each pool has on this machine.
pub type PoolSizes = BTreeMap<Pool, usize>;

/// Slots for a machine with `cores` cores, each recognition taking `speech_threads` of them.
///
/// As many CPU tasks as can compute at once: one that only waits for CPU would let its stall timeout run. `io` tasks wait
/// for the network, so their number is bounded only by what is polite to the services they call.
pub fn default_pool_sizes(cores: usize, speech_threads: usize) -> PoolSizes {
    PoolSizes::from([
        (Pool::Audio, cores.max(1)),
        (Pool::Speech, (cores / speech_threads.max(1)).max(1)),
        (Pool::Io, 16),
    ])
}

/// At most `max_runs` active runs per value of the key; later ones queue in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    /// What is counted.
    pub key: ConcurrencyKey,
    /// At least 1.
    pub max_runs: u32,
}

impl fmt::Display for ConcurrencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(word) => f.write_str(word),
            Self::InputField(field) => write!(f, "input.{field}"),
        }
    }
}

/// What a concurrency group counts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConcurrencyKey {
    /// One group for all runs.
    Constant(String),
    /// A group per value of this field of the run's input.
    InputField(String),
}
