//! Cancelling is final at once; what comes later is dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;
use trackscribe::clock::Clock;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::store::runs::{AttemptOutcome, RunStatus as Stored, TaskStatus};
use trackscribe::workflow::TaskError;

use crate::support::{Bench, Fan, gives, head, outcomes, registry, roomy, soon, step, task, tasks};

async fn e10_a_cancelled_run_is_over_at_once_and_a_late_result_is_dropped(bench: Bench) {
    let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stubborn = {
        let (began, ended) = (Arc::clone(&began), Arc::clone(&ended));
        task(move |_, _, _| {
            let (began, ended) = (Arc::clone(&began), Arc::clone(&ended));
            async move {
                began.notify_one();
                // Does not listen, and comes up with a result within the grace that it is given.
                tokio::time::sleep(Duration::from_millis(300)).await;
                ended.notify_one();
                Ok(json!({"late": true}))
            }
        })
    };
    let file = head("Two") + &step("first", &[], "") + &step("second", &["first"], "");
    let code = vec![("Two.first", stubborn), ("Two.second", gives(json!({})))];
    let engine = bench.engine(&registry(&[file], roomy(), code)).await;
    let run = engine.start("Two", json!({}), StartOptions::default()).await.unwrap();
    soon(began.notified()).await;
    let asked = Instant::now();
    engine.cancel(&run).await.unwrap();
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(1));
    soon(ended.notified()).await;
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!((outcome.status, outcome.output.len()), (RunStatus::Cancelled, 0));
    let store = bench.store().await;
    let tasks = tasks(&store, &run).await;
    assert_eq!(tasks["first"].status, TaskStatus::Cancelled);
    assert_eq!(tasks["second"].status, TaskStatus::Cancelled);
    assert_eq!(outcomes(&store, &run, "first").await, [Some(AttemptOutcome::Cancelled)]);
}

async fn another_process_may_cancel_and_children_stop_too(bench: Bench) {
    let (began, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let listens = {
        let (began, stopped) = (Arc::clone(&began), Arc::clone(&stopped));
        task(move |ctx, _, _| {
            let (began, stopped) = (Arc::clone(&began), Arc::clone(&stopped));
            async move {
                began.notify_one();
                ctx.cancellation().cancelled().await;
                stopped.notify_one();
                Err(TaskError::cancelled())
            }
        })
    };
    let files = [
        head("Parent") + &step("fan", &[], "fan_out = \"Child\"\nexecution_timeout = \"1h\""),
        head("Child") + &step("one", &[], ""),
    ];
    let code = vec![("Parent.fan", Fan::of(&["a"]).handler()), ("Child.one", listens)];
    let engine = bench.engine(&registry(&files, roomy(), code)).await;
    let run = engine.start("Parent", json!({}), StartOptions::default()).await.unwrap();
    soon(began.notified()).await;
    // A store of its own stands for another process: nothing but the database connects the two.
    let elsewhere = bench.store().await;
    let asked = Instant::now();
    assert!(elsewhere.cancel(&run, bench.clock.now()).await.unwrap());
    soon(stopped.notified()).await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let fan = tasks(&elsewhere, &run).await["fan"].id.clone();
    assert_eq!(elsewhere.children(&fan).await.unwrap()[0].status, Stored::Cancelled);
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    assert!(!elsewhere.cancel(&run, bench.clock.now()).await.unwrap(), "over is over");
}

async fn a_run_cancelled_while_a_retry_waits_is_over(bench: Bench) {
    let fails = task(|_, _, _| async { Err(TaskError::retryable("again")) });
    let file = head("One") + &step("only", &[], "");
    let engine = bench.engine(&registry(&[file], roomy(), vec![("One.only", fails)])).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    let until = bench.clock.now().plus(Duration::from_secs(2));
    crate::support::eventually(|| bench.clock.awaited().contains(&until)).await;
    engine.cancel(&run).await.unwrap();
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    assert_eq!(outcomes(&bench.store().await, &run, "only").await, [Some(AttemptOutcome::Failed)]);
}

on_both_databases! {
    e10_a_cancelled_run_is_over_at_once_and_a_late_result_is_dropped,
    another_process_may_cancel_and_children_stop_too,
    a_run_cancelled_while_a_retry_waits_is_over,
}
