//! Several processes on one database: one executes, the others stand by, ask for runs, and take over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use trackscribe::clock::{Clock, Timestamp};
use trackscribe::engine::embedded::{EmbeddedClient, ExecutorState, Standby};
use trackscribe::engine::{Engine, EngineError, Priority, RunStatus, StartOptions};
use trackscribe::ids::RunId;
use trackscribe::workflow::{Handler, Registry, TaskError};

use crate::support::{Bench, eventually, gives, head, outcomes, registry, roomy, soon, step, task};

/// How soon another process must have taken over.
const TAKEN_OVER: Duration = Duration::from_secs(10);

/// A task that begins, is counted, and ends when the gate has a permit for it.
#[derive(Clone)]
pub struct Gated {
    pub began: Arc<Notify>,
    pub gate: Arc<Semaphore>,
    now: Arc<AtomicUsize>,
    pub most_at_once: Arc<AtomicUsize>,
}

impl Gated {
    pub fn new() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        Self { began: Arc::default(), gate, now: Arc::default(), most_at_once: Arc::default() }
    }

    pub fn handler(&self) -> Handler {
        let this = self.clone();
        task(move |ctx, _, _| {
            let this = this.clone();
            async move {
                this.most_at_once.fetch_max(this.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                this.began.notify_one();
                let permit = tokio::select! {
                    permit = this.gate.acquire() => Some(permit.unwrap()),
                    () = ctx.cancellation().cancelled() => None,
                };
                this.now.fetch_sub(1, Ordering::SeqCst);
                match permit {
                    Some(permit) => {
                        permit.forget();
                        Ok(json!({"attempt": ctx.identity().attempt}))
                    }
                    None => Err(TaskError::cancelled()),
                }
            }
        })
    }

    /// A workflow of two steps, `first` and this.
    pub fn registry(&self) -> Registry {
        let file = head("Two") + &step("first", &[], "") + &step("second", &["first"], "retries = 0");
        registry(&[file], roomy(), vec![("Two.first", gives(json!({}))), ("Two.second", self.handler())])
    }
}

pub async fn client(bench: &Bench, registry: &Registry) -> EmbeddedClient {
    EmbeddedClient::new(bench.database().await, registry.definitions().clone(), bench.shared_clock())
}

async fn standby(bench: &Bench, registry: &Registry) -> (Standby, CancellationToken) {
    let stop = CancellationToken::new();
    (Standby::start(bench.database().await, registry.clone(), bench.shared_clock(), stop.clone()), stop)
}

async fn one_executes_and_the_other_takes_over_when_it_stops(bench: Bench) {
    let gated = Gated::new();
    let registry = gated.registry();
    let (first, stop_first) = standby(&bench, &registry).await;
    eventually(|| first.executes()).await;
    let (second, stop_second) = standby(&bench, &registry).await;
    let why = ExecutorState::StandsBy("another process executes the runs".to_owned());
    soon(second.watch().wait_for(|state| *state == why)).await.unwrap();
    let client = client(&bench, &registry).await;
    let run = client.start("Two", json!({}), StartOptions::default()).await.unwrap();
    soon(gated.began.notified()).await;
    stop_first.cancel();
    soon(first.stopped()).await.unwrap();
    let fallen = Instant::now();
    soon(gated.began.notified()).await;
    assert!(second.executes());
    assert!(fallen.elapsed() < TAKEN_OVER, "{:?}", fallen.elapsed());
    gated.gate.add_permits(1);
    assert_eq!(soon(client.wait(&run)).await.unwrap().output["second"], json!({"attempt": 2}));
    assert_eq!(gated.most_at_once.load(Ordering::SeqCst), 1);
    stop_second.cancel();
    soon(second.stopped()).await.unwrap();
}

