//! One executor per database; one that lost its lock writes nothing more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Notify;
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::engine::{Engine, EngineError, RunStatus, StartOptions};
use trackscribe::store::StoreError;
use trackscribe::store::runs::AttemptOutcome;
use trackscribe::workflow::TaskError;

use crate::support::{Bench, attempts, gives, head, outcomes, registry, roomy, soon, step, task};

async fn a_second_executor_is_refused_until_the_first_is_gone(bench: Bench) {
    let registry = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", gives(json!({})))]);
    let first = bench.engine(&registry).await;
    let second = EmbeddedEngine::open(&bench.database().await, registry.clone(), bench.shared_clock()).await;
    let error = second.err().unwrap();
    assert!(matches!(&error, EngineError::AlreadyRunning { .. }), "{error}");
    let lock = if bench.folder.is_some() { "store.db.lock" } else { "the executor's lock of postgres://" };
    assert!(error.to_string().contains(lock), "{error}");
    assert_eq!(first.generation(), 1);
    first.shutdown().await;
    assert!(matches!(first.start("One", json!({}), StartOptions::default()).await, Err(EngineError::Stopped(_))));
    let next = bench.engine(&registry).await;
    assert_eq!(next.generation(), 2);
}

async fn an_executor_that_lost_its_lock_stops_and_writes_nothing_more(bench: Bench) {
    let (began, stopped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let works = {
        let (began, stopped) = (Arc::clone(&began), Arc::clone(&stopped));
        task(move |ctx, _, _| {
            let (began, stopped) = (Arc::clone(&began), Arc::clone(&stopped));
            async move {
                if ctx.identity().generation == Some(2) {
                    return Ok(json!({"by": 2}));
                }
                began.notify_one();
                ctx.cancellation().cancelled().await;
                stopped.notify_one();
                // A result all the same: it must not be taken.
                Err(TaskError::cancelled())
            }
        })
    };
    let registry = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", works)]);
    let old = bench.engine(&registry).await;
    let run = old.start("One", json!({}), StartOptions::default()).await.unwrap();
    soon(began.notified()).await;
    // The lock is lost though its holder lives.
    bench.break_lock().await;
    let new = bench.engine(&registry).await;
    let lost = Instant::now();
    soon(stopped.notified()).await;
    assert!(lost.elapsed() < Duration::from_secs(1), "{:?}", lost.elapsed());
    assert_eq!(soon(new.wait(&run)).await.unwrap().output["only"], json!({"by": 2}));
    assert!(matches!(soon(old.wait(&run)).await.map(|outcome| outcome.status), Ok(RunStatus::Completed)));
    assert!(matches!(old.start("One", json!({}), StartOptions::default()).await, Err(EngineError::Stopped(_))));
    let store = bench.store().await;
    assert_eq!(
        outcomes(&store, &run, "only").await,
        [Some(AttemptOutcome::Interrupted), Some(AttemptOutcome::Completed)]
    );
    let generations: Vec<i64> = attempts(&store, &run, "only").await.iter().map(|attempt| attempt.generation).collect();
    assert_eq!(generations, [1, 2]);
    // What tasks write is fenced the same way.
    let of_old_task = bench.database().await.fresh(Some(1));
    assert!(matches!(of_old_task.begin_write().await, Err(StoreError::Fenced { generation: 1 })));
}

on_both_databases! {
    a_second_executor_is_refused_until_the_first_is_gone,
    an_executor_that_lost_its_lock_stops_and_writes_nothing_more,
}
