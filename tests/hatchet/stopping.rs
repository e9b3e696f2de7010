//! Stopping in order.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use trackscribe::engine::hatchet::WorkerOptions;
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::workflow::Registry;

use crate::double::Double;
use crate::support::*;

fn gated(tally: &Tally) -> (Registry, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (tally, opened) = (tally.clone(), Arc::clone(&gate));
    let work = task(move |ctx, _, _| {
        tally.add("began");
        let gate = Arc::clone(&opened);
        async move {
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = ctx.cancellation().cancelled() => {}
            }
            Ok(json!({}))
        }
    });
    (registry(&[one("One", "")], slots(2), &[("One.a", work)]), gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_be_finished_in_time_is_and_nothing_more_is_taken() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let worker = Arc::new(worker(&double, &registry).await);
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    let stopping = tokio::spawn({
        let worker = Arc::clone(&worker);
        async move { worker.stop().await }
    });
    eventually(|| double.look(|state| state.workers.values().all(|worker| worker.is_paused))).await;
    let later = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    gate.add_permits(1);
    soon(stopping).await.unwrap();
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    assert_eq!((tally.of("began"), engine.status(&later).await.unwrap()), (1, RunStatus::Queued));
    assert_eq!(double.look(|state| state.unsubscribed.len()), 1);
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e4_what_can_not_be_finished_goes_to_another_worker_without_a_retry_spent() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let engine = client(&double, &registry).await;
    let hurried = || WorkerOptions { grace: Duration::from_millis(50), ..options("toy") };
    let first = soon(try_worker(&double, &registry, hurried())).await.unwrap();
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    // Stopped three times in one long task.
    let mut worker = first;
    for stops in 1..=3 {
        eventually(|| tally.of("began") == stops).await;
        soon(worker.stop()).await;
        drop(worker);
        worker = soon(try_worker(&double, &registry, hurried())).await.unwrap();
    }
    eventually(|| tally.of("began") == 4).await;
    gate.add_permits(1);
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    let task = double.look(|state| state.view(run.as_str(), "a"));
    assert_eq!((task.spent, task.retry_count, task.outcomes.len()), (0, 3, 1));
    soon(worker.stop()).await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e4_stopping_ends_in_time_though_the_engine_does_not_answer() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, _gate) = gated(&tally);
    let hurried = WorkerOptions { grace: Duration::from_millis(50), ..options("toy") };
    let worker = soon(try_worker(&double, &registry, hurried)).await.unwrap();
    let engine = client(&double, &registry).await;
    engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    double.faults(|faults| faults.no_rest = true);
    double.go_away();
    let began = tokio::time::Instant::now();
    soon(worker.stop()).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}
