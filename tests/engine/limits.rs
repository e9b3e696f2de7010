//! Retries, time-outs and slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use trackscribe::engine::embedded::Happening;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::failure::FailureClass;
use trackscribe::store::runs::AttemptOutcome::{Completed, Failed, TimedOut};
use trackscribe::workflow::{Handler, Pool, TaskError};

use crate::support::{Bench, attempts, head, outcomes, registry, roomy, soon, step, task};

fn one(more: &str, handler: Handler) -> trackscribe::workflow::Registry {
    registry(&[head("One") + &step("only", &[], more)], roomy(), vec![("One.only", handler)])
}

/// Fails as `error` says until the attempt of this number.
fn succeeds_at(attempt: u32, error: fn(&str) -> TaskError) -> Handler {
    task(move |ctx, _, _| async move {
        if ctx.identity().attempt < attempt { Err(error("not yet")) } else { Ok(json!({"at": ctx.identity().attempt})) }
    })
}

fn hangs() -> Handler {
    task(|ctx, _, _| async move {
        ctx.cancellation().cancelled().await;
        Err(TaskError::cancelled())
    })
}

async fn a_retry_waits_for_its_backoff_on_the_clock(bench: Bench) {
    let registry = one("backoff_max = \"5s\"", succeeds_at(4, |text| TaskError::retryable(text)));
    let engine = bench.engine(&registry).await;
    let mut events = engine.subscribe();
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    for seconds in [2, 4, 5] {
        bench.pass(Duration::from_secs(seconds)).await;
    }
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["only"], json!({"at": 4}));
    let store = bench.store().await;
    assert_eq!(outcomes(&store, &run, "only").await, [Failed, Failed, Failed, Completed].map(Some));
    let mut waits = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Happening::Retrying { after, .. } = event.what {
            waits.push(after.as_secs());
        }
    }
    assert_eq!(waits, [2, 4, 5]);
}

async fn a_permanent_failure_is_not_tried_again(bench: Bench) {
    let (_engine, run, outcome) = bench.run(&one("", succeeds_at(9, |text| TaskError::permanent(text))), "One").await;
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcomes(&bench.store().await, &run, "only").await, [Some(Failed)]);
}

async fn retries_end(bench: Bench) {
    let (_engine, run, outcome) =
        bench.run(&one("retries = 2", succeeds_at(9, |text| TaskError::retryable(text))), "One").await;
    assert_eq!(outcome.failure.unwrap().class, FailureClass::Retryable);
    assert_eq!(outcomes(&bench.store().await, &run, "only").await, [Some(Failed); 3]);
}

async fn a_panic_fails_the_attempt_not_the_engine(bench: Bench) {
    let panics = task(|ctx, _, _| async move {
        assert!(ctx.identity().attempt > 1, "the first attempt goes wrong");
        Ok(json!({}))
    });
    let (_engine, run, outcome) = bench.run(&one("", panics), "One").await;
    assert_eq!(outcome.status, RunStatus::Completed);
    assert_eq!(outcomes(&bench.store().await, &run, "only").await, [Failed, Completed].map(Some));
}

async fn an_attempt_without_progress_times_out_and_is_tried_again(bench: Bench) {
    let registry = one("stall_timeout = \"1m\"\nretries = 1", hangs());
    let engine = bench.engine(&registry).await;
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    for seconds in [60, 2, 60] {
        bench.pass(Duration::from_secs(seconds)).await;
    }
    let failure = soon(engine.wait(&run)).await.unwrap().failure.unwrap();
    assert!(failure.message.contains("stall_timeout"), "{}", failure.message);
    assert_eq!(outcomes(&bench.store().await, &run, "only").await, [Some(TimedOut); 2]);
}

async fn who_gets_no_slot_in_time_says_so(bench: Bench) {
    let waits = "schedule_timeout = \"10s\"\nretries = 0";
    let file = (head("Two") + &step("second", &[], waits) + &step("other", &[], waits)).replace("\"io\"", "\"speech\"");
    let pools = [(Pool::Speech, 1)].into();
    let code = vec![("Two.second", hangs()), ("Two.other", hangs())];
    let registry = registry(&[file], pools, code);
    let engine = bench.engine(&registry).await;
    let run = engine.start("Two", json!({}), StartOptions::default()).await.unwrap();
    bench.pass(Duration::from_secs(10)).await;
    let store = bench.store().await;
    let failed = loop {
        let tasks = crate::support::tasks(&store, &run).await;
        if let Some(failed) = ["second", "other"].into_iter().find(|task| tasks[*task].failure.is_some()) {
            break failed;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let attempt = attempts(&store, &run, failed).await.remove(0);
    assert_eq!((attempt.outcome, attempt.assigned_at), (Some(TimedOut), None));
    let message = attempt.failure.unwrap().message;
    assert!(message.contains("no slot of pool speech within 10s"), "{message}");
    engine.cancel(&run).await.unwrap();
}

async fn a_pool_never_runs_more_than_it_has_slots(bench: Bench) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let works = {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        task(move |_, _, _| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(3)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(json!({}))
            }
        })
    };
    let file = head("One") + &step("only", &[], "");
    let registry = registry(&[file], [(Pool::Io, 3)].into(), vec![("One.only", works)]);
    let engine = bench.engine(&registry).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(engine.start("One", json!({}), StartOptions::default()).await.unwrap());
    }
    for run in &runs {
        assert_eq!(soon(engine.wait(run)).await.unwrap().status, RunStatus::Completed);
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

async fn all_four_timestamps_are_kept(bench: Bench) {
    let clock = bench.clock.clone();
    let works = task(move |_, _, _| {
        clock.advance(Duration::from_secs(3));
        async { Ok(json!({})) }
    });
    let (_engine, run, _) = bench.run(&one("", works), "One").await;
    let attempt = attempts(&bench.store().await, &run, "only").await.remove(0);
    assert!(attempt.assigned_at.unwrap() >= attempt.created_at);
    assert_eq!(attempt.started_at, attempt.assigned_at);
    assert_eq!(attempt.finished_at.unwrap().since(attempt.started_at.unwrap()), Duration::from_secs(3));
}

on_both_databases! {
    a_retry_waits_for_its_backoff_on_the_clock,
    a_permanent_failure_is_not_tried_again,
    retries_end,
    a_panic_fails_the_attempt_not_the_engine,
    an_attempt_without_progress_times_out_and_is_tried_again,
    who_gets_no_slot_in_time_says_so,
    a_pool_never_runs_more_than_it_has_slots,
    all_four_timestamps_are_kept,
}
