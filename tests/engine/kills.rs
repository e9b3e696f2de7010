//! Killed at every moment: whatever the engine was about to do, the next one ends the run with the same result, and what
//! was completed is not done again.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use trackscribe::clock::{Clock, ManualClock, SystemClock, Timestamp};
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::store::Database;
use trackscribe::store::runs::{AttemptOutcome, RunFilter, RunStore, TaskStatus};
use trackscribe::workflow::{Handler, Registry, TaskError};

use crate::support::{Bench, Fan, head, registry, roomy, soon, step, task};

/// A family of tasks, each of which takes a moment; one fails the first time it is ever tried.
fn family(moment: Duration, retries_seen: &Arc<AtomicU32>) -> Registry {
    let works = |name: &'static str| -> Handler {
        task(move |ctx, input, parents| async move {
            ctx.log(trackscribe::workflow::LogLevel::Info, "working");
            tokio::time::sleep(moment).await;
            Ok(json!({"name": name, "child": ctx.identity().child_key, "input": input, "parents": parents}))
        })
    };
    let flaky = {
        let seen = Arc::clone(retries_seen);
        task(move |_, _, _| {
            let first = seen.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { Err(TaskError::retryable("the first time")) } else { Ok(json!({})) } }
        })
    };
    let files = [
        head("Parent")
            + &step("before", &[], "")
            + &step("flaky", &["before"], "backoff_factor = 1")
            + &step("fan", &["before"], "fan_out = \"Child\"\nexecution_timeout = \"1h\"")
            + &step("after", &["fan", "flaky"], ""),
        head("Child") + &step("zero", &[], "") + &step("one", &["zero"], ""),
    ];
    let code = vec![
        ("Parent.before", works("before")),
        ("Parent.flaky", flaky),
        ("Parent.fan", Fan::of(&["a", "b"]).handler()),
        ("Parent.after", works("after")),
        ("Child.zero", works("zero")),
        ("Child.one", works("one")),
    ];
    registry(&files, roomy(), code)
}

/// The completed tasks of all runs: run and task.
async fn completed(store: &RunStore) -> BTreeSet<(String, String)> {
    let mut completed = BTreeSet::new();
    for run in store.list(&RunFilter { children: true, ..RunFilter::default() }, 100).await.unwrap() {
        for task in store.task_runs(&run.id).await.unwrap() {
            if task.status == TaskStatus::Completed {
                completed.insert((run.id.to_string(), task.task));
            }
        }
    }
    completed
}

/// One parent and two children; each task has one completed attempt, its last.
async fn check_rows(store: &RunStore) {
    let runs = store.list(&RunFilter { children: true, ..RunFilter::default() }, 100).await.unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        for task in store.task_runs(&run.id).await.unwrap() {
            let attempts = store.attempts(&task.id).await.unwrap();
            let done = attempts.iter().filter(|attempt| attempt.outcome == Some(AttemptOutcome::Completed)).count();
            assert_eq!((task.status, done), (TaskStatus::Completed, 1), "{}", task.task);
            assert_eq!(attempts.last().unwrap().outcome, Some(AttemptOutcome::Completed), "{}", task.task);
            assert!(attempts.iter().all(|attempt| attempt.finished_at.is_some()));
        }
    }
}

/// A clock that stops the world when it is read for the `fatal`th time. The engine reads the clock at each of its writes.
struct FatalClock {
    inner: ManualClock,
    reads: AtomicI64,
    fatal: i64,
    dead: AtomicBool,
    released: Mutex<bool>,
    release: Condvar,
}

#[async_trait]
impl Clock for FatalClock {
    fn now(&self) -> Timestamp {
        if self.reads.fetch_add(1, Ordering::SeqCst) + 1 >= self.fatal {
            self.dead.store(true, Ordering::SeqCst);
            let released = self.released.lock().unwrap();
            drop(self.release.wait_while(released, |released| !*released).unwrap());
            panic!("killed");
        }
        self.inner.now()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.inner.sleep_until(until).await;
    }
}

