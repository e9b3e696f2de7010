//! The same against a real engine, when `HATCHET_CLIENT_TOKEN` is set. What it does that the double did not is a fix to
//! the double.
//!
//! The last two disturb the engine: they run only where `HATCHET_TEST_KILL`, `_START`, `_PAUSE` and `_RESUME` say how (shell
//! commands that kill and start it, and that stop and continue its PostgreSQL), and want to run alone.
//!
//! Slow: a real engine gives a lost worker's tasks to others after 30 s, and looks after retries every few seconds. Run it
//! with `cargo test --test hatchet real -- --test-threads 4`; `sizes.rs` and `measured.rs` have more, called `real_…`.

mod rates;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use trackscribe::engine::hatchet::rest::TaskState;
use trackscribe::engine::hatchet::{HatchetEngine, Pace, Rest, Settings, Worker, WorkerOptions};
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::failure::{Failure as _, FailureClass};
use trackscribe::ids::RunId;
use trackscribe::workflow::{LogLevel, Registry, TaskError};

use crate::support::*;

/// An engine, a client of it, and what its workers are given.
struct Real {
    settings: Settings,
    registry: Registry,
    engine: HatchetEngine,
    rest: Rest,
}

impl Real {
    /// `None` where there is no engine to test against.
    async fn with(registry: Registry) -> Option<Self> {
        let World { settings, .. } = World::real()?;
        let (connection, rest) = connect(settings.clone()).await;
        let engine = HatchetEngine::new(connection, rest.clone(), registry.definitions().clone(), clock());
        Some(Self { settings, registry, engine, rest })
    }

    async fn worker(&self, grace: Duration) -> Worker {
        let (connection, rest) = connect(self.settings.clone()).await;
        let options = WorkerOptions { grace, pace: Pace::default(), allow_foreign: true, ..options("real") };
        let worker = Worker::start(connection, rest, self.registry.clone(), options, clock()).await.unwrap();
        eventually(|| worker.snapshot().posts.values().all(|post| post.listening_since.is_some())).await;
        worker
    }

    async fn start(&self, workflow: &str) -> RunId {
        self.engine.start(workflow, json!({}), StartOptions::default()).await.unwrap()
    }

    async fn task(&self, run: &RunId, task: &str) -> trackscribe::engine::hatchet::rest::TaskSummary {
        for _ in 0..100 {
            if let Some(page) = self.rest.run(run.as_str()).await.unwrap()
                && let Some(found) = page.tasks.iter().find(|found| found.task() == Some(task))
                && found.status.is_final()
            {
                return found.clone();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the read side does not show {task} of {run}");
    }
}

async fn within<T>(seconds: u64, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), future).await.expect("took too long")
}

