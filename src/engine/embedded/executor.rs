//! What all drivers of runs share: the store, the registry, the clock, the slots, and the word to stop.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::active::{ActiveRuns, Left, LeftReceiver};
use super::drive;
use super::events::Events;
use super::slots::Slots;
use crate::clock::SharedClock;
use crate::failure::{Failure, FailureClass};
use crate::ids::RunId;
use crate::store::runs::{RunStatus, RunStore, StoredFailure};
use crate::store::{ExecutorLock, StoreError};
use crate::workflow::{Registry, TaskError};

/// How often a write is tried again when the store fails in a way that may pass, waiting 1, 2, 4, 8 s.
const STORE_RETRIES: u32 = 4;

/// Why the code of a run stopped before the run was over.
#[derive(Debug)]
pub(super) enum Stop {
    /// The run was cancelled; the store says so already.
    Cancelled,
    /// This process stops, or another one took over.
    Halted,
    /// The store failed for too long.
    Store(StoreError),
}

/// The executor of one database.
pub(super) struct Executor {
    pub(super) store: RunStore,
    pub(super) registry: Registry,
    pub(super) clock: SharedClock,
    pub(super) generation: i64,
    pub(super) slots: Slots,
    pub(super) events: Events,
    pub(super) active: ActiveRuns,
    /// Cancelled when this process stops driving runs. Every run's own token is below it.
    pub(super) stop: CancellationToken,
    /// Another executor took over: nothing more is written.
    pub(super) fenced: AtomicBool,
    /// Counts runs that ended, for those that wait for a place.
    pub(super) ended_runs: watch::Sender<u64>,
    pub(super) drivers: TaskTracker,
    /// Freed when the last driver is gone.
    pub(super) lock: Mutex<Option<ExecutorLock>>,
}

impl Executor {
    /// Stops everything because another executor took over.
    pub(super) fn fence(&self) {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            tracing::error!(generation = self.generation, "another executor took the database over; stopping");
        }
        self.stop.cancel();
    }

    /// Why this process drives no runs any more; `None` while it does.
    pub(super) fn stopped(&self) -> Option<&'static str> {
        if self.fenced.load(Ordering::Acquire) {
            Some("another process took the database over")
        } else if self.stop.is_cancelled() {
            Some("it was told to stop")
        } else {
            None
        }
    }

    /// What a cancelled token means.
    pub(super) fn why_cancelled(&self) -> Stop {
        if self.stop.is_cancelled() { Stop::Halted } else { Stop::Cancelled }
    }

    /// Uses the store, and again for a while when that fails in a way that may pass: finished work is not thrown away
    /// because of a full disk.
    pub(super) async fn persist<T, F, Fut>(&self, write: F) -> Result<T, Stop>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut tried = 0;
        loop {
            let error = match write().await {
                Ok(done) => return Ok(done),
                Err(StoreError::Fenced { .. }) => {
                    self.fence();
                    return Err(Stop::Halted);
                }
                Err(error) => error,
            };
            if error.class() != FailureClass::Retryable || tried >= STORE_RETRIES {
                tracing::error!(error = causes(&error), "the store failed");
                return Err(Stop::Store(error));
            }
            tracing::warn!(error = causes(&error), "the store failed; trying again");
            let until = self.clock.now().plus(Duration::from_secs(1 << tried));
            tried += 1;
            tokio::select! {
                () = self.clock.sleep_until(until) => {}
                () = self.stop.cancelled() => return Err(Stop::Store(error)),
            }
        }
    }

    /// Drives a run in a task of its own, unless it is driven already. `cancel` stops its code.
    pub(super) fn drive(self: &Arc<Self>, run: &RunId, cancel: CancellationToken) -> LeftReceiver {
        let left = match self.active.enter(run, cancel.clone()) {
            Ok(left) => left,
            Err(left) => return left,
        };
        let driving = driving(Arc::clone(self), run.clone(), cancel);
        self.drivers.spawn(driving);
        left
    }

    /// Drives an outermost run.
    pub(super) fn drive_root(self: &Arc<Self>, run: &RunId) -> LeftReceiver {
        self.drive(run, self.stop.child_token())
    }

    /// Lets another process take over.
    pub(super) fn unlock(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn causes(error: &StoreError) -> &(dyn std::error::Error + 'static) {
    error
}

/// Boxed because a run drives its children the same way.
fn driving(executor: Arc<Executor>, run: RunId, cancel: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let driven = AssertUnwindSafe(drive::drive(&executor, &run, cancel.clone())).catch_unwind().await;
        let left = match driven {
            Ok(Ok(())) | Ok(Err(Stop::Cancelled | Stop::Halted)) => Left::Done,
            Ok(Err(Stop::Store(error))) => Left::Abandoned(TaskError::from(error).message),
            Err(_) => {
                // A bug in the engine, which would come again: the run must not be taken up over and over.
                let failure = StoredFailure {
                    task: None,
                    class: FailureClass::Permanent,
                    message: "the engine panicked while it drove this run (a bug: please report it)".to_owned(),
                };
                let now = executor.clock.now();
                let failed =
                    executor.persist(|| executor.store.finish_run(&run, RunStatus::Failed, Some(&failure), now)).await;
                if failed.is_ok() { Left::Done } else { Left::Abandoned(failure.message) }
            }
        };
        // Whatever of its children still runs has nobody to report to.
        cancel.cancel();
        executor.active.leave(&run, left);
        executor.ended_runs.send_modify(|ended| *ended += 1);
    })
}
