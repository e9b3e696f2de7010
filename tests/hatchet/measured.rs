//! What has to be measured: waits before retries, what a cancelled task still costs, a process that is killed. The double
//! has no time of its own, so the first and the last need a real engine.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::workflow::{Registry, TaskError};

use crate::double::Double;
use crate::support::*;

/// When attempts of a task began and ended.
type Attempts = Arc<Mutex<Vec<(Instant, Instant)>>>;

/// A task that works for so long, and fails as often.
fn failing(attempts: &Attempts, works: Duration, fails: usize) -> trackscribe::workflow::Handler {
    let attempts = Arc::clone(attempts);
    task(move |ctx, _, _| {
        let attempts = Arc::clone(&attempts);
        async move {
            let began = Instant::now();
            if ctx.identity().attempt == 1 {
                tokio::time::sleep(works).await;
            }
            let mut attempts = attempts.lock().unwrap();
            attempts.push((began, Instant::now()));
            if attempts.len() <= fails { Err(TaskError::retryable("no answer")) } else { Ok(json!({})) }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_retries_come_never_earlier_than_declared_and_soon_after() {
    let Some(world) = World::real() else { return };
    let name = fresh("RealRetries");
    // While the first works, the engine stops looking at its queue often.
    let file = format!("{}{}{}", head(&name), step("long", &[], ""), step("quick", &["long"], ""));
    let (long, quick) = (Attempts::default(), Attempts::default());
    let long_work = failing(&long, Duration::from_secs(75), 1);
    let code = [(format!("{name}.long"), long_work), (format!("{name}.quick"), failing(&quick, Duration::ZERO, 3))];
    let code: Vec<_> = code.iter().map(|(task, code)| (task.as_str(), code.clone())).collect();
    let registry = registry(&[file], slots(2), &code);
    let worker = world.worker(&registry, |_| {}).await;
    let (engine, _) = world.engine(&registry).await;
    let run = engine.start(&name, json!({}), StartOptions::default()).await.unwrap();
    assert_eq!(world.within(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    for (task, attempts, retries) in [("long", &long, 1), ("quick", &quick, 3)] {
        let attempts = attempts.lock().unwrap().clone();
        let waits: Vec<Duration> = attempts.windows(2).map(|pair| pair[1].0 - pair[0].1).collect();
        eprintln!("{task}: retries after {waits:?}");
        assert_eq!(waits.len(), retries);
        for (waited, declared) in waits.iter().zip([2, 4, 8].map(Duration::from_secs)) {
            assert!(*waited >= declared && *waited <= declared + Duration::from_secs(30), "{task}: {waits:?}");
        }
    }
    worker.stop().await;
}

/// Nanoseconds that this thread has computed.
fn computed() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

/// A task that computes until it is told to stop computes no second more when its run is cancelled.
async fn cancelled_work_stops(world: &World) {
    let name = fresh("Computing");
    let (spent, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counter, over) = (Arc::clone(&spent), Arc::clone(&is_over));
    let work = task(move |ctx, _, _| {
        let (counter, over) = (Arc::clone(&counter), Arc::clone(&over));
        async move {
            let computing = tokio::task::spawn_blocking(move || {
                while !ctx.cancellation().is_cancelled() {
                    counter.store(computed(), Ordering::SeqCst);
                }
                counter.store(computed(), Ordering::SeqCst);
                over.store(true, Ordering::SeqCst);
            });
            computing.await.unwrap();
            Ok::<Value, _>(json!({}))
        }
    });
    let code = [(format!("{name}.a"), work)];
    let registry = registry(&[one(&name, "")], slots(1), &[(code[0].0.as_str(), code[0].1.clone())]);
    let worker = world.worker(&registry, |_| {}).await;
    let (engine, _) = world.engine(&registry).await;
    let run = engine.start(&name, json!({}), StartOptions::default()).await.unwrap();
    world
        .within(async {
            while spent.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    let before = spent.load(Ordering::SeqCst);
    engine.cancel(&run).await.unwrap();
    eventually(|| is_over.load(Ordering::SeqCst)).await;
    let more = Duration::from_nanos(spent.load(Ordering::SeqCst) - before);
    eprintln!("a cancelled task computed for {more:?} more");
    assert!(more < Duration::from_secs(1), "{more:?}");
    assert_eq!(world.within(engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_task_computes_no_second_more() {
    cancelled_work_stops(&World::of(&Double::start().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_a_cancelled_task_computes_no_second_more() {
    let Some(world) = World::real() else { return };
    cancelled_work_stops(&world).await;
}

/// What the process that is killed is told: the workflow's name, and the file in which it says that it has begun.
const ROLE: &str = "HATCHET_TEST_ROLE";

/// A task without retries: in the process that is to be killed it never ends.
fn killed_or_done(name: &str, begun: Option<String>) -> Registry {
    let work = task(move |ctx, _, _| {
        let begun = begun.clone();
        async move {
            if let Some(begun) = begun {
                std::fs::write(begun, "begun").unwrap();
                std::future::pending::<()>().await;
            }
            Ok(json!({"attempt": ctx.identity().attempt}))
        }
    });
    let code = [(format!("{name}.a"), work)];
    registry(&[one(name, "retries = 0")], slots(1), &[(code[0].0.as_str(), code[0].1.clone())])
}

/// No test: the other process of the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_of_the_process_that_is_killed() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (name, begun) = role.split_once(' ').unwrap();
    let world = World::real().unwrap();
    let _worker = world.worker(&killed_or_done(name, Some(begun.to_owned())), |_| {}).await;
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_a_killed_processs_task_is_done_by_another_without_a_retry_spent() {
    let Some(world) = World::real() else { return };
    let (name, folder) = (fresh("RealSigkill"), tempfile::tempdir().unwrap());
    let begun = folder.path().join("begun");
    let registry = killed_or_done(&name, None);
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "measured::role_of_the_process_that_is_killed"])
        .env(ROLE, format!("{name} {}", begun.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (engine, _) = world.engine(&registry).await;
    let run = world
        .within(async {
            loop {
                // Until that process has registered the workflow.
                match engine.start(&name, json!({}), StartOptions::default()).await {
                    Ok(run) => break run,
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        })
        .await;
    world
        .within(async {
            while !begun.exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    // SIGKILL.
    process.kill().unwrap();
    process.wait().unwrap();
    let killed = Instant::now();
    let worker = world.worker(&registry, |_| {}).await;
    let outcome = world.within(engine.wait(&run)).await.unwrap();
    eprintln!("a killed process's task was done {:?} later", killed.elapsed());
    assert_eq!((outcome.status, &outcome.output["a"]), (RunStatus::Completed, &json!({"attempt": 2})));
    worker.stop().await;
}