async fn one_that_is_killed_is_followed_within_ten_seconds(bench: Bench) {
    let gated = Gated::new();
    let registry = gated.registry();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (first, _stop) = {
        let (database, registry, clock) = (bench.database().await, registry.clone(), bench.shared_clock());
        let started = async move {
            let stop = CancellationToken::new();
            (Standby::start(database, registry, clock, stop.clone()), stop)
        };
        runtime.spawn(started).await.unwrap()
    };
    eventually(|| first.executes()).await;
    let (second, _stop) = standby(&bench, &registry).await;
    let client = client(&bench, &registry).await;
    let run = client.start("Two", json!({}), StartOptions::default()).await.unwrap();
    soon(gated.began.notified()).await;
    let killed = Instant::now();
    tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(5))).await.unwrap();
    soon(gated.began.notified()).await;
    assert!(second.executes() && killed.elapsed() < TAKEN_OVER, "{:?}", killed.elapsed());
    gated.gate.add_permits(1);
    assert_eq!(soon(client.wait(&run)).await.unwrap().status, RunStatus::Completed);
}

async fn one_that_lost_its_lock_stands_by_until_it_has_it_again(bench: Bench) {
    if bench.folder.is_some() {
        // A file's lock can't be lost to its holder.
        return;
    }
    let gated = Gated::new();
    let registry = gated.registry();
    let (standby, stop) = standby(&bench, &registry).await;
    let client = client(&bench, &registry).await;
    let run = client.start("Two", json!({}), StartOptions::default()).await.unwrap();
    for _ in 0..6 {
        soon(gated.began.notified()).await;
        let ExecutorState::Executes(generation) = standby.state() else { panic!("{:?}", standby.state()) };
        bench.break_lock().await;
        let mut watch = standby.watch();
        let again = |state: &ExecutorState| matches!(state, ExecutorState::Executes(new) if *new > generation);
        soon(watch.wait_for(again)).await.unwrap();
    }
    soon(gated.began.notified()).await;
    gated.gate.add_permits(1);
    // Six times in a row, and no kill is counted: the process lives.
    assert_eq!(soon(client.wait(&run)).await.unwrap().output["second"], json!({"attempt": 7}));
    assert_eq!(gated.most_at_once.load(Ordering::SeqCst), 1);
    stop.cancel();
    soon(standby.stopped()).await.unwrap();
}

