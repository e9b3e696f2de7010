//! Toy workflows and a place to run them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use trackscribe::clock::{Clock, ManualClock, SharedClock, Timestamp};
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::engine::{Engine, EngineError, RunOutcome, StartOptions};
use trackscribe::ids::RunId;
use trackscribe::store::Database;
use trackscribe::store::runs::{AttemptOutcome, AttemptRecord, RunStore, TaskRunRecord};
use trackscribe::workflow::{
    Child, ChildOutputs, Definitions, FanOutHandler, Handler, House, Pool, PoolSizes, Registry, TaskContext, TaskError,
    TaskHandler,
};

use crate::postgres::Postgres;

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

type Made = Result<Value, TaskError>;

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

/// A task that gives `output` at once.
pub fn gives(output: Value) -> Handler {
    task(move |_, _, _| {
        let output = output.clone();
        async move { Ok(output) }
    })
}

/// A fan-out that plans children with the given keys and collects `{"children": {key: output}}`.
pub struct Fan {
    pub keys: Vec<String>,
    pub plans: Arc<Mutex<u32>>,
    /// Called at each collect, with the attempt's number.
    pub collected: fn(u32) -> Result<(), TaskError>,
}

impl Fan {
    pub fn of(keys: &[&str]) -> Self {
        Self { keys: keys.iter().map(|key| (*key).to_owned()).collect(), plans: Arc::default(), collected: |_| Ok(()) }
    }

    pub fn handler(self) -> Handler {
        Handler::FanOut(Arc::new(self))
    }
}

#[async_trait]
impl FanOutHandler for Fan {
    async fn plan(&self, _: &TaskContext, _: Value, _: Value) -> Result<Vec<Child<Value>>, TaskError> {
        *self.plans.lock().unwrap() += 1;
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
    format!("[[task]]\nname = \"{name}\"\nparents = {parents:?}\npool = \"io\"\n{more}\n")
}

/// As many slots as anybody can want.
pub fn roomy() -> PoolSizes {
    Pool::ALL.into_iter().map(|pool| (pool, 100)).collect()
}

/// Joins toy workflows (whole files) with code, named `Workflow.task`.
pub fn registry(files: &[String], pools: PoolSizes, code: Vec<(&str, Handler)>) -> Registry {
    let files: Vec<(&str, &str)> = files.iter().map(|text| ("toy.toml", text.as_str())).collect();
    let definitions = Definitions::parse(&files, pools).unwrap_or_else(|errors| panic!("{errors}"));
    let mut builder = Registry::builder(Empty, definitions);
    for (name, handler) in code {
        let (workflow, task) = name.split_once('.').unwrap();
        builder = builder.handler(workflow, task, handler);
    }
    builder.build().unwrap_or_else(|errors| panic!("{errors}"))
}

/// Where tests of both databases run.
pub type Place = Bench;

/// A database and a clock.
pub struct Bench {
    url: String,
    /// SQLite's.
    pub folder: Option<TempDir>,
    pub clock: ManualClock,
}

impl Bench {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        Self::at(url, Some(folder))
    }

    pub async fn on_postgres() -> Self {
        Self::on(Postgres::shared()).await
    }

    /// On a server of one's own.
    pub async fn on(server: &Postgres) -> Self {
        let name = server.migrated().await;
        Self::at(server.url(&name), None)
    }

    fn at(url: String, folder: Option<TempDir>) -> Self {
        Self { url, folder, clock: ManualClock::at(Timestamp::from_micros(1_000_000_000)) }
    }

