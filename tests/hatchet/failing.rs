//! Failures, retries, the on-failure task, cancelling.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::failure::FailureClass;
use trackscribe::workflow::{Handler, Registry, TaskError};

use crate::double::Double;
use crate::support::*;

const ON_FAILURE: &str = "[on_failure]\nname = \"mourn\"\npool = \"io\"\n";

/// A task that fails with this error until it was tried so often.
fn fails(tally: &Tally, error: TaskError, times: u32) -> Handler {
    let tally = tally.clone();
    task(move |_, _, _| {
        let (count, error) = (tally.add("a"), error.clone());
        async move { if count <= times { Err(error) } else { Ok(json!({"tries": count})) } }
    })
}

fn mourned(tally: &Tally, failing: Handler) -> Registry {
    let tally = tally.clone();
    let mourn = task(move |ctx, _, _| {
        tally.add("mourn");
        let errors: Vec<Value> = ctx
            .task_run_errors()
            .iter()
            .map(|error| json!({"task": error.task, "message": error.message, "class": error.class}))
            .collect();
        async move { Ok(json!({"errors": errors})) }
    });
    let file = format!("{}{ON_FAILURE}", one("One", ""));
    registry(&[file], slots(2), &[("One.a", failing), ("One.mourn", mourn)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permanent_failure_is_not_tried_again_and_the_on_failure_task_runs_once() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = mourned(&tally, fails(&tally, TaskError::permanent("no such recording"), 9));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, outcome) = run(&engine, "One").await;
    let failure = outcome.failure.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!((failure.task.as_deref(), failure.class), (Some("a"), FailureClass::Permanent));
    assert_eq!(failure.message, "no such recording");
    assert_eq!((tally.of("a"), tally.of("mourn")), (1, 1));
    let told = double.look(|state| state.view(run_id.as_str(), "mourn").output.unwrap());
    assert_eq!(told, json!({"errors": [{"task": "a", "message": "no such recording", "class": "permanent"}]}));
    // People see the message first.
    let shown = double.look(|state| state.view(run_id.as_str(), "a").error.unwrap());
    assert_eq!(shown, "no such recording\n[permanent]");
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retryable_failure_is_tried_again_never_earlier_than_declared() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = mourned(&tally, fails(&tally, TaskError::retryable("no answer"), 2));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, outcome) = run(&engine, "One").await;
    assert_eq!((outcome.status, tally.of("a"), tally.of("mourn")), (RunStatus::Completed, 3, 0));
    assert_eq!(outcome.output["a"], json!({"tries": 3}));
    let (sent, second) = double.look(|state| (state.view(run_id.as_str(), "a").sent, state.tempo.second));
    assert!(sent[1] - sent[0] >= second * 2 && sent[2] - sent[1] >= second * 4, "{sent:?}");
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_the_engine_overlooks_is_asked_for_and_nothing_else_comes_of_that() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = mourned(&tally, fails(&tally, TaskError::retryable("no answer"), 1));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.faults(|faults| faults.idle_queues = true);
    let (run_id, outcome) = run(&engine, "One").await;
    assert_eq!((outcome.status, tally.of("a"), tally.of("mourn")), (RunStatus::Completed, 2, 0));
    assert_eq!(double.look(|state| state.view(run_id.as_str(), "a").spent), 1);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_stops_the_work_within_a_second_and_nothing_is_told_of_it() {
    let double = Double::start().await;
    let (began, stopped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (b, s) = (Arc::clone(&began), Arc::clone(&stopped));
    let work = task(move |ctx, _, _| {
        let (began, stopped) = (Arc::clone(&b), Arc::clone(&s));
        async move {
            began.store(true, Ordering::SeqCst);
            ctx.cancellation().cancelled().await;
            stopped.store(true, Ordering::SeqCst);
            Ok(json!({"late": true}))
        }
    });
    let registry = registry(&[one("One", "")], slots(1), &[("One.a", work)]);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| began.load(Ordering::SeqCst)).await;
    let asked = tokio::time::Instant::now();
    engine.cancel(&run).await.unwrap();
    eventually(|| stopped.load(Ordering::SeqCst)).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    eventually(|| worker.snapshot().counts.dropped == 1).await;
    assert!(double.look(|state| state.view(run.as_str(), "a").outcomes.is_empty()));
    // Cancelling what is over changes nothing.
    engine.cancel(&run).await.unwrap();
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_run_is_taken_up_again_where_it_failed() {
    let (double, tally) = (Double::start().await, Tally::default());
    let file = format!("{}{}{}", head("Two"), step("a", &[], ""), step("b", &["a"], ""));
    let counts = tally.clone();
    let first = task(move |_, _, _| {
        counts.add("first");
        async { Ok(json!({})) }
    });
    let second = fails(&tally, TaskError::permanent("wrong settings"), 1);
    let registry = registry(&[file], slots(1), &[("Two.a", first), ("Two.b", second)]);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, outcome) = run(&engine, "Two").await;
    assert_eq!(outcome.status, RunStatus::Failed);
    engine.resume(&run_id).await.unwrap();
    let outcome = soon(engine.wait(&run_id)).await.unwrap();
    assert_eq!((outcome.status, tally.of("first"), tally.of("a")), (RunStatus::Completed, 1, 2));
    worker.stop().await;
    double.assert_no_violation();
}
