//! PostgreSQL goes away in the middle of a run: restarted, stopped for long, hung. The run completes all the same, nothing
//! runs twice at once, and no task pays for it with a retry.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use trackscribe::engine::embedded::{EmbeddedClient, ExecutorState, Standby};
use trackscribe::engine::{Engine, EngineError, RunOutcome, RunStatus, StartOptions};
use trackscribe::failure::{Failure, FailureClass};
use trackscribe::ids::RunId;
use trackscribe::store::runs::AttemptOutcome::{Completed, Interrupted};

use crate::postgres::Postgres;
use crate::standby::{Gated, client};
use crate::support::{Bench, outcomes, soon, tasks};

/// A run whose second task is at work, on a server of its own.
struct Underway {
    server: Arc<Postgres>,
    bench: Bench,
    gated: Gated,
    standby: Standby,
    stop: CancellationToken,
    client: EmbeddedClient,
    run: RunId,
}

impl Underway {
    async fn start() -> Self {
        let server = Arc::new(tokio::task::spawn_blocking(Postgres::start_new).await.unwrap());
        let bench = Bench::on(&server).await;
        let gated = Gated::new();
        let (registry, stop) = (gated.registry(), CancellationToken::new());
        let (database, clock) = (bench.database().await, bench.shared_clock());
        let standby = Standby::start(database, registry.clone(), clock, stop.clone());
        let client = client(&bench, &registry).await;
        let run = client.start("Two", json!({}), StartOptions::default()).await.unwrap();
        soon(gated.began.notified()).await;
        Self { server, bench, gated, standby, stop, client, run }
    }

    /// Does something to the server, which blocks.
    async fn server(&self, act: impl FnOnce(&Postgres) + Send + 'static) {
        let server = Arc::clone(&self.server);
        tokio::task::spawn_blocking(move || act(&server)).await.unwrap();
    }

    /// The run's end, asked for as often as the database is away.
    async fn outcome(&self) -> RunOutcome {
        soon(async {
            loop {
                match self.client.wait(&self.run).await {
                    Ok(outcome) => return outcome,
                    Err(error @ EngineError::Backend { .. }) => {
                        assert_eq!(error.class(), FailureClass::Retryable, "{error}");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        })
        .await
    }

    async fn ends_well(self) {
        let outcome = self.outcome().await;
        assert_eq!((outcome.status, outcome.failure.clone()), (RunStatus::Completed, None));
        assert_eq!(outcome.output["second"], json!({"attempt": 2}));
        assert_eq!(self.gated.most_at_once.load(Ordering::SeqCst), 1, "at work twice at once");
        let store = self.bench.store().await;
        assert_eq!(outcomes(&store, &self.run, "first").await, [Some(Completed)]);
        assert_eq!(outcomes(&store, &self.run, "second").await, [Interrupted, Completed].map(Some));
        let second = &tasks(&store, &self.run).await["second"];
        assert_eq!((second.failures, second.interruptions), (0, 0));
        self.stop.cancel();
        soon(self.standby.stopped()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_the_server_was_restarted() {
    let underway = Underway::start().await;
    underway.server(Postgres::restart).await;
    soon(underway.gated.began.notified()).await;
    underway.gated.gate.add_permits(1);
    underway.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_the_server_crashed() {
    let underway = Underway::start().await;
    underway
        .server(|server| {
            server.kill();
            server.start();
        })
        .await;
    soon(underway.gated.began.notified()).await;
    underway.gated.gate.add_permits(1);
    underway.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_the_server_was_away_for_longer_than_the_store_tries() {
    let underway = Underway::start().await;
    underway.server(Postgres::stop).await;
    // Its result can't be kept.
    underway.gated.gate.add_permits(1);
    let mut watch = underway.standby.watch();
    let away = |state: &ExecutorState| {
        // Whatever the store would wait for, it waits no more.
        underway.bench.clock.advance(Duration::from_secs(60));
        matches!(state, ExecutorState::StandsBy(why) if why.contains("can't be used"))
    };
    soon(watch.wait_for(away)).await.unwrap();
    underway.server(Postgres::start).await;
    soon(underway.gated.began.notified()).await;
    underway.gated.gate.add_permits(1);
    underway.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_executor_stops_while_the_server_hangs() {
    let underway = Underway::start().await;
    underway.server(Postgres::pause).await;
    let mut watch = underway.standby.watch();
    soon(watch.wait_for(|state| matches!(state, ExecutorState::StandsBy(_)))).await.unwrap();
    underway.server(Postgres::resume).await;
    soon(underway.gated.began.notified()).await;
    underway.gated.gate.add_permits(1);
    underway.ends_well().await;
}
