//! Measures what our Hatchet worker costs, for `scripts/bench hatchet`: tasks that do nothing, so that all that is left is the
//! engine, the way there, and the worker. Needs an engine: `HATCHET_CLIENT_*` as for `trackscribe worker`.
//!
//! * `worker`: our worker, until it is told to stop. `sdk_worker.py` beside this file is the peer's, with the same workflows.
//! * `noop PID RUNS`: runs of one task, a hundred under way at once, then a hundred one after another.
//! * `join CHILDREN TIMES`: a parent that waits for so many children.
//! * `dag TIMES`: the pipeline's own graph, with four tracks.
//! * `idle PID SECONDS`: what a worker takes that has nothing to do.
//!
//! Measuring works the same whoever's worker serves the namespace. PID is the worker's: its processor time and memory, with
//! those of all processes below it, are read from `/proc`. Each figure is one line: its name and a number.

mod drive;
mod process;
mod toys;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};
use trackscribe::clock::{SharedClock, SystemClock};
use trackscribe::engine::hatchet::{
    Account, Connection, HatchetEngine, Pace, Rest, Settings, Tls, Worker, WorkerOptions, task_logs,
};
use trackscribe::secret::Secret;
use trackscribe::workflow::Pool;

use self::drive::Drive;
use self::process::Tree;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().with_context(|| format!("{text:?} is no number"));
    match arguments.as_slice() {
        ["worker"] => worker().await,
        ["noop", pid, runs] => drive().await?.noop(&Tree::of(pid.parse()?), number(runs)?).await,
        ["join", children, times] => drive().await?.join(number(children)?, number(times)?).await,
        ["dag", times] => drive().await?.dag(number(times)?).await,
        ["idle", pid, seconds] => drive::idle(&Tree::of(pid.parse()?), Duration::from_secs_f64(seconds.parse()?)).await,
        _ => bail!("usage: hatchet_load worker | noop PID RUNS | join CHILDREN TIMES | dag TIMES | idle PID SECONDS"),
    }
}

/// Logs as the program does by default.
async fn worker() -> anyhow::Result<()> {
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))))
        .with(task_logs(Level::INFO))
        .init();
    let (connection, rest, clock) = opened().await?;
    let options = WorkerOptions {
        name: "bench".to_owned(),
        pools: BTreeSet::from(Pool::ALL),
        allow_foreign: false,
        grace: Duration::from_secs(1),
        pace: Pace::default(),
    };
    let mut terminated = signal(SignalKind::terminate())?;
    let worker = Worker::start(connection, rest, toys::registry()?, options, clock).await?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    worker.stop().await;
    Ok(())
}

async fn drive() -> anyhow::Result<Drive> {
    let (connection, rest, clock) = opened().await?;
    let definitions = toys::registry()?.definitions().clone();
    Ok(Drive::new(HatchetEngine::new(connection, rest, definitions, clock)))
}

async fn opened() -> anyhow::Result<(Connection, Rest, SharedClock)> {
    let clock: SharedClock = Arc::new(SystemClock);
    let account = Account::new(settings()?, clock.now())?;
    let rest = Rest::prepare(&account).await?;
    Ok((Connection::prepare(account).await?, rest, clock))
}

fn settings() -> anyhow::Result<Settings> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let tls = if var("HATCHET_CLIENT_TLS_STRATEGY").as_deref() == Some("none") { Tls::None } else { Tls::System };
    Ok(Settings {
        token: Secret::new(var("HATCHET_CLIENT_TOKEN").context("HATCHET_CLIENT_TOKEN is not set")?),
        tenant: var("HATCHET_CLIENT_TENANT_ID"),
        host_port: var("HATCHET_CLIENT_HOST_PORT"),
        server_url: var("HATCHET_CLIENT_SERVER_URL").map(|url| url.parse()).transpose()?,
        namespace: var("HATCHET_CLIENT_NAMESPACE").unwrap_or_default(),
        tls,
        server_name: None,
    })
}