    /// Another one of the same kind.
    pub async fn another(&self) -> Self {
        if self.folder.is_some() { Self::on_sqlite().await } else { Self::on_postgres().await }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes the executor's lock from its holder, who lives on: somebody cleans up lock files, or ends sessions.
    pub async fn break_lock(&self) {
        match &self.folder {
            Some(folder) => std::fs::remove_file(folder.path().join("store.db.lock")).unwrap(),
            None => {
                let database = Database::open(&self.url).await.unwrap();
                sqlx::query(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks
                     WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                )
                .execute(database.pool())
                .await
                .unwrap();
                database.close().await;
            }
        }
    }

    pub fn shared_clock(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }

    pub async fn database(&self) -> Database {
        let database = Database::open(&self.url).await.unwrap();
        database.migrate().await.unwrap();
        database
    }

    pub async fn store(&self) -> RunStore {
        RunStore::new(self.database().await)
    }

    pub async fn engine(&self, registry: &Registry) -> EmbeddedEngine {
        EmbeddedEngine::open(&self.database().await, registry.clone(), self.shared_clock()).await.unwrap()
    }

    /// Runs a workflow with an empty input to its end, time flying.
    pub async fn run(&self, registry: &Registry, workflow: &str) -> (EmbeddedEngine, RunId, RunOutcome) {
        let engine = self.engine(registry).await;
        let run = engine.start(workflow, json!({}), StartOptions::default()).await.unwrap();
        let outcome = self.flying(soon(engine.wait(&run))).await.unwrap();
        (engine, run, outcome)
    }

    /// Waits for `future` while time jumps to whatever is waited for within the next 40 s, one after another.
    pub async fn flying<T>(&self, future: impl Future<Output = T>) -> T {
        let clock = self.clock.clone();
        let flying = async move {
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                let next = clock.awaited().into_iter().find(|until| *until > clock.now());
                if let Some(until) = next.filter(|until| until.since(clock.now()) <= Duration::from_secs(40)) {
                    clock.advance(until.since(clock.now()));
                }
            }
        };
        tokio::select! {
            result = future => result,
            () = flying => unreachable!(),
        }
    }

    /// Waits until somebody waits for the moment `after` from now, then moves the clock there.
    pub async fn pass(&self, after: Duration) {
        let until = self.clock.now().plus(after);
        eventually(|| self.clock.awaited().contains(&until)).await;
        self.clock.advance(after);
    }
}

/// What must not take long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("took too long")
}

/// Waits until `holds` does.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// The tasks of a run by name.
pub async fn tasks(store: &RunStore, run: &RunId) -> BTreeMap<String, TaskRunRecord> {
    store.task_runs(run).await.unwrap().into_iter().map(|task| (task.task.clone(), task)).collect()
}

/// The attempts of one task of a run.
pub async fn attempts(store: &RunStore, run: &RunId, task: &str) -> Vec<AttemptRecord> {
    store.attempts(&tasks(store, run).await[task].id).await.unwrap()
}

/// How the attempts of one task of a run ended.
pub async fn outcomes(store: &RunStore, run: &RunId, task: &str) -> Vec<Option<AttemptOutcome>> {
    attempts(store, run, task).await.into_iter().map(|attempt| attempt.outcome).collect()
}

/// An executor in a runtime of its own, which can be killed like a process.
pub struct Process {
    runtime: tokio::runtime::Runtime,
    pub engine: Arc<EmbeddedEngine>,
}

impl Process {
    /// Opens the bench's database, as soon as whoever held it before is gone.
    pub async fn start(bench: &Bench, registry: &Registry) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (database, registry, clock) = (bench.database().await, registry.clone(), bench.shared_clock());
        let opening = async move {
            loop {
                match EmbeddedEngine::open(&database, registry.clone(), Arc::clone(&clock)).await {
                    Ok(engine) => return engine,
                    Err(EngineError::AlreadyRunning { .. }) => tokio::time::sleep(Duration::from_millis(2)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let engine = Arc::new(soon(runtime.spawn(opening)).await.unwrap());
        Self { runtime, engine }
    }

    /// Starts a run with an empty input.
    pub async fn run(&self, workflow: &'static str) -> RunId {
        let engine = Arc::clone(&self.engine);
        let start = async move { engine.start(workflow, json!({}), StartOptions::default()).await };
        self.runtime.spawn(start).await.unwrap().unwrap()
    }

    /// Stops everything where it is; nothing more is written.
    pub async fn kill(self) {
        let Self { runtime, engine } = self;
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
        drop(engine);
    }
}
