//! `trackscribe worker`: executes the runs of an engine that has a server of its own.

mod args;
mod metrics;
mod pages;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::args::Args;
use self::pages::{Beginning, Deaf, Pages};
use super::definitions::speech_model;
use super::exit::Exit;
use super::hatchet::{Hatchet, exit_of};
use super::service::{PlaceReady, Required, Scratch, Service, UnloadedModel, pipeline_house};
use super::signals::stop_on_signal;
use super::threads;
use crate::config::{Config, Provider, names};
use crate::engine::hatchet::{HatchetError, Pace, Worker, WorkerOptions};
use crate::http::{self, DatabaseReady, ReadyCheck, WorkerPages};
use crate::pipeline::registry;
use crate::speech::Recognizer;
use crate::workflow::{Definitions, Pool};

/// Ports that are tried when the one for the pages is taken.
const PORTS: u16 = 20;

/// Works until stopped.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config) -> Result<(), Exit> {
    let name = names::DURABLE_WORKFLOW_PROVIDER;
    match config.provider {
        Provider::Hatchet => {}
        Provider::None => {
            return Err(Exit::bad_input(anyhow!(
                "{name} is none: then trackscribe serve executes the runs by itself, and a worker has nothing to do. Start \
                 trackscribe serve"
            )));
        }
        Provider::Conductor => {
            return Err(Exit::bad_input(anyhow!(
                "{name}=conductor is not there yet: this version has {name}=none (trackscribe serve) and {name}=hatchet"
            )));
        }
    }
    let required = Required::of(config);
    if args.pools().contains(&Pool::Speech) { required.with_model(args.model.as_deref()) } else { required }.check()?;
    let runtime = threads::several(None)?;
    runtime.block_on(work(args, config))
}

async fn work(args: &Args, config: &Config) -> Result<(), Exit> {
    // First, so that an address that is taken is told before anything is touched.
    let listener = listen(args.bind.unwrap_or(config.worker_bind)).await?;
    let pools = args.pools();
    let (service, speech) =
        tokio::try_join!(Service::open(config), recognizer(args, config, pools.contains(&Pool::Speech)))?;
    let Some(Hatchet { connection, rest, .. }) = service.hatchet.clone() else {
        return Err(Exit::Failed(anyhow!("no way to Hatchet was opened")));
    };
    let scratch = Scratch::open(config).map_err(Exit::Failed)?;
    service.warn().await;
    let definitions = with_slots(service.definitions.clone(), args);
    let house = pipeline_house(&service, config, speech, scratch.folder());
    let registry = registry(house, definitions).map_err(|error| Exit::Failed(error.into()))?;
    let options = WorkerOptions {
        name: args.name.clone().unwrap_or_else(host_name),
        pools,
        allow_foreign: args.allow_foreign,
        grace: args.grace.unwrap_or(config.shutdown_grace),
        pace: Pace::default(),
    };

    let stop = stop_on_signal().map_err(Exit::Failed)?;
    let beginning = Beginning::default();
    let checks: Vec<Arc<dyn ReadyCheck>> = vec![
        Arc::new(Deaf(beginning.clone())),
        Arc::new(DatabaseReady(service.database.clone())),
        Arc::new(PlaceReady { name: "storage", place: Arc::clone(&service.storage) }),
        Arc::new(PlaceReady { name: "recordings", place: Arc::clone(&service.originals) }),
    ];
    let report = Arc::new(Pages { worker: beginning.clone(), clock: Arc::clone(&service.clock) });
    let pages = WorkerPages { checks, report, clock: Arc::clone(&service.clock) };
    let pages_stop = stop.child_token();
    let serving = tokio::spawn(http::serve_pages(listener, pages, pages_stop.clone()));
    let ended =
        execute(Worker::start(connection, rest, registry, options, Arc::clone(&service.clock)), &beginning, &stop)
            .await;
    pages_stop.cancel();
    let _ = serving.await;
    service.database.close().await;
    tracing::info!("stopped");
    ended
}

/// Works from registration to the end.
async fn execute(
    starting: impl Future<Output = Result<Worker, HatchetError>>,
    beginning: &Beginning,
    stop: &CancellationToken,
) -> Result<(), Exit> {
    let worker = tokio::select! {
        started = starting => Arc::new(started.map_err(|error| exit_of(&error))?),
        () = stop.cancelled() => return Ok(()),
    };
    beginning.done(Arc::clone(&worker));
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        error = worker.ended() => Err(exit_of(&error)),
    };
    worker.stop().await;
    ended
}

/// Loads the model where speech is served; elsewhere its name is enough.
async fn recognizer(args: &Args, config: &Config, is_needed: bool) -> Result<Arc<dyn Recognizer>, Exit> {
    if is_needed {
        let model = speech_model(args.model.as_deref(), config).await?;
        model.accepts(&config.speech_language).map_err(|error| Exit::bad_input(error.into()))?;
        return Ok(model);
    }
    let path = args.model.as_ref().or(config.speech_model.as_ref()).ok_or_else(|| {
        Exit::bad_input(anyhow!(
            "{} is not set: transcripts tell which model made them, so that also a worker without the pool speech is told \
             its path; the file need not be there",
            names::SPEECH_MODEL
        ))
    })?;
    Ok(Arc::new(UnloadedModel::new(path)))
}

fn with_slots(mut definitions: Definitions, args: &Args) -> Definitions {
    for slots in &args.slots {
        definitions = definitions.with_slots(slots.pool, slots.slots);
    }
    definitions
}

/// The address that is asked for, or with the next free port: several workers may run on one machine.
async fn listen(wanted: SocketAddr) -> Result<TcpListener, Exit> {
    for port in wanted.port()..=wanted.port().saturating_add(PORTS) {
        let address = SocketAddr::new(wanted.ip(), port);
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let address = listener.local_addr().unwrap_or(address);
                tracing::info!(%address, "the worker's pages");
                return Ok(listener);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => {
                let name = names::WORKER_BIND;
                return Err(Exit::bad_input(anyhow!(
                    "can't answer on {address}: {error}. Give another address by --bind or {name}"
                )));
            }
        }
    }
    let last = wanted.port().saturating_add(PORTS);
    Err(Exit::bad_input(anyhow!("the ports from {wanted} to {last} are all taken: give another by --bind")))
}

fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => "trackscribe".to_owned(),
        host => format!("trackscribe-{host}"),
    }
}
