//! Executes runs for a Hatchet engine: registers our workflows and one Hatchet worker for each pool that this process
//! serves, and for each pool's parents, takes what the engine gives them, and tells it how that ended.

mod action;
mod attempt;
mod children;
mod dispatch;
mod drain;
mod fan_out;
mod foreign;
mod heart;
mod ledger;
mod live;
mod lost;
mod outcome;
mod reminder;
mod review;
mod session;
mod sink;
mod trust;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tonic::Status;

pub(super) use self::action::{ROOT_RUN, is_skipped};
pub use self::live::{Counts, CurrentTask, PostSnapshot, Snapshot};

use self::dispatch::Dispatch;
use self::live::Live;
use self::session::Session;
use self::trust::Trust;
use super::connection::Connection;
use super::error::{HatchetError, told};
use super::names;
use super::patience::Patience;
use super::post::Post;
use super::registration;
use super::rest::Rest;
use super::status::{Meaning, meaning};
use super::subscription::BEING_MADE;
use super::version;
use super::wire;
use crate::clock::{SharedClock, Timestamp};
use crate::workflow::{Pool, PoolSizes, Registry};

/// How a worker is to be.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// How its Hatchet workers' names begin.
    pub name: String,
    /// The pools that it serves.
    pub pools: BTreeSet<Pool>,
    /// Starts although another system's worker has our tasks' names.
    pub allow_foreign: bool,
    /// How long what runs may go on after it was told to stop.
    pub grace: Duration,
    /// How often and how soon it talks to the engine.
    pub pace: Pace,
}

/// How often and how soon the engine is talked to.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Between heartbeats. Without one for 5 s there is no more work, without one for 30 s ours is given to others.
    pub heartbeat: Duration,
    /// The longest first wait after a stream broke.
    pub first_wait: Duration,
    /// The longest wait of all.
    pub longest_wait: Duration,
    /// How long a token may be refused that was never taken.
    pub untried: Duration,
    /// The same of one that was taken before.
    pub trusted: Duration,
    /// How long a run may be unknown to the engine after it gave its id.
    pub being_made: Duration,
    /// When what was running is asked for, after a stream was opened again: soon, and so long after that when whoever was
    /// taken for dead has been replaced and the read side shows it.
    pub look_back: [Duration; 2],
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(4),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            untried: Duration::from_secs(10),
            trusted: Duration::from_secs(180),
            being_made: BEING_MADE,
            look_back: [Duration::from_secs(2), Duration::from_secs(38)],
        }
    }
}

/// A worker at work. Dropping it ends its streams: to the engine it is as if it had died.
pub struct Worker {
    dispatch: Arc<Dispatch>,
    live: Arc<Live>,
    options: WorkerOptions,
    clock: SharedClock,
    since: Timestamp,
    /// Why it can't go on.
    ended: watch::Receiver<Option<Arc<HatchetError>>>,
    sessions: TaskTracker,
    /// Ends the streams.
    listening: CancellationToken,
    _stop: DropGuard,
}

impl Worker {
    /// Registers everything and begins to listen. An engine that is away is waited for.
    ///
    /// # Errors
    /// What waiting won't mend: a refused token, an engine that is too old or does not take our workflows, another
    /// system's worker under our names.
    pub async fn start(
        connection: Connection,
        rest: Rest,
        registry: Registry,
        options: WorkerOptions,
        clock: SharedClock,
    ) -> Result<Self, HatchetError> {
        let (live, trust) =
            (Arc::new(Live::default()), Arc::new(Trust::new(options.pace.untried, options.pace.trusted)));
        let actions = actions(&connection, &registry, &options.pools);
        let ready = Ready { connection: &connection, rest: &rest, trust: &trust, clock: &clock, options: &options };
        ready.engine().await?;
        let ours: BTreeSet<String> = actions.values().flatten().cloned().collect();
        ready.alone(&ours).await?;
        ready.workflows(&registry).await?;

        let (shown, time, others) = (Arc::clone(&live), Arc::clone(&clock), rest.clone());
        let dispatch = Dispatch::new(connection.clone(), rest, registry.clone(), shown, time, &options.pace);
        let dispatch = Arc::new(dispatch);
        let (sessions, listening) = (TaskTracker::new(), CancellationToken::new());
        let (ending, ended) = watch::channel(None);
        for (post, actions) in actions {
            let slots = post.slots(registry.pools());
            live.post(post, |known| known.slots = slots);
            let registration = register_request(&options.name, post, actions, registry.pools());
            let (name, takes) = (&registration.worker_name, registration.actions.join(" "));
            tracing::info!(%post, name, takes, slots, "a Hatchet worker");
            let session = Session {
                post,
                registration,
                connection: connection.clone(),
                dispatch: Arc::clone(&dispatch),
                live: Arc::clone(&live),
                trust: Arc::clone(&trust),
                clock: Arc::clone(&clock),
                pace: options.pace.clone(),
            };
            let (ending, listening) = (ending.clone(), listening.clone());
            sessions.spawn(async move {
                if let Err(error) = session.run(listening).await {
                    ending.send_replace(Some(Arc::new(error)));
                }
            });
        }
        let rounds = review::rounds(Arc::clone(&dispatch));
        let watch = foreign::watch(others, ours, Arc::clone(&clock));
        tokio::spawn(listening.clone().run_until_cancelled_owned(async { tokio::join!(rounds, watch) }));
        let since = clock.now();
        let stop = listening.clone().drop_guard();
        Ok(Self { dispatch, live, options, clock, since, ended, sessions, listening, _stop: stop })
    }

