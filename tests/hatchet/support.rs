//! Toy workflows, workers of them, and a client, all on one double.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use trackscribe::clock::{SharedClock, SystemClock};
use trackscribe::engine::hatchet::{
    Account, Connection, HatchetEngine, HatchetError, Pace, Rest, Settings, Tls, Worker, WorkerOptions,
};
use trackscribe::engine::{Engine, RunOutcome, StartOptions};
use trackscribe::ids::RunId;
use trackscribe::secret::Secret;
use trackscribe::workflow::{
    Child, ChildOutputs, Definitions, FanOutHandler, Handler, House, Pool, PoolSizes, Registry, TaskContext, TaskError,
    TaskHandler,
};

use crate::double::Double;

/// A house with nothing in it.
struct Empty;

#[async_trait]
impl House for Empty {
    type Services = ();

    async fn open(&self, _: &TaskContext) -> Result<(), TaskError> {
        Ok(())
    }

    async fn close(&self, (): &()) {}
}

pub type Made = Result<Value, TaskError>;

struct Toy<F>(F);

#[async_trait]
impl<F> TaskHandler for Toy<F>
where
    F: Fn(TaskContext, Value, Value) -> BoxFuture<'static, Made> + Send + Sync,
{
    async fn run(&self, ctx: &TaskContext, input: Value, parents: Value) -> Made {
        (self.0)(ctx.clone(), input, parents).await
    }
}

/// A task that does `work` with its context, input and parents' outputs.
pub fn task<F, Fut>(work: F) -> Handler
where
    F: Fn(TaskContext, Value, Value) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Made> + Send + 'static,
{
    Handler::Task(Arc::new(Toy(move |ctx, input, parents| -> BoxFuture<'static, Made> {
        Box::pin(work(ctx, input, parents))
    })))
}

/// Counts how often each thing was done.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<std::collections::BTreeMap<String, u32>>>);