/// Runs the family until the clock has been read `fatal` times or the run is over; gives how often it was read.
async fn until_killed(bench: &Bench, registry: &Registry, fatal: i64) -> i64 {
    let clock = Arc::new(FatalClock {
        inner: bench.clock.clone(),
        reads: AtomicI64::new(0),
        fatal,
        dead: AtomicBool::new(false),
        released: Mutex::new(false),
        release: Condvar::new(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    let work = {
        let (database, registry, clock) = (bench.database().await, registry.clone(), Arc::clone(&clock));
        runtime.spawn(async move {
            let engine = EmbeddedEngine::open(&database, registry, clock).await.unwrap();
            let run = engine.start("Parent", json!({}), StartOptions::default()).await.unwrap();
            let outcome = engine.wait(&run).await.unwrap();
            assert_eq!(outcome.status, RunStatus::Completed);
            engine.shutdown().await;
        })
    };
    let over = async {
        while !work.is_finished() && !clock.dead.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    bench.flying(soon(over)).await;
    let reads = clock.reads.load(Ordering::SeqCst);
    // Stops being polled at once; what hangs in the clock never gets further.
    runtime.shutdown_background();
    *clock.released.lock().unwrap() = true;
    clock.release.notify_all();
    reads
}

/// Opens the database again, as soon as what was killed has let go of it, and brings the run to its end.
async fn bring_to_its_end(bench: &Bench, registry: &Registry) -> Value {
    let database = bench.database().await;
    let engine = loop {
        match EmbeddedEngine::open(&database, registry.clone(), bench.shared_clock()).await {
            Ok(engine) => break engine,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let run = match bench.store().await.list(&RunFilter::default(), 10).await.unwrap().pop() {
        Some(run) => run.id,
        None => engine.start("Parent", json!({}), StartOptions::default()).await.unwrap(),
    };
    let outcome = bench.flying(soon(engine.wait(&run))).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    engine.shutdown().await;
    Value::Object(outcome.output)
}

async fn a_kill_at_any_write_changes_nothing_about_the_result(bench: Bench) {
    // Killed threads panic on their way out; that is no news.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&"killed") {
            hook(panic);
        }
    }));
    let undisturbed = &bench;
    let registry = family(Duration::ZERO, &Arc::default());
    let reads = until_killed(undisturbed, &registry, i64::MAX).await;
    let expected = bring_to_its_end(undisturbed, &registry).await;
    assert!(reads > 30, "{reads}");
    for fatal in 1..reads {
        let bench = bench.another().await;
        let registry = family(Duration::ZERO, &Arc::default());
        until_killed(&bench, &registry, fatal).await;
        let store = bench.store().await;
        let before = completed(&store).await;
        let attempts_before = count_attempts(&store, &before).await;
        assert_eq!(bring_to_its_end(&bench, &registry).await, expected, "killed at reading {fatal}");
        assert_eq!(count_attempts(&store, &before).await, attempts_before, "killed at reading {fatal}");
        check_rows(&store).await;
    }
}

async fn count_attempts(store: &RunStore, of: &BTreeSet<(String, String)>) -> usize {
    let mut attempts = 0;
    for (run, task) in of {
        let tasks = store.task_runs(&run.parse().unwrap()).await.unwrap();
        let task = tasks.iter().find(|record| record.task == *task).unwrap();
        attempts += store.attempts(&task.id).await.unwrap().len();
    }
    attempts
}

/// The database that a killed process works on; set for such a process only.
const DATABASE: &str = "TOY_PROCESS_DATABASE";

/// Not a test: what the test below starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process to be killed by another test"]
async fn process_to_be_killed() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    // The flaky task never fails here: its wait would be a real second.
    let registry = family(Duration::from_millis(8), &Arc::new(AtomicU32::new(1)));
    let engine = EmbeddedEngine::open(&database, registry, Arc::new(SystemClock)).await.unwrap();
    let run = match RunStore::new(database).list(&RunFilter::default(), 10).await.unwrap().pop() {
        Some(run) => run.id,
        None => engine.start("Parent", json!({}), StartOptions::default()).await.unwrap(),
    };
    assert_eq!(engine.wait(&run).await.unwrap().status, RunStatus::Completed);
    engine.shutdown().await;
}

async fn a_process_killed_again_and_again_ends_with_the_same_result(bench: Bench) {
    let process = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["kills::process_to_be_killed", "--exact", "--ignored"])
            .env(DATABASE, bench.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut kills = 0;
    for patience in (5..).step_by(5) {
        let mut child = process();
        tokio::time::sleep(Duration::from_millis(patience)).await;
        match child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success());
                break;
            }
            None => {
                // SIGKILL.
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
            }
        }
    }
    assert!(kills > 3, "{kills}");
    let store = bench.store().await;
    check_rows(&store).await;
    let runs = store.list(&RunFilter::default(), 10).await.unwrap();
    let undisturbed = bench.another().await;
    let registry = family(Duration::ZERO, &Arc::new(AtomicU32::new(1)));
    let expected = bring_to_its_end(&undisturbed, &registry).await;
    let outputs = store.outputs(&runs[0].id).await.unwrap();
    let outputs: serde_json::Map<String, Value> =
        outputs.into_iter().map(|(task, json)| (task, serde_json::from_str(&json).unwrap())).collect();
    assert_eq!(Value::Object(outputs), expected);
}

on_both_databases! {
    a_kill_at_any_write_changes_nothing_about_the_result,
    a_process_killed_again_and_again_ends_with_the_same_result,
}
