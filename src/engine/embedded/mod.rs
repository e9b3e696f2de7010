//! The default engine: runs, retries, time-outs and crash recovery over the run store, in one process.
//!
//! One executor per database drives all runs; it holds a lock that dies with its process and a generation number that
//! each of its writes compares. Kill it at any moment: the next one goes on at the first unfinished task.

mod active;
mod drive;
mod events;
mod executor;
mod fan_out;
mod new_run;
mod sink;
mod slots;
mod task_run;
mod watch;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use events::{Happening, RunEvent, RunSource};

use self::active::{ActiveRuns, Left};
use self::events::Events;
use self::executor::Executor;
use self::slots::Slots;
use super::{Engine, EngineError, RunFailure, RunOutcome, RunStatus, StartOptions};
use crate::clock::SharedClock;
use crate::ids::RunId;
use crate::store::runs::{self, Created, RunRecord, RunStore};
use crate::store::{Database, ExecutorLock, StoreError};
use crate::workflow::{MAX_OUTER_INPUT_BYTES, Registry, TaskError, payload_bytes};

/// How long stopping waits for attempts to end. They have a grace of 0.9 s.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How long a run may be active in the store before this process drives it: it was asked for elsewhere.
const TAKEN_UP: Duration = Duration::from_millis(50);

/// The embedded engine. Dropping it stops its runs; [`EmbeddedEngine::shutdown`] also waits until they have stopped.
pub struct EmbeddedEngine {
    executor: Arc<Executor>,
}

impl EmbeddedEngine {
    /// Becomes the executor of `database`, brings its schema up to date, and takes up all runs that are not over. The
    /// registry's pools say how much runs at once.
    ///
    /// # Errors
    /// [`EngineError::AlreadyRunning`] when another process is the executor; else when the database fails.
    pub async fn open(database: &Database, registry: Registry, clock: SharedClock) -> Result<Self, EngineError> {
        let lock = ExecutorLock::take(database).await?;
        database.migrate().await?;
        let process = format!("process {}", std::process::id());
        let generation = RunStore::new(database.clone()).take_over(&process, clock.now()).await?;
        let executor = Arc::new(Executor {
            store: RunStore::new(database.fresh(Some(generation))),
            slots: Slots::new(registry.pools()),
            registry,
            clock,
            generation,
            events: Events::new(),
            active: ActiveRuns::default(),
            stop: CancellationToken::new(),
            fenced: false.into(),
            ended_runs: tokio::sync::watch::Sender::new(0),
            drivers: TaskTracker::new(),
            lock: Mutex::new(Some(lock)),
        });
        watch::look(&executor).await?;
        tokio::spawn(watch::watch(Arc::clone(&executor)));
        Ok(Self { executor })
    }

    /// Follows all runs live, from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<RunEvent> {
        self.executor.events.subscribe()
    }

    /// The number that this executor's writes are fenced by.
    pub fn generation(&self) -> i64 {
        self.executor.generation
    }

    /// Stops: attempts are told to, end as interrupted without that counting, and the lock is given back. Runs stay as
    /// they are and go on with the next executor. Takes five seconds at most.
    pub async fn shutdown(&self) {
        self.executor.stop.cancel();
        self.executor.drivers.close();
        if tokio::time::timeout(SHUTDOWN, self.executor.drivers.wait()).await.is_err() {
            tracing::warn!("some tasks did not stop in time; they were left behind");
        }
        self.executor.store.database().close().await;
        self.executor.unlock();
    }

    async fn record(&self, run: &RunId) -> Result<RunRecord, EngineError> {
        self.executor.store.run(run).await?.ok_or_else(|| EngineError::UnknownRun(run.clone()))
    }

    async fn outcome(&self, record: RunRecord) -> Result<RunOutcome, EngineError> {
        let mut output = Map::new();
        for (task, json) in self.executor.store.outputs(&record.id).await? {
            let json = serde_json::from_str(&json).map_err(|error| StoreError::garbled("task output", error))?;
            output.insert(task, json);
        }
        let failure = record.failure.map(|failure| RunFailure {
            task: failure.task,
            class: failure.class,
            message: failure.message,
        });
        Ok(RunOutcome { status: record.status.into(), failure, output })
    }

    fn check_stopped(&self) -> Result<(), EngineError> {
        self.executor.stopped().map_or(Ok(()), |why| Err(EngineError::Stopped(why.to_owned())))
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        self.executor.stop.cancel();
    }
}

