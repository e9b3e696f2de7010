//! What becomes of an action: begun, stopped, ignored, or answered from memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::action::Envelope;
use super::ledger::{Arrival, Ledger, Void};
use super::live::Live;
use super::outcome::Reporter;
use super::{Pace, attempt, review, sink};
use crate::clock::SharedClock;
use crate::engine::hatchet::connection::Connection;
use crate::engine::hatchet::post::Post;
use crate::engine::hatchet::rest::Rest;
use crate::engine::hatchet::run_reader::RunReader;
use crate::engine::hatchet::subscription::Subscription;
use crate::engine::hatchet::wire::{self, ActionType};
use crate::workflow::{Pool, PoolSizes, Registry, TaskDefinition, WorkflowDefinition};

/// Everything that actions need.
pub(super) struct Dispatch {
    pub(super) connection: Connection,
    pub(super) rest: Rest,
    pub(super) registry: Registry,
    pub(super) reader: RunReader,
    pub(super) subscription: Subscription,
    pub(super) reporter: Reporter,
    pub(super) ledger: Arc<Ledger>,
    pub(super) live: Arc<Live>,
    pub(super) clock: SharedClock,
    /// How long a run may be unknown to the engine after it gave its id.
    pub(super) being_made: Duration,
    /// When what was running is asked for, after a stream was opened again.
    pub(super) look_back: [Duration; 2],
    /// Calls for log lines that may be under way.
    pub(super) log_calls: Arc<Semaphore>,
    /// Attempts and their last words.
    pub(super) attempts: TaskTracker,
    /// Workflow and task, by action id.
    tasks: HashMap<String, (String, String)>,
    /// The engine counts slots by registration; who registers anew looks empty to it. These count what really runs.
    places: BTreeMap<Pool, Arc<Semaphore>>,
}

impl Dispatch {
    pub(super) fn new(
        connection: Connection,
        rest: Rest,
        registry: Registry,
        live: Arc<Live>,
        clock: SharedClock,
        pace: &Pace,
    ) -> Self {
        let ledger = Arc::new(Ledger::default());
        let reporter = Reporter {
            connection: connection.clone(),
            ledger: Arc::clone(&ledger),
            clock: Arc::clone(&clock),
            live: Arc::clone(&live),
            pending: TaskTracker::new(),
        };
        let reader = RunReader::new(connection.clone(), rest.clone());
        let namespace = connection.account().namespace();
        let tasks = registry.workflows().iter().flat_map(|workflow| {
            workflow.all_tasks().map(|task| {
                let id = namespace.action(&workflow.name, &task.name);
                (id, (workflow.name.clone(), task.name.clone()))
            })
        });
        Self {
            subscription: Subscription::new(connection.clone(), reader.clone(), Arc::clone(&clock), pace.being_made),
            reader,
            tasks: tasks.collect(),
            places: places(registry.pools()),
            log_calls: Arc::new(Semaphore::new(sink::AT_ONCE)),
            attempts: TaskTracker::new(),
            connection,
            rest,
            registry,
            reporter,
            ledger,
            live,
            clock,
            being_made: pace.being_made,
            look_back: pace.look_back,
        }
    }

    /// An action came for `worker`, which has `post`.
    pub(super) fn arrived(self: &Arc<Self>, action: wire::Action, post: Post, worker: &str) {
        // What is unknown must not pass for the first of the kinds, as it would by the getter.
        let kind = ActionType::try_from(action.action_type).ok();
        let envelope = Arc::new(Envelope::new(action, worker));
        let key = &envelope.key;
        let (action, task_run, retry_count) = (&envelope.action, &key.task_run, key.retry_count);
        tracing::debug!(%post, action, task_run, retry_count, ?kind, "an action from Hatchet");
        match kind {
            Some(ActionType::StartStepRun) => {}
            Some(ActionType::CancelStepRun) => {
                self.ledger.void(key, Void::Cancelled);
                return;
            }
            Some(ActionType::StartGetGroupKey | ActionType::StartBatch) | None => {
                tracing::error!(action, ?kind, "Hatchet sent what none of our workflows ask for");
                return;
            }
        }
        let stop = CancellationToken::new();
        match self.ledger.arrives(key, &stop) {
            Arrival::New => {
                self.attempts.spawn(attempt::run(Arc::clone(self), envelope, stop));
            }
            Arrival::Finished(outcome) => {
                self.live.answered();
                tracing::info!(action, task_run, "Hatchet asks for an attempt that has ended; it is told how");
                self.reporter.tell(envelope, outcome);
            }
            Arrival::UnderWay | Arrival::Void => {
                tracing::info!(
                    action,
                    task_run,
                    retry_count,
                    "Hatchet sent an attempt again that is under way or was cancelled"
                );
            }
        }
    }

    /// A worker's stream is open again: what happened meanwhile has to be asked for.
    pub(super) fn reopened(self: &Arc<Self>, worker: &str) {
        let running = self.ledger.running();
        tracing::debug!(worker, running = running.len(), "looking after what was running");
        tokio::spawn(review::after_reopening(Arc::clone(self), running, worker.to_owned()));
    }

    /// What an action is about.
    pub(super) fn task(&self, action: &str) -> Option<(&WorkflowDefinition, &TaskDefinition)> {
        let (workflow, task) = self.tasks.get(action)?;
        let workflow = self.registry.workflow(workflow)?;
        Some((workflow, workflow.task(task)?))
    }

    /// A place in a pool; `None` when the attempt is stopped first.
    pub(super) async fn place(&self, pool: Pool, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        let places = Arc::clone(self.places.get(&pool)?);
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            place = places.acquire_owned() => place.ok(),
        }
    }
}

fn places(sizes: &PoolSizes) -> BTreeMap<Pool, Arc<Semaphore>> {
    let size = |pool| sizes.get(&pool).copied().unwrap_or(1).max(1);
    Pool::ALL.into_iter().map(|pool| (pool, Arc::new(Semaphore::new(size(pool))))).collect()
}