    /// What it is doing.
    pub fn snapshot(&self) -> Snapshot {
        self.live.snapshot()
    }

    /// What keeps it from getting work for so long that somebody should look; `None` when nothing does.
    pub fn deaf(&self, most: Duration) -> Option<String> {
        self.snapshot().deaf(self.clock.now(), most, self.since)
    }

    /// Waits until it can't go on, and says why.
    pub async fn ended(&self) -> Arc<HatchetError> {
        let mut ended = self.ended.clone();
        loop {
            if let Some(error) = &*ended.borrow_and_update() {
                return Arc::clone(error);
            }
            if ended.changed().await.is_err() {
                // All sessions were told to stop.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What has to be so before workers are registered.
struct Ready<'a> {
    connection: &'a Connection,
    rest: &'a Rest,
    trust: &'a Trust,
    clock: &'a SharedClock,
    options: &'a WorkerOptions,
}

impl Ready<'_> {
    /// The engine is there, takes the token, and is new enough.
    async fn engine(&self) -> Result<(), HatchetError> {
        let connection = self.connection;
        let told = self.until("asking the engine's version", || connection.version()).await?;
        if let Some(why) = version::too_old(&told) {
            return Err(HatchetError::TooOld(why));
        }
        let account = self.connection.account();
        let (address, tenant, namespace) = (&account.address, account.tenant(), account.namespace());
        tracing::info!(%address, tenant, %namespace, engine = told, "connected to Hatchet");
        Ok(())
    }

    /// Nobody else's worker has our tasks' names.
    async fn alone(&self, ours: &BTreeSet<String>) -> Result<(), HatchetError> {
        let mut patience = Patience::new(self.options.pace.first_wait, self.options.pace.longest_wait);
        let workers = loop {
            match self.rest.workers().await {
                Ok(workers) => break workers,
                Err(error @ HatchetError::Away { .. }) => {
                    let wait = patience.next();
                    tracing::warn!(%error, ?wait, "can't see yet who else works for this tenant");
                    self.clock.sleep_until(self.clock.now().plus(wait)).await;
                }
                Err(error) => return Err(error),
            }
        };
        match foreign::found(&workers, ours) {
            Some(why) if self.options.allow_foreign => tracing::warn!("{why}"),
            Some(why) => return Err(HatchetError::Foreign(why)),
            None => {}
        }
        Ok(())
    }

    /// The engine knows our rate limits, which it must before it takes a workflow that uses them, and our workflows.
    async fn workflows(&self, registry: &Registry) -> Result<(), HatchetError> {
        for limit in registry.definitions().rate_limits() {
            let (put, connection) = (registration::rate_limit(limit), self.connection);
            self.until("setting a rate limit", || connection.put_rate_limit(put.clone())).await?;
            tracing::info!(key = limit.key, %limit, "set a rate limit, for all who work for this tenant");
        }
        let namespace = self.connection.account().namespace();
        for definition in registry.workflows() {
            let workflow = registration::workflow(definition, namespace);
            let connection = self.connection;
            self.until("registering a workflow", || connection.put_workflow(workflow.clone())).await?;
            tracing::info!(
                workflow = workflow.name,
                tasks = workflow.tasks.len(),
                "registered a workflow with Hatchet"
            );
        }
        Ok(())
    }

    /// Asks until the engine answers.
    async fn until<T, F>(&self, call: &'static str, ask: impl Fn() -> F) -> Result<T, HatchetError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut patience = Patience::new(self.options.pace.first_wait, self.options.pace.longest_wait);
        loop {
            let status = match ask().await {
                Ok(answer) => {
                    self.trust.taken();
                    return Ok(answer);
                }
                Err(status) => status,
            };
            let address = &self.connection.account().address;
            match meaning(status.code()) {
                Meaning::Again => {}
                Meaning::Refused if self.trust.refused(Instant::now()) => {
                    return Err(HatchetError::Refused { address: address.to_string(), why: told(&status) });
                }
                Meaning::Refused => {}
                Meaning::Unknown | Meaning::Wrong => return Err(HatchetError::of(call, &status)),
            }
            let wait = patience.next();
            tracing::warn!(%address, error = told(&status), ?wait, "Hatchet does not answer{}; trying again", address.hint());
            self.clock.sleep_until(self.clock.now().plus(wait)).await;
        }
    }
}

/// The action ids of each post in the pools that are served.
fn actions(connection: &Connection, registry: &Registry, pools: &BTreeSet<Pool>) -> BTreeMap<Post, Vec<String>> {
    let namespace = connection.account().namespace();
    let mut actions: BTreeMap<Post, Vec<String>> = BTreeMap::new();
    for workflow in registry.workflows() {
        for task in workflow.all_tasks().filter(|task| pools.contains(&task.pool)) {
            actions.entry(Post::of(task)).or_default().push(namespace.action(&workflow.name, &task.name));
        }
    }
    actions
}

fn register_request(base: &str, post: Post, actions: Vec<String>, sizes: &PoolSizes) -> wire::RegisterRequest {
    let version = env!("CARGO_PKG_VERSION");
    wire::RegisterRequest {
        worker_name: names::worker_name(base, post),
        actions,
        services: vec!["default".to_owned()],
        labels: HashMap::from([(
            foreign::OUR_LABEL.to_owned(),
            wire::Label { text: Some(version.to_owned()), number: None },
        )]),
        runtime_info: Some(wire::RuntimeInfo {
            sdk_version: Some(version.to_owned()),
            language_version: None,
            os: Some(std::env::consts::OS.to_owned()),
            extra: Some(format!("trackscribe {version}, Rust")),
        }),
        slot_config: post.slot_config(sizes),
    }
}
