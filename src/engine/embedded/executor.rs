//! What all drivers of runs share: the store, the registry, the clock, slots and rate limits, and the word to stop.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::active::{ActiveRuns, Left, LeftReceiver};
use super::drive;
use super::events::Events;
use super::rate_limits::RateLimits;
use super::slots::Slots;
use crate::clock::{SharedClock, Timestamp};
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
    pub(super) rate_limits: Arc<RateLimits>,
    pub(super) events: Events,
    pub(super) active: ActiveRuns,
    /// Cancelled when this process stops driving runs. Every run's own token is below it.
    pub(super) stop: CancellationToken,
    /// Why nothing more may be written: another executor took over, or the lock is lost.
    pub(super) severed_by: OnceLock<String>,
    /// Cancelled with it.
    pub(super) severed: CancellationToken,
    /// Counts runs that ended, for those that wait for a place.
    pub(super) ended_runs: watch::Sender<u64>,
    pub(super) drivers: TaskTracker,
    pub(super) lock: ExecutorLock,
    /// Runs whose workflow was first seen from then on are a newer program's, if this one does not know it.
    pub(super) opened_at: Timestamp,
}

impl Executor {
    /// Stops everything at once; nothing more is written. Somebody else may be the executor by now.
    pub(super) fn sever(&self, why: String) {
        if self.severed_by.set(why).is_ok() {
            let why = self.severed_by.get().map_or("", String::as_str);
            tracing::error!(generation = self.generation, why, "this process is no longer the executor; stopping");
        }
        self.severed.cancel();
        self.stop.cancel();
    }

    /// Stops everything because another executor took over.
    pub(super) fn fence(&self) {
        self.sever("another process took the database over".to_owned());
    }

    /// Why this process drives no runs any more; `None` while it does.
    pub(super) fn stopped(&self) -> Option<String> {
        match self.severed_by.get() {
            Some(why) => Some(why.clone()),
            None => self.stop.is_cancelled().then(|| "it was told to stop".to_owned()),
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
            let written = tokio::select! {
                biased;
                () = self.severed.cancelled() => return Err(Stop::Halted),
                written = write() => written,
            };
            let error = match written {
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

    /// Looks whether this process is still the executor, before something is blamed on a task that may be the lost
    /// database's doing.
    pub(super) async fn still_holds(&self) -> Result<(), Stop> {
        if let Err(why) = self.lock.check().await {
            self.lost(&why);
            return Err(Stop::Halted);
        }
        Ok(())
    }

    /// Stops everything because the lock is lost.
    pub(super) fn lost(&self, why: &str) {
        self.sever(format!("the executor's lock is lost: {why}"));
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
            Ok(Err(Stop::Store(error))) => {
                let TaskError { class, message } = error.into();
                Left::Abandoned { class, why: message }
            }
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
                match failed {
                    Ok(_) => Left::Done,
                    Err(_) => Left::Abandoned { class: failure.class, why: failure.message },
                }
            }
        };
        // Whatever of its children still runs has nobody to report to.
        cancel.cancel();
        executor.active.leave(&run, left, executor.clock.now());
        executor.ended_runs.send_modify(|ended| *ended += 1);
    })
}