impl Tally {
    /// One more; says how often now.
    pub fn add(&self, what: &str) -> u32 {
        let mut counts = self.0.lock().unwrap();
        let count = counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub fn of(&self, what: &str) -> u32 {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

/// Workflow `One` of one task, which counts how often it was done.
pub fn one_counted(tally: &Tally) -> Registry {
    let tally = tally.clone();
    let work = task(move |_, _, _| {
        let count = tally.add("a");
        async move { Ok(json!({"count": count})) }
    });
    registry(&[one("One", "")], slots(4), &[("One.a", work)])
}

/// A fan-out that plans children with the given keys and collects `{"children": {key: output}}`.
pub struct Fan {
    pub keys: Vec<String>,
    /// Called at each collect, with the attempt's number.
    pub collected: fn(u32) -> Result<(), TaskError>,
}

impl Fan {
    pub fn of(keys: &[&str]) -> Self {
        Self { keys: keys.iter().map(|key| (*key).to_owned()).collect(), collected: |_| Ok(()) }
    }

    pub fn handler(self) -> Handler {
        Handler::FanOut(Arc::new(self))
    }
}

#[async_trait]
impl FanOutHandler for Fan {
    async fn plan(&self, _: &TaskContext, _: Value, _: Value) -> Result<Vec<Child<Value>>, TaskError> {
        Ok(self.keys.iter().map(|key| Child { key: key.clone(), input: json!({"key": key}) }).collect())
    }

    async fn collect(
        &self,
        ctx: &TaskContext,
        _: Value,
        _: Value,
        children: &mut dyn ChildOutputs<Value>,
    ) -> Result<Value, TaskError> {
        (self.collected)(ctx.identity().attempt)?;
        let mut outputs = serde_json::Map::new();
        while let Some((key, output)) = children.next().await? {
            outputs.insert(key, output);
        }
        Ok(json!({"children": outputs}))
    }
}

/// The head of a toy workflow's file.
pub fn head(name: &str) -> String {
    format!(
        "name = \"{name}\"\ndescription = \"a toy\"\ninput = \"Toy\"\n[defaults]\nexecution_timeout = \"10m\"\n\
         stall_timeout = \"2m\"\nschedule_timeout = \"1h\"\nretries = 3\nbackoff_factor = 2\nbackoff_max = \"1m\"\n"
    )
}

/// A step of a toy workflow; `more` is further lines of its table.
pub fn step(name: &str, parents: &[&str], more: &str) -> String {
    let pool = if more.contains("pool") { "" } else { "pool = \"io\"\n" };
    format!("[[task]]\nname = \"{name}\"\nparents = {parents:?}\n{pool}{more}\n")
}

/// A workflow of one task.
pub fn one(name: &str, more: &str) -> String {
    format!("{}{}", head(name), step("a", &[], more))
}

/// Slots of each pool.
pub fn slots(of_each: usize) -> PoolSizes {
    Pool::ALL.into_iter().map(|pool| (pool, of_each)).collect()
}

/// Joins toy workflows (whole files) with code, named `Workflow.task`.
pub fn registry(files: &[String], pools: PoolSizes, code: &[(&str, Handler)]) -> Registry {
    let files: Vec<(&str, &str)> = files.iter().map(|text| ("toy.toml", text.as_str())).collect();
    let definitions = Definitions::parse(&files, pools).unwrap_or_else(|errors| panic!("{errors}"));
    let mut builder = Registry::builder(Empty, definitions);
    for (name, handler) in code {
        let (workflow, task) = name.split_once('.').unwrap();
        builder = builder.handler(workflow, task, handler.clone());
    }
    builder.build().unwrap_or_else(|errors| panic!("{errors}"))
}

/// What settings lead to a double.
pub fn settings(double: &Double) -> Settings {
    Settings {
        token: Secret::new(double.token.clone()),
        tenant: None,
        host_port: None,
        server_url: None,
        namespace: String::new(),
        tls: Tls::None,
        server_name: None,
    }
}

pub fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// The way to a double.
pub async fn connect(settings: Settings) -> (Connection, Rest) {
    let account = Account::new(settings, clock().now()).unwrap();
    let rest = Rest::prepare(&account).await.unwrap();
    (Connection::prepare(account).await.unwrap(), rest)
}

/// As fast as the double's time.
pub fn pace() -> Pace {
    Pace {
        heartbeat: Duration::from_millis(150),
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(100),
        untried: Duration::from_millis(200),
        trusted: Duration::from_secs(60),
        being_made: Duration::from_millis(100),
        look_back: [Duration::from_millis(20), Duration::from_millis(200)],
    }
}

pub fn options(name: &str) -> WorkerOptions {
    WorkerOptions {
        name: name.to_owned(),
        pools: BTreeSet::from(Pool::ALL),
        allow_foreign: false,
        grace: Duration::from_secs(5),
        pace: pace(),
    }
}

/// A worker on a double.
pub async fn worker(double: &Double, registry: &Registry) -> Worker {
    try_worker(double, registry, options("toy")).await.unwrap()
}

pub async fn try_worker(double: &Double, registry: &Registry, options: WorkerOptions) -> Result<Worker, HatchetError> {
    let (connection, rest) = connect(settings(double)).await;
    Worker::start(connection, rest, registry.clone(), options, clock()).await
}

/// A client of a double.
pub async fn client(double: &Double, registry: &Registry) -> HatchetEngine {
    let (connection, rest) = connect(settings(double)).await;
    HatchetEngine::new(connection, rest, registry.definitions().clone(), clock())
}

/// An engine to test against, the double or a real one, so that one scenario runs on both.
pub struct World {
    pub settings: Settings,
    pub pace: Pace,
    /// What is waited for takes so long at most.
    pub patience: Duration,
}

impl World {
    pub fn of(double: &Double) -> Self {
        Self { settings: settings(double), pace: pace(), patience: Duration::from_secs(60) }
    }

    /// `None` where there is no real engine to test against.
    pub fn real() -> Option<Self> {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(token) = var("HATCHET_CLIENT_TOKEN") else {
            eprintln!("skipped: HATCHET_CLIENT_TOKEN is not set");
            return None;
        };
        let is_open = var("HATCHET_CLIENT_TLS_STRATEGY").as_deref() == Some("none");
        let settings = Settings {
            token: Secret::new(token),
            tenant: var("HATCHET_CLIENT_TENANT_ID"),
            host_port: var("HATCHET_CLIENT_HOST_PORT"),
            server_url: var("HATCHET_CLIENT_SERVER_URL").map(|url| url.parse().unwrap()),
            namespace: String::new(),
            tls: if is_open { Tls::None } else { Tls::System },
            server_name: None,
        };
        Some(Self { settings, pace: Pace::default(), patience: Duration::from_secs(240) })
    }

    /// A worker that listens already.
    pub async fn worker(&self, registry: &Registry, change: impl FnOnce(&mut WorkerOptions)) -> Worker {
        let mut options = WorkerOptions { allow_foreign: true, pace: self.pace.clone(), ..options("world") };
        change(&mut options);
        let (connection, rest) = connect(self.settings.clone()).await;
        let worker = Worker::start(connection, rest, registry.clone(), options, clock()).await.unwrap();
        eventually(|| worker.snapshot().posts.values().all(|post| post.listening_since.is_some())).await;
        worker
    }

    pub async fn engine(&self, registry: &Registry) -> (HatchetEngine, Rest) {
        let (connection, rest) = connect(self.settings.clone()).await;
        (HatchetEngine::new(connection, rest.clone(), registry.definitions().clone(), clock()), rest)
    }

    /// What must come, sooner or later.
    pub async fn within<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::time::timeout(self.patience, future).await.expect("took too long")
    }
}

/// A name that no earlier run of the tests used: a real engine keeps all of them.
pub fn fresh(name: &str) -> String {
    format!("{name}{}", uuid::Uuid::now_v7().simple())
}

/// Starts a run with an empty input and waits for its end.
pub async fn run(engine: &HatchetEngine, workflow: &str) -> (RunId, RunOutcome) {
    let run = engine.start(workflow, json!({}), StartOptions::default()).await.unwrap();
    let outcome = soon(engine.wait(&run)).await.unwrap();
    (run, outcome)
}

/// What must not take long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("took too long")
}

/// Waits until `holds` does.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A worker in a runtime of its own, which can be killed like a process.
pub struct Process {
    runtime: tokio::runtime::Runtime,
    pub worker: Arc<Worker>,
}

impl Process {
    pub async fn start(double: &Double, registry: &Registry, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (settings, registry, options) = (settings(double), registry.clone(), options(name));
        let starting = async move {
            let (connection, rest) = connect(settings).await;
            Worker::start(connection, rest, registry, options, clock()).await.unwrap()
        };
        let worker = Arc::new(soon(runtime.spawn(starting)).await.unwrap());
        Self { runtime, worker }
    }

    /// Stops everything where it is; nothing more is sent.
    pub async fn kill(self) {
        let Self { runtime, worker } = self;
        // The wire's thread goes with the last holder of the connection, which tasks of the runtime are.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
        drop(worker);
    }
}