#[async_trait]
impl Engine for EmbeddedEngine {
    async fn start(&self, workflow: &str, input: Value, options: StartOptions) -> Result<RunId, EngineError> {
        self.check_stopped()?;
        let registry = &self.executor.registry;
        let definition = registry.workflow(workflow).ok_or_else(|| EngineError::UnknownWorkflow {
            name: workflow.to_owned(),
            known: registry.workflows().iter().map(|known| known.name.clone()).collect(),
        })?;
        if !input.is_object() {
            return Err(EngineError::InputNoObject);
        }
        let bytes = payload_bytes(&input);
        if bytes > MAX_OUTER_INPUT_BYTES {
            return Err(EngineError::InputTooLarge { bytes, most: MAX_OUTER_INPUT_BYTES });
        }
        let mut run = new_run::new_run(definition, &input, options.metadata, None, self.executor.clock.now());
        run.dedupe_key = options.dedupe_key;
        run.replay_of = options.replay_of;
        match self.executor.store.create(&run).await? {
            Created::New(run) => {
                self.executor.drive_root(&run);
                Ok(run)
            }
            Created::Existing(run) => Ok(run),
        }
    }

    async fn status(&self, run: &RunId) -> Result<RunStatus, EngineError> {
        Ok(self.record(run).await?.status.into())
    }

    async fn cancel(&self, run: &RunId) -> Result<(), EngineError> {
        self.record(run).await?;
        if self.executor.store.cancel(run, self.executor.clock.now()).await? {
            self.executor.active.cancel(run);
        }
        Ok(())
    }

    async fn resume(&self, run: &RunId) -> Result<(), EngineError> {
        self.check_stopped()?;
        // A child's output is wanted by its parent only, so it is taken up with the outermost run.
        let root = self.record(run).await?.root_run;
        match self.executor.store.resume(&root).await {
            Ok(_) => {}
            Err(error) if error.is_unique_violation() => return Err(EngineError::KeyInUse(root)),
            Err(error) => return Err(error.into()),
        }
        if !self.record(&root).await?.status.is_final() {
            self.executor.drive_root(&root);
        }
        Ok(())
    }

    async fn wait(&self, run: &RunId) -> Result<RunOutcome, EngineError> {
        loop {
            if let Some(mut left) = self.executor.active.watch(run) {
                // Fails only when the entry is gone, which means the same as `Done`.
                let left = left.wait_for(Option::is_some).await.ok().and_then(|left| left.clone());
                if let Some(Left::Abandoned(why)) = left
                    && !self.record(run).await?.status.is_final()
                {
                    return Err(EngineError::Stopped(format!("the store failed, and the run can be resumed: {why}")));
                }
            }
            let record = match self.record(run).await {
                // Stopping closes the pool under us.
                Err(error @ EngineError::Backend { .. }) => return Err(self.check_stopped().err().unwrap_or(error)),
                record => record?,
            };
            if record.status.is_final() {
                return self.outcome(record).await;
            }
            self.check_stopped()?;
            tokio::time::sleep(TAKEN_UP).await;
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Locked { lock } = error {
            return Self::AlreadyRunning { lock };
        }
        let TaskError { class, message } = error.into();
        Self::Backend { class, message }
    }
}

impl From<runs::RunStatus> for RunStatus {
    fn from(status: runs::RunStatus) -> Self {
        match status {
            runs::RunStatus::Queued => Self::Queued,
            runs::RunStatus::Running => Self::Running,
            runs::RunStatus::Completed => Self::Completed,
            runs::RunStatus::Failed => Self::Failed,
            runs::RunStatus::Cancelled => Self::Cancelled,
        }
    }
}
