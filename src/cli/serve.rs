//! `trackscribe serve`: takes webhooks and requests, catches up on what was missed, starts runs and, with the embedded
//! engine, executes them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::definitions::speech_model;
use super::exit::Exit;
use super::service::{Duties, ExecutorReady, HatchetReady, Required, Scratch, Service, http_state, pipeline_house};
use super::signals::stop_on_signal;
use super::threads;
use crate::config::{Config, Provider};
use crate::engine::EngineError;
use crate::engine::embedded::Standby;
use crate::engine::hatchet::HatchetEngine;
use crate::http::{self, ReadyCheck};
use crate::pipeline::registry;
use crate::speech::Recognizer as _;
use crate::workflow::Registry;

/// Take Daily.co's webhooks and make transcripts of what was recorded, until stopped
///
/// Answers Daily's webhook (/v1/daily/webhook), the API (/v1), /healthz and /readyz. Several may run on one database: one of them
/// executes the runs, the others stand by and serve everything else. SIGTERM and Ctrl-C end it in order: requests are
/// answered, and runs go on with the next process or the next start.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to answer; counts for more than BIND [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// A whisper.cpp model file; counts for more than SPEECH_MODEL
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
}

/// Serves until a signal.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config) -> Result<(), Exit> {
    let required = Required::of(config);
    match config.provider {
        Provider::None => required.with_model(args.model.as_deref()),
        // Whoever executes the runs has the model.
        Provider::Hatchet | Provider::Conductor => required,
    }
    .check()?;
    let runtime = threads::several(None)?;
    runtime.block_on(serve(args, config))
}

async fn serve(args: &Args, config: &Config) -> Result<(), Exit> {
    let bind = args.bind.unwrap_or(config.bind);
    // First, so that a port that is taken is told before anything is touched.
    let listener = TcpListener::bind(bind).await.map_err(|error| {
        Exit::bad_input(anyhow!("can't answer on {bind}: {error}. Give another address by --bind or BIND"))
    })?;
    let service = Service::open(config).await?;
    service.warn().await;
    let executor = Executor::prepare(args, config, &service).await?;

    let stop = stop_on_signal().map_err(Exit::Failed)?;
    let executor = executor.start(&service, &stop);
    let duties = Duties::new(&service, config)?;
    let state = http_state(&service, config, &duties, executor.ready())?;
    tracing::info!(address = %listener.local_addr().map_or(bind, |address| address), "answering");
    let executing = async {
        let stopped = executor.stopped(&stop).await;
        // Should it have ended by itself, everything does: whoever starts this process again makes it whole.
        stop.cancel();
        stopped
    };
    let ((), (), stopped) = tokio::join!(http::serve(listener, state, stop.clone()), duties.run(&stop), executing);
    service.database.close().await;
    tracing::info!("stopped");
    stopped.map_err(|error| Exit::Failed(error.into()))
}

/// Who executes the runs.
enum Executor {
    /// This process, or another of the same database.
    Here { registry: Registry, scratch: Scratch },
    /// Workers of Hatchet's.
    Hatchet(Arc<HatchetEngine>),
}

/// The same, at work.
enum Executing {
    Here { standby: Standby, _scratch: Scratch },
    Hatchet(Arc<HatchetEngine>),
}

impl Executor {
    async fn prepare(args: &Args, config: &Config, service: &Service) -> Result<Self, Exit> {
        if let Some(hatchet) = &service.hatchet {
            return Ok(Self::Hatchet(Arc::clone(&hatchet.engine)));
        }
        let model = speech_model(args.model.as_deref(), config).await?;
        model.accepts(&config.speech_language).map_err(|error| Exit::bad_input(error.into()))?;
        let scratch = Scratch::open(config).map_err(Exit::Failed)?;
        let house = pipeline_house(service, config, model, scratch.folder());
        let registry = registry(house, service.definitions.clone()).map_err(|error| Exit::Failed(error.into()))?;
        Ok(Self::Here { registry, scratch })
    }

    fn start(self, service: &Service, stop: &CancellationToken) -> Executing {
        match self {
            Self::Here { registry, scratch } => {
                let (database, clock) = (service.database.clone(), Arc::clone(&service.clock));
                let standby = Standby::start(database, registry, clock, stop.child_token());
                Executing::Here { standby, _scratch: scratch }
            }
            Self::Hatchet(engine) => Executing::Hatchet(engine),
        }
    }
}

impl Executing {
    fn ready(&self) -> Arc<dyn ReadyCheck> {
        match self {
            Self::Here { standby, .. } => Arc::new(ExecutorReady(standby.watch())),
            Self::Hatchet(engine) => Arc::new(HatchetReady(Arc::clone(engine))),
        }
    }

    async fn stopped(self, stop: &CancellationToken) -> Result<(), EngineError> {
        match self {
            Self::Here { standby, .. } => standby.stopped().await,
            Self::Hatchet(_) => {
                stop.cancelled().await;
                Ok(())
            }
        }
    }
}
