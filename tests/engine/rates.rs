//! Rate limits: attempts begin no more often than declared, and whoever waits takes no slot, no attempt and no time of its own.

use std::time::Duration;

use serde_json::json;
use trackscribe::clock::Clock as _;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::store::runs::AttemptOutcome::{Completed, Failed, TimedOut};
use trackscribe::workflow::{Handler, Pool, PoolSizes, Registry, TaskError};

use crate::support::{Bench, attempts, eventually, head, outcomes, registry, roomy, soon, step, task, tasks};

/// `Limited` is under the limit, `Free` is not; each has one task, `only`.
fn limited(limit: &str, more: &str, pools: PoolSizes, handler: Handler) -> Registry {
    let declared = format!("[[rate_limit]]\nkey = \"api\"\n{limit}\n");
    let files = [
        head("Limited") + &declared + &step("only", &[], &format!("rate_limits = {{ api = 1 }}\n{more}")),
        head("Free") + &step("only", &[], ""),
    ];
    let free = task(|_, _, _| async { Ok(json!({})) });
    registry(&files, pools, vec![("Limited.only", handler), ("Free.only", free)])
}

const ONE_A_MINUTE: &str = "limit = 1\nper = \"minute\"";

fn works() -> Handler {
    task(|ctx, _, _| async move { Ok(json!({"attempt": ctx.identity().attempt})) })
}

async fn attempts_over_the_limit_wait_and_all_complete(bench: Bench) {
    let engine = bench.engine(&limited("limit = 3\nper = \"second\"", "", roomy(), works())).await;
    let mut runs = Vec::new();
    for _ in 0..8 {
        runs.push(engine.start("Limited", json!({}), StartOptions::default()).await.unwrap());
    }
    let store = bench.store().await;
    let mut began = Vec::new();
    for run in &runs {
        let outcome = bench.flying(soon(engine.wait(run))).await.unwrap();
        // Waiting is no attempt.
        assert_eq!((outcome.status, &outcome.output["only"]), (RunStatus::Completed, &json!({"attempt": 1})));
        began.push(attempts(&store, run, "only").await.remove(0).assigned_at.unwrap());
    }
    for first in &began {
        let within = began.iter().filter(|at| *at >= first && at.since(*first) < Duration::from_secs(1)).count();
        assert!(within <= 3, "{within} began within a second");
    }
    let (first, last) = (began.iter().min().unwrap(), began.iter().max().unwrap());
    assert!(last.since(*first) >= Duration::from_secs(2));
}

async fn who_waits_for_its_limit_holds_no_slot(bench: Bench) {
    let engine = bench.engine(&limited(ONE_A_MINUTE, "", PoolSizes::from([(Pool::Io, 1)]), works())).await;
    let start = |workflow: &'static str| engine.start(workflow, json!({}), StartOptions::default());
    let first = start("Limited").await.unwrap();
    assert_eq!(soon(engine.wait(&first)).await.unwrap().status, RunStatus::Completed);
    let waits = start("Limited").await.unwrap();
    let until = bench.clock.now().plus(Duration::from_secs(60));
    eventually(|| bench.clock.awaited().contains(&until)).await;
    let free = start("Free").await.unwrap();
    assert_eq!(soon(engine.wait(&free)).await.unwrap().status, RunStatus::Completed);
    let store = bench.store().await;
    assert!(attempts(&store, &waits, "only").await.is_empty());
    bench.pass(Duration::from_secs(60)).await;
    assert_eq!(soon(engine.wait(&waits)).await.unwrap().status, RunStatus::Completed);
    let attempt = attempts(&store, &waits, "only").await.remove(0);
    // Nor does it count as time of the attempt.
    assert_eq!((attempt.started_at, attempt.finished_at), (Some(until), Some(until)));
}

async fn a_retry_takes_its_units_too(bench: Bench) {
    let fails_once = task(|ctx, _, _| async move {
        if ctx.identity().attempt == 1 { Err(TaskError::retryable("no answer")) } else { Ok(json!({})) }
    });
    let engine = bench.engine(&limited(ONE_A_MINUTE, "", roomy(), fails_once)).await;
    let run = engine.start("Limited", json!({}), StartOptions::default()).await.unwrap();
    // Its backoff, then what is left of the minute.
    bench.pass(Duration::from_secs(2)).await;
    bench.pass(Duration::from_secs(58)).await;
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    assert_eq!(outcomes(&bench.store().await, &run, "only").await, [Failed, Completed].map(Some));
}

async fn who_may_not_begin_in_time_says_why(bench: Bench) {
    let more = "schedule_timeout = \"70s\"\nretries = 0";
    let engine = bench.engine(&limited(ONE_A_MINUTE, more, roomy(), works())).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        let run = engine.start("Limited", json!({}), StartOptions::default()).await.unwrap();
        runs.push(run);
        let asked = runs.len();
        // The first begins; each other one waits until its schedule_timeout at most.
        let until = bench.clock.now().plus(Duration::from_secs(70));
        eventually(|| bench.clock.awaited().iter().filter(|at| **at == until).count() == asked - 1).await;
        if asked == 1 {
            soon(engine.wait(&runs[0])).await.unwrap();
        }
    }
    bench.pass(Duration::from_secs(60)).await;
    assert_eq!(soon(engine.wait(&runs[1])).await.unwrap().status, RunStatus::Completed);
    bench.pass(Duration::from_secs(10)).await;
    let failure = soon(engine.wait(&runs[2])).await.unwrap().failure.unwrap();
    let told = "task only could not begin within 1m10s (its schedule_timeout), because of its rate limit api";
    assert!(failure.message.contains(told), "{}", failure.message);
    let store = bench.store().await;
    assert_eq!(outcomes(&store, &runs[2], "only").await, [Some(TimedOut)]);
    assert_eq!(attempts(&store, &runs[2], "only").await.remove(0).assigned_at, None);
}

async fn cancelling_and_stopping_end_the_wait(bench: Bench) {
    let registry = limited(ONE_A_MINUTE, "", roomy(), works());
    let engine = bench.engine(&registry).await;
    let start = || engine.start("Limited", json!({}), StartOptions::default());
    let first = start().await.unwrap();
    soon(engine.wait(&first)).await.unwrap();
    let cancelled = start().await.unwrap();
    let until = bench.clock.now().plus(Duration::from_secs(60));
    eventually(|| bench.clock.awaited().contains(&until)).await;
    let stopped = start().await.unwrap();
    engine.cancel(&cancelled).await.unwrap();
    assert_eq!(soon(engine.wait(&cancelled)).await.unwrap().status, RunStatus::Cancelled);
    // The next in line waits in its place.
    eventually(|| bench.clock.awaited().contains(&until)).await;
    soon(engine.shutdown()).await;
    let store = bench.store().await;
    assert!(attempts(&store, &stopped, "only").await.is_empty());
    assert_eq!(tasks(&store, &stopped).await["only"].failures, 0);
    // A new process counts anew.
    let engine = bench.engine(&registry).await;
    assert_eq!(soon(engine.wait(&stopped)).await.unwrap().status, RunStatus::Completed);
    assert_eq!(outcomes(&store, &stopped, "only").await, [Some(Completed)]);
}

on_both_databases! {
    attempts_over_the_limit_wait_and_all_complete,
    who_waits_for_its_limit_holds_no_slot,
    a_retry_takes_its_units_too,
    who_may_not_begin_in_time_says_why,
    cancelling_and_stopping_end_the_wait,
}