async fn a_client_starts_cancels_and_resumes_runs_that_another_process_executes(bench: Bench) {
    let gated = Gated::new();
    let registry = gated.registry();
    let engine = bench.engine(&registry).await;
    let client = client(&bench, &registry).await;
    let error = client.start("two", json!({}), StartOptions::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::UnknownWorkflow { .. }), "{error}");
    let options = StartOptions { dedupe_key: Some("key".to_owned()), ..StartOptions::default() };
    let asked = Instant::now();
    let run = client.start("Two", json!({}), options.clone()).await.unwrap();
    assert_eq!(client.start("Two", json!({}), options).await.unwrap(), run);
    soon(gated.began.notified()).await;
    // 500 ms, and as much again for a busy machine.
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    client.cancel(&run).await.unwrap();
    assert_eq!(client.status(&run).await.unwrap(), RunStatus::Cancelled);
    assert_eq!(soon(client.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    client.resume(&run).await.unwrap();
    soon(gated.began.notified()).await;
    gated.gate.add_permits(1);
    assert_eq!(soon(client.wait(&run)).await.unwrap().output["second"], json!({"attempt": 2}));
    let nobody: RunId = "nobody".parse().unwrap();
    assert!(matches!(client.wait(&nobody).await, Err(EngineError::UnknownRun(_))));
    engine.shutdown().await;
}

async fn a_run_that_a_newer_program_asked_for_waits_for_it(bench: Bench) {
    let old = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", gives(json!({})))]);
    let steps = step("only", &[], "") + &step("more", &["only"], "");
    let code = vec![("One.only", gives(json!({}))), ("One.more", gives(json!({"new": 1})))];
    let new = registry(&[head("One") + &steps], roomy(), code);
    let executor = bench.engine(&old).await;
    bench.clock.advance(Duration::from_secs(60));
    let client = client(&bench, &new).await;
    let run = client.start("One", json!({}), StartOptions::default()).await.unwrap();
    let error = soon(executor.wait(&run)).await.unwrap_err().to_string();
    assert!(error.contains("waits for the program"), "{error}");
    assert_eq!(client.status(&run).await.unwrap(), RunStatus::Queued);
    executor.shutdown().await;
    let executor = bench.engine(&new).await;
    assert_eq!(soon(executor.wait(&run)).await.unwrap().output["more"], json!({"new": 1}));
}

/// A clock of which nobody can ask the time.
struct BrokenClock;

#[async_trait]
impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        panic!("the clock is broken");
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

async fn one_that_panics_says_so_instead_of_standing_by_for_ever(bench: Bench) {
    let (registry, stop) = (Gated::new().registry(), CancellationToken::new());
    let standby = Standby::start(bench.database().await, registry, Arc::new(BrokenClock), stop);
    let error = soon(standby.stopped()).await.unwrap_err();
    assert!(matches!(&error, EngineError::Stopped(why) if why.contains("the clock is broken")), "{error}");
}

/// Notes in which order runs come to their turn.
fn noting(order: &Arc<Mutex<Vec<String>>>, head_more: &str, slots: usize, gate: &Arc<Semaphore>) -> Registry {
    let (order, gate) = (Arc::clone(order), Arc::clone(gate));
    let works = task(move |_, input, _| {
        let (order, gate) = (Arc::clone(&order), Arc::clone(&gate));
        async move {
            order.lock().unwrap().push(input["name"].as_str().unwrap().to_owned());
            gate.acquire().await.unwrap().forget();
            Ok(json!({}))
        }
    });
    let pools = trackscribe::workflow::Pool::ALL.into_iter().map(|pool| (pool, slots)).collect();
    registry(&[head("One") + head_more + &step("only", &[], "")], pools, vec![("One.only", works)])
}

async fn slots_and_places_go_by_priority_then_by_the_order_of_asking(bench: Bench) {
    let group = "[concurrency]\nkey = \"'all'\"\nmax_runs = 1\n".replace("'all'", "all");
    for (head_more, slots) in [("", 1), (group.as_str(), 100)] {
        let (order, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let bench = bench.another().await;
        let engine = bench.engine(&noting(&order, head_more, slots, &gate)).await;
        let start = async |name: &str, priority| {
            let options = StartOptions { priority, ..StartOptions::default() };
            engine.start("One", json!({"name": name}), options).await.unwrap()
        };
        let mut runs = vec![start("before", Priority::Low).await];
        eventually(|| order.lock().unwrap().len() == 1).await;
        for (name, priority) in [
            ("low", Priority::Low),
            ("first", Priority::Normal),
            ("second", Priority::Normal),
            ("high", Priority::High),
        ] {
            let run = start(name, priority).await;
            if head_more.is_empty() {
                // Each run asks for a slot by itself, a moment after it has begun; nothing tells of that.
                while engine.status(&run).await.unwrap() != RunStatus::Running {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            runs.push(run);
        }
        // Until all of them have asked.
        tokio::time::sleep(Duration::from_millis(300)).await;
        gate.add_permits(5);
        for run in &runs {
            soon(engine.wait(run)).await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["before", "high", "first", "second", "low"], "{head_more}");
        let store = bench.store().await;
        assert_eq!(outcomes(&store, &runs[0], "only").await.len(), 1);
    }
}

on_both_databases! {
    one_executes_and_the_other_takes_over_when_it_stops,
    one_that_is_killed_is_followed_within_ten_seconds,
    one_that_lost_its_lock_stands_by_until_it_has_it_again,
    a_client_starts_cancels_and_resumes_runs_that_another_process_executes,
    a_run_that_a_newer_program_asked_for_waits_for_it,
    slots_and_places_go_by_priority_then_by_the_order_of_asking,
    one_that_panics_says_so_instead_of_standing_by_for_ever,
}