fn parent_and_child(parent: &str, child: &str) -> [String; 2] {
    let fan = format!("fan_out = \"{child}\"\nexecution_timeout = \"1h\"");
    [
        format!("{}{}", head(parent), step("fan", &[], &fan)),
        format!("{}{}", head(child), step("work", &[], "pool = \"speech\"\nretries = 0")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_seen_with_inputs_outputs_and_logs() {
    let name = fresh("RealChain");
    let file = format!("{}{}{}", head(&name), step("first", &[], ""), step("second", &["first"], ""));
    let first = task(|ctx, input, _| async move {
        for number in 0..20 {
            ctx.log(LogLevel::Info, format!("line {number}"));
        }
        Ok(json!({"got": input, "fraction": 0.1 + 0.2, "none": null, "whole": 1.0}))
    });
    let second = task(|_, _, parents| async move { Ok(json!({"parent": parents["first"]})) });
    let code = [(format!("{name}.first"), first), (format!("{name}.second"), second)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&[file], slots(2), &code)).await else { return };
    let lower = real.engine.start(&name.to_lowercase(), json!({}), StartOptions::default()).await.unwrap_err();
    assert!(lower.to_string().contains(&name), "{lower}");
    let worker = real.worker(Duration::from_secs(5)).await;
    let run = real.engine.start(&name, json!({"a": 1}), StartOptions::default()).await.unwrap();
    let outcome = within(60, real.engine.wait(&run)).await.unwrap();
    // The engine writes anew what it hands on and shows: what is made survives that to the byte.
    let made = json!({"fraction": 0.3, "got": {"a": 1}, "none": null, "whole": 1});
    assert_eq!(json!(outcome.output), json!({"first": made, "second": {"parent": made}}));
    assert_eq!(real.engine.status(&run).await.unwrap(), RunStatus::Completed);
    let shown = real.task(&run, "first").await;
    assert_eq!(shown.output, made);
    assert_eq!(shown.action_id.as_deref(), Some(format!("{}:first", name.to_lowercase()).as_str()));
    let lines = real.rest.task_logs(&shown.task_external_id).await.unwrap();
    let lines: Vec<&str> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, (0..20).map(|number| format!("line {number}")).collect::<Vec<_>>());
    assert!(
        real.rest
            .task_events(&shown.task_external_id)
            .await
            .unwrap()
            .iter()
            .any(|event| event.event_type == "FINISHED")
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_retried_or_not_and_the_on_failure_task_hears_of_them() {
    let (name, tally) = (fresh("RealFailing"), Tally::default());
    let on_failure = "[on_failure]\nname = \"mourn\"\npool = \"io\"\n";
    let file = format!("{}{}{on_failure}", head(&name), step("a", &[], "retries = 1"));
    let (counts, began) = (tally.clone(), Arc::new(std::sync::Mutex::new(Vec::new())));
    let times = Arc::clone(&began);
    let failing = task(move |_, _, _| {
        times.lock().unwrap().push(Instant::now());
        let count = counts.add("a");
        async move {
            Err::<Value, _>(if count == 1 {
                TaskError::retryable("no answer")
            } else {
                TaskError::permanent("no such track")
            })
        }
    });
    let counts = tally.clone();
    let mourn = task(move |ctx, _, _| {
        counts.add("mourn");
        let error = ctx.task_run_errors()[0].clone();
        async move { Ok(json!({"task": error.task, "message": error.message, "class": error.class})) }
    });
    let code = [(format!("{name}.a"), failing), (format!("{name}.mourn"), mourn)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&[file], slots(2), &code)).await else { return };
    let worker = real.worker(Duration::from_secs(5)).await;
    let run = real.start(&name).await;
    let outcome = within(120, real.engine.wait(&run)).await.unwrap();
    let failure = outcome.failure.unwrap();
    assert_eq!((failure.task.as_deref(), failure.class), (Some("a"), FailureClass::Permanent));
    assert_eq!((failure.message.as_str(), tally.of("a"), tally.of("mourn")), ("no such track", 2, 1));
    let began = began.lock().unwrap().clone();
    // How much later is measured elsewhere: an engine that was idle takes half a minute to wake up.
    assert!(began[1] - began[0] >= Duration::from_secs(2));
    let told = real.task(&run, "mourn").await;
    assert_eq!(told.output, json!({"class": "permanent", "message": "no such track", "task": "a"}));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_parents_with_four_children_each_on_few_slots_complete() {
    let (parent, child, tally) = (fresh("RealParent"), fresh("RealChild"), Tally::default());
    let counts = tally.clone();
    let work = task(move |ctx, _, _| {
        let key = ctx.identity().child_key.clone().unwrap();
        counts.add(&key);
        async move { Ok(json!({"key": key, "root": ctx.identity().root_run})) }
    });
    let fan = Fan::of(&["t000", "t001", "t002", "t003"]).handler();
    let code = [(format!("{parent}.fan"), fan), (format!("{child}.work"), work)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&parent_and_child(&parent, &child), slots(4), &code)).await else { return };
    let worker = real.worker(Duration::from_secs(5)).await;
    let began = Instant::now();
    let runs = futures::future::join_all((0..20).map(|_| async {
        let run = real.start(&parent).await;
        (run.clone(), within(120, real.engine.wait(&run)).await.unwrap())
    }))
    .await;
    eprintln!("20 × 4 children: {:?}", began.elapsed());
    for (run, outcome) in &runs {
        assert_eq!(outcome.output["fan"]["children"]["t003"]["work"], json!({"key": "t003", "root": run}));
    }
    assert_eq!(tally.of("t000"), 20);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_parent_joins_its_children_and_a_lost_child_is_made_anew() {
    let (parent, child, tally) = (fresh("RealRetried"), fresh("RealJoined"), Tally::default());
    let counts = tally.clone();
    let work = task(move |ctx, _, _| {
        let key = ctx.identity().child_key.clone().unwrap();
        let count = counts.add(&key);
        async move {
            if key == "t001" && count == 1 { Err(TaskError::permanent("unreadable")) } else { Ok(json!({"key": key})) }
        }
    });
    let fails_once = |attempt| if attempt == 2 { Err(TaskError::retryable("collecting failed")) } else { Ok(()) };
    let fan = Fan { collected: fails_once, ..Fan::of(&["t000", "t001"]) }.handler();
    let code = [(format!("{parent}.fan"), fan), (format!("{child}.work"), work)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&parent_and_child(&parent, &child), slots(4), &code)).await else { return };
    let worker = real.worker(Duration::from_secs(5)).await;
    let run = real.start(&parent).await;
    let outcome = within(60, real.engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.failure.unwrap().task.as_deref(), Some("fan[t001]/work"));
    real.task(&run, "fan").await;
    real.engine.resume(&run).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let outcome = within(120, real.engine.wait(&run)).await.unwrap();
    assert_eq!((outcome.status, tally.of("t000"), tally.of("t001")), (RunStatus::Completed, 1, 2));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_a_run_stops_it_and_its_children() {
    let (parent, child, tally) = (fresh("RealCancelled"), fresh("RealOrphan"), Tally::default());
    let counts = tally.clone();
    let work = task(move |ctx, _, _| {
        counts.add("began");
        let counts = counts.clone();
        async move {
            ctx.cancellation().cancelled().await;
            counts.add("stopped");
            Err(TaskError::cancelled())
        }
    });
    let code = [(format!("{parent}.fan"), Fan::of(&["a", "b"]).handler()), (format!("{child}.work"), work)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&parent_and_child(&parent, &child), slots(4), &code)).await else { return };
    let worker = real.worker(Duration::from_secs(5)).await;
    let run = real.start(&parent).await;
    eventually(|| tally.of("began") == 2).await;
    let asked = Instant::now();
    real.engine.cancel(&run).await.unwrap();
    eventually(|| tally.of("stopped") == 2).await;
    eprintln!("cancelled after {:?}", asked.elapsed());
    assert_eq!(within(60, real.engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopping_worker_can_not_finish_another_does_without_a_retry_spent() {
    let (name, tally, gate) = (fresh("RealStopping"), Tally::default(), Arc::new(Semaphore::new(0)));
    let (counts, opened) = (tally.clone(), Arc::clone(&gate));
    let work = task(move |ctx, _, _| {
        counts.add("began");
        let gate = Arc::clone(&opened);
        async move {
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = ctx.cancellation().cancelled() => {}
            }
            Ok(json!({"attempt": ctx.identity().attempt}))
        }
    });
    let file = format!("{}{}", head(&name), step("a", &[], "retries = 0"));
    let code = [(format!("{name}.a"), work)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&[file], slots(2), &code)).await else { return };
    let first = real.worker(Duration::from_millis(100)).await;
    let run = real.start(&name).await;
    eventually(|| tally.of("began") == 1).await;
    first.stop().await;
    drop(first);
    let second = real.worker(Duration::from_secs(5)).await;
    let waited = Instant::now();
    within(120, async {
        while tally.of("began") < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    eprintln!("taken over after {:?}", waited.elapsed());
    gate.add_permits(1);
    let outcome = within(60, real.engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["a"], json!({"attempt": 2}));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_twice_gives_the_same_run() {
    let (name, gate) = (fresh("RealTwice"), Arc::new(Semaphore::new(0)));
    let opened = Arc::clone(&gate);
    let work = task(move |_, _, _| {
        let gate = Arc::clone(&opened);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(json!({}))
        }
    });
    let concurrency = "[concurrency]\nkey = \"input.transcript_id\"\nmax_runs = 1\n";
    let file = format!("{}{concurrency}{}", head(&name), step("a", &[], ""));
    let code = [(format!("{name}.a"), work)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&[file], slots(2), &code)).await else { return };
    let worker = real.worker(Duration::from_secs(5)).await;
    let ask = |transcript: &'static str| {
        let options = StartOptions { dedupe_key: Some(format!("recording:{transcript}")), ..StartOptions::default() };
        real.engine.start(&name, json!({"transcript_id": transcript}), options)
    };
    // At once, so that the read side can't know yet.
    let (first, second) = tokio::join!(ask("x"), ask("x"));
    assert_eq!(first.as_ref().unwrap(), second.as_ref().unwrap());
    let other = ask("y").await.unwrap();
    assert_ne!(&other, first.as_ref().unwrap());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ask("x").await.unwrap(), first.unwrap());
    // Started by others, who know no key, and without what the rule asks for.
    let plain = real.engine.start(&name, json!({}), StartOptions::default()).await.unwrap();
    gate.add_permits(3);
    assert_eq!(within(60, real.engine.wait(&other)).await.unwrap().status, RunStatus::Completed);
    let plain = within(60, real.engine.wait(&plain)).await.unwrap();
    eprintln!("a run without what its concurrency rule asks for: {:?}", plain.status);
    worker.stop().await;
    assert!(TaskState::Completed.is_final());
}

/// Does what a variable says; `None` where it says nothing.
fn command(name: &str) -> Option<()> {
    let command = std::env::var(format!("HATCHET_TEST_{name}")).ok().filter(|command| !command.is_empty())?;
    let status = std::process::Command::new("sh").arg("-c").arg(&command).status().unwrap();
    assert!(status.success(), "{command}");
    Some(())
}

/// A parent whose children are under way while something happens to the engine: each child's work is done once.
async fn survives(name: &str, mishap: impl AsyncFnOnce()) {
    let (parent, child, tally) = (fresh(name), fresh("RealSlow"), Tally::default());
    let gate = Arc::new(Semaphore::new(0));
    let (counts, opened) = (tally.clone(), Arc::clone(&gate));
    let work = task(move |ctx, _, _| {
        let key = ctx.identity().child_key.clone().unwrap();
        counts.add(&key);
        let (counts, gate) = (counts.clone(), Arc::clone(&opened));
        async move {
            if gate.acquire().await.is_ok() {
                counts.add("done");
            }
            Ok(json!({"key": key}))
        }
    });
    let code = [(format!("{parent}.fan"), Fan::of(&["a", "b", "c"]).handler()), (format!("{child}.work"), work)];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let Some(real) = Real::with(registry(&parent_and_child(&parent, &child), slots(4), &code)).await else { return };
    let worker = real.worker(Duration::from_secs(5)).await;
    let run = real.start(&parent).await;
    within(180, async {
        while tally.of("a") + tally.of("b") + tally.of("c") < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    mishap().await;
    // Some end while the engine is away or just back.
    gate.close();
    let began = Instant::now();
    let waited = async {
        loop {
            match real.engine.wait(&run).await {
                Ok(outcome) => return outcome,
                // Not back yet.
                Err(error) => assert_eq!(error.class(), FailureClass::Retryable, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let outcome = within(180, waited).await;
    eprintln!("{name}: over {:?} later, {:?}", began.elapsed(), worker.snapshot().counts);
    assert_eq!(outcome.status, RunStatus::Completed);
    assert!(["a", "b", "c"].iter().all(|key| tally.of(key) == 1));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_an_engine_that_is_killed_and_started_again_is_found_again() {
    if std::env::var_os("HATCHET_TEST_KILL").is_some() {
        survives("RealKilled", async || {
            command("KILL");
            tokio::time::sleep(Duration::from_secs(8)).await;
            command("START");
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_an_engine_whose_database_stands_still_for_20_seconds_is_waited_for() {
    if std::env::var_os("HATCHET_TEST_PAUSE").is_some() {
        survives("RealPaused", async || {
            command("PAUSE");
            tokio::time::sleep(Duration::from_secs(20)).await;
            command("RESUME");
        })
        .await;
    }
}
