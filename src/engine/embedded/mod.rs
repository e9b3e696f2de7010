//! The default engine: runs, retries, time-outs and crash recovery over the run store, in one process.
//!
//! One executor per database drives all runs; it holds a lock that dies with its process and a generation number that
//! each of its writes compares. Kill it at any moment: the next one goes on at the first unfinished task.

mod active;
mod client;
mod drive;
mod events;
mod executor;
mod fan_out;
mod hold;
mod new_run;
mod rate_limits;
mod requests;
mod sink;
mod slots;
mod standby;
mod task_run;
mod waiting;
mod watch;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use client::EmbeddedClient;
pub use events::{Happening, RunEvent, RunSource};
pub use standby::{ExecutorState, Standby};

use self::active::{ActiveRuns, Left};
use self::events::Events;
use self::executor::Executor;
use self::rate_limits::RateLimits;
use self::slots::Slots;
use super::{Engine, EngineError, RunOutcome, RunStatus, StartOptions};
use crate::clock::SharedClock;
use crate::ids::RunId;
use crate::store::runs::{Created, RunStore, TakenOver};
use crate::store::{Database, DatabaseKind, ExecutorLock};
use crate::workflow::Registry;

/// How long a run may be active in the store before this process drives it: it was asked for elsewhere.
const TAKEN_UP: Duration = Duration::from_millis(50);

/// The embedded engine. Dropping it stops its runs; [`EmbeddedEngine::shutdown`] also waits until they have stopped.
pub struct EmbeddedEngine {
    executor: Arc<Executor>,
    /// Cancelled when the lock was given back.
    released: CancellationToken,
}

/// What a new executor knows of those before it.
#[derive(Debug, Clone, Copy, Default)]
struct Succession {
    /// The generation of the last one of this very process, which has stopped: its attempts were not killed.
    alive: Option<i64>,
    /// How long to wait for another that may not have noticed yet. A file's lock falls only when its holder is dead.
    settle: Duration,
}

impl EmbeddedEngine {
    /// Becomes the executor of `database`, brings its schema up to date, and takes up all runs that are not over. The
    /// registry's pools say how much runs at once.
    ///
    /// # Errors
    /// [`EngineError::AlreadyRunning`] when another process is the executor; else when the database fails.
    pub async fn open(database: &Database, registry: Registry, clock: SharedClock) -> Result<Self, EngineError> {
        Self::succeed(database, registry, clock, Succession::default()).await
    }

    async fn succeed(
        database: &Database,
        registry: Registry,
        clock: SharedClock,
        before: Succession,
    ) -> Result<Self, EngineError> {
        let lock = ExecutorLock::take(database).await?;
        database.migrate().await?;
        let opened_at = clock.now();
        let taken = RunStore::new(database.clone()).take_over(&this_process(), before.alive, opened_at).await?;
        let generation = taken.generation;
        let executor = Arc::new(Executor {
            store: RunStore::new(database.fresh(Some(generation))),
            slots: Slots::new(registry.pools()),
            rate_limits: RateLimits::new(registry.definitions().rate_limits(), Arc::clone(&clock)),
            registry,
            clock,
            generation,
            events: Events::new(),
            active: ActiveRuns::default(),
            stop: CancellationToken::new(),
            severed_by: OnceLock::new(),
            severed: CancellationToken::new(),
            ended_runs: tokio::sync::watch::Sender::new(0),
            drivers: TaskTracker::new(),
            lock,
            opened_at,
        });
        let engine = Self { executor: Arc::clone(&executor), released: CancellationToken::new() };
        tokio::spawn(hold::hold(Arc::clone(&executor), engine.released.clone()));
        if database.kind() == DatabaseKind::Postgres && may_still_work(&taken, before.alive) {
            tokio::time::sleep(before.settle).await;
        }
        watch::look(&executor).await?;
        tokio::spawn(watch::watch(executor));
        Ok(engine)
    }

    /// Follows all runs live, from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<RunEvent> {
        self.executor.events.subscribe()
    }

    /// The number that this executor's writes are fenced by.
    pub fn generation(&self) -> i64 {
        self.executor.generation
    }

    /// Waits until this process drives no runs any more, and says why: it was told to stop, another took over, or the
    /// lock was lost with the database.
    pub async fn ended(&self) -> String {
        self.executor.stop.cancelled().await;
        self.executor.stopped().unwrap_or_default()
    }

    /// Stops: attempts are told to, end as interrupted without that counting, and the lock is given back. Runs stay as
    /// they are and go on with the next executor. Takes five seconds at most, and a few more when the database does not
    /// answer.
    pub async fn shutdown(&self) {
        self.executor.stop.cancel();
        self.released.cancelled().await;
        self.executor.store.database().close().await;
    }

    fn check_stopped(&self) -> Result<(), EngineError> {
        self.executor.stopped().map_or(Ok(()), |why| Err(EngineError::Stopped(why)))
    }
}

/// Whether an executor before this one may not have noticed yet that it is none any more.
fn may_still_work(taken: &TakenOver, alive: Option<i64>) -> bool {
    taken.left_by.is_some() && alive != Some(taken.generation - 1)
}

/// This process, for people who look who the executor is.
fn this_process() -> String {
    let process = std::process::id();
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(host) => format!("process {process} on {}", host.trim()),
        Err(_) => format!("process {process}"),
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
        let (definitions, now) = (self.executor.registry.definitions(), self.executor.clock.now());
        let run = requests::requested(definitions, workflow, &input, options, now)?;
        match self.executor.store.create(&run).await? {
            Created::New(run) => {
                self.executor.drive_root(&run);
                Ok(run)
            }
            Created::Existing(run) => Ok(run),
        }
    }

    async fn status(&self, run: &RunId) -> Result<RunStatus, EngineError> {
        Ok(requests::record(&self.executor.store, run).await?.status.into())
    }

    async fn cancel(&self, run: &RunId) -> Result<(), EngineError> {
        requests::record(&self.executor.store, run).await?;
        if self.executor.store.cancel(run, self.executor.clock.now()).await? {
            self.executor.active.cancel(run);
        }
        Ok(())
    }

    async fn resume(&self, run: &RunId) -> Result<(), EngineError> {
        self.check_stopped()?;
        let (root, active) = requests::resume(&self.executor.store, run).await?;
        if active {
            self.executor.drive_root(&root);
        }
        Ok(())
    }

    async fn wait(&self, run: &RunId) -> Result<RunOutcome, EngineError> {
        let store = &self.executor.store;
        loop {
            if let Some(mut left) = self.executor.active.watch(run) {
                // Fails only when the entry is gone, which means the same as `Done`.
                let left = left.wait_for(Option::is_some).await.ok().and_then(|left| left.clone());
                if let Some(Left::Abandoned { why, .. }) = left
                    && !requests::record(store, run).await?.status.is_final()
                {
                    return Err(EngineError::Stopped(format!("the store failed, and the run can be resumed: {why}")));
                }
            }
            let record = match requests::record(store, run).await {
                // Stopping closes the pool under us.
                Err(error @ EngineError::Backend { .. }) => return Err(self.check_stopped().err().unwrap_or(error)),
                record => record?,
            };
            if record.status.is_final() {
                return requests::outcome(store, record).await;
            }
            self.check_stopped()?;
            tokio::time::sleep(TAKEN_UP).await;
        }
    }
}
