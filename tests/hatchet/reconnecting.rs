//! Engines that go away and come back, and workers that die.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use trackscribe::engine::hatchet::HatchetError;
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::workflow::Registry;

use crate::double::Double;
use crate::support::*;

/// A task that begins, and ends when it is let.
fn gated(tally: &Tally) -> (Registry, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (tally, opened) = (tally.clone(), Arc::clone(&gate));
    let work = task(move |ctx, _, _| {
        let (count, gate) = (tally.add("began"), Arc::clone(&opened));
        async move {
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = ctx.cancellation().cancelled() => {}
            }
            Ok(json!({"count": count, "attempt": ctx.identity().attempt}))
        }
    });
    (registry(&[one("One", "")], slots(2), &[("One.a", work)]), gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_finished_while_the_engine_was_away_is_delivered() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    double.go_away();
    gate.add_permits(1);
    eventually(|| worker.snapshot().to_tell == 1).await;
    eventually(|| worker.snapshot().posts["io"].listening_since.is_none()).await;
    double.come_back().await;
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    assert_eq!((tally.of("began"), double.look(|state| state.registrations)), (1, 1));
    eventually(|| worker.snapshot().posts["io"].listening_since.is_some()).await;
    // And it takes new work.
    gate.add_permits(1);
    let next = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    assert_eq!(soon(engine.wait(&next)).await.unwrap().status, RunStatus::Completed);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_the_engine_forgot_registers_anew() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    eventually(|| worker.snapshot().posts["io"].listening_since.is_some()).await;
    double.look(|state| state.workers.clear());
    eventually(|| double.look(|state| state.workers.len() == 1 && state.registrations == 2)).await;
    gate.add_permits(1);
    assert_eq!(run(&engine, "One").await.1.status, RunStatus::Completed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e1_a_stream_that_is_dead_to_the_engine_is_opened_again() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    eventually(|| worker.snapshot().posts["io"].listening_since.is_some()).await;
    // The connection stays, heartbeats are answered: with a refusal.
    double.look(|state| state.cut_streams());
    gate.add_permits(1);
    assert_eq!(run(&engine, "One").await.1.status, RunStatus::Completed);
    assert_eq!(double.look(|state| state.registrations), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_workers_task_is_done_by_another() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let first = Process::start(&double, &registry, "first").await;
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    let second = Process::start(&double, &registry, "second").await;
    first.kill().await;
    double.lose("first-io");
    eventually(|| tally.of("began") == 2).await;
    gate.add_permits(1);
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["a"], json!({"attempt": 2, "count": 2}));
    // No retry was spent on it.
    assert_eq!(double.look(|state| state.view(run.as_str(), "a").spent), 0);
    second.worker.stop().await;
    second.kill().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_was_lost_in_a_broken_connection_is_given_back_and_made_again() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    gate.add_permits(2);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.faults(|faults| faults.lose_actions = 1);
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| double.look(|state| state.faults.lose_actions == 0)).await;
    double.go_away();
    eventually(|| worker.snapshot().posts["io"].listening_since.is_none()).await;
    double.come_back().await;
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["a"], json!({"count": 1, "attempt": 2}));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_was_given_to_another_meanwhile_is_dropped() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    double.go_away();
    // For so long that the engine thinks the worker lost.
    double.lose("toy-io");
    eventually(|| double.look(|state| state.view(run.as_str(), "a").retry_count == 1)).await;
    double.find();
    double.come_back().await;
    eventually(|| tally.of("began") == 2).await;
    eventually(|| worker.snapshot().counts.dropped == 1).await;
    gate.add_permits(1);
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["a"]["attempt"], 2);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e10_what_was_cancelled_while_nobody_listened_is_stopped_too() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, _gate) = gated(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    double.go_away();
    double.look(|state| state.cancel(run.as_str()));
    assert_eq!(worker.snapshot().tasks.len(), 1);
    double.come_back().await;
    eventually(|| worker.snapshot().counts.dropped == 1).await;
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_without_its_database_refuses_tokens_and_is_waited_for() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 1).await;
    double.faults(|faults| faults.refuse = true);
    gate.add_permits(1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    double.faults(|faults| faults.refuse = false);
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_from_the_start_ends_the_worker() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, _) = gated(&tally);
    double.faults(|faults| faults.refuse = true);
    let error = soon(try_worker(&double, &registry, options("toy"))).await.err().unwrap();
    assert!(matches!(error, HatchetError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("HATCHET_CLIENT_TOKEN"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_there_yet_is_waited_for() {
    let (double, tally) = (Double::start().await, Tally::default());
    let (registry, gate) = gated(&tally);
    double.go_away();
    let starting = {
        let (settings, registry) = (settings(&double), registry.clone());
        tokio::spawn(async move {
            let (connection, rest) = connect(settings).await;
            trackscribe::engine::hatchet::Worker::start(connection, rest, registry, options("toy"), clock()).await
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    double.come_back().await;
    let worker = soon(starting).await.unwrap().unwrap();
    let engine = client(&double, &registry).await;
    gate.add_permits(1);
    assert_eq!(run(&engine, "One").await.1.status, RunStatus::Completed);
    worker.stop().await;
}
