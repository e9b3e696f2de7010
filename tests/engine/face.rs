//! What the engine refuses, and what readers see.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use trackscribe::engine::{Engine, EngineError, RunStatus, StartOptions};
use trackscribe::failure::{Failure, FailureClass};
use trackscribe::ids::RunId;
use trackscribe::store::runs::{RunFilter, RunStatus as Stored};
use trackscribe::workflow::Registry;

use crate::support::{Bench, gives, head, registry, roomy, soon, step, task};

fn one() -> Registry {
    registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", gives(json!({"done": 1})))])
}

async fn e17_an_unknown_name_starts_nothing(bench: Bench) {
    let engine = bench.engine(&one()).await;
    let error = engine.start("one", json!({}), StartOptions::default()).await.unwrap_err();
    assert!(matches!(&error, EngineError::UnknownWorkflow { .. }), "{error}");
    assert_eq!(error.class(), FailureClass::Permanent);
    assert_eq!(error.to_string(), "there is no workflow \"one\"; known: One");
    assert!(bench.store().await.list(&RunFilter::default(), 10).await.unwrap().is_empty());
    let nobody: RunId = "nobody".parse().unwrap();
    assert!(matches!(engine.wait(&nobody).await, Err(EngineError::UnknownRun(_))));
    assert!(matches!(engine.cancel(&nobody).await, Err(EngineError::UnknownRun(_))));
    assert!(matches!(engine.resume(&nobody).await, Err(EngineError::UnknownRun(_))));
}

async fn inputs_are_objects_of_one_mebibyte_at_most(bench: Bench) {
    let engine = bench.engine(&one()).await;
    let of = |bytes: usize| json!({"a": "x".repeat(bytes - 8)});
    let start = |input| engine.start("One", input, StartOptions::default());
    assert!(matches!(start(json!([])).await, Err(EngineError::InputNoObject)));
    assert!(matches!(start(of((1 << 20) + 1)).await, Err(EngineError::InputTooLarge { .. })));
    let run = start(of(1 << 20)).await.unwrap();
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
}

async fn u10_fifty_triggers_of_one_key_make_one_run(bench: Bench) {
    let gate = Arc::new(Notify::new());
    let waits = {
        let gate = Arc::clone(&gate);
        task(move |_, _, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Ok(json!({}))
            }
        })
    };
    let registry = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", waits)]);
    let engine = Arc::new(bench.engine(&registry).await);
    let options = StartOptions { dedupe_key: Some("recording 1".to_owned()), ..StartOptions::default() };
    let starts = (0..50).map(|_| {
        let (engine, options) = (Arc::clone(&engine), options.clone());
        tokio::spawn(async move { engine.start("One", json!({}), options).await.unwrap() })
    });
    let mut runs = BTreeSet::new();
    for start in starts.collect::<Vec<_>>() {
        runs.insert(start.await.unwrap());
    }
    assert_eq!(runs.len(), 1);
    assert_eq!(bench.store().await.list(&RunFilter::default(), 100).await.unwrap().len(), 1);
    gate.notify_one();
    let run = runs.pop_first().unwrap();
    soon(engine.wait(&run)).await.unwrap();
    let next = engine.start("One", json!({}), options).await.unwrap();
    assert_ne!(next, run, "the key is free again when the run is over");
    gate.notify_one();
    soon(engine.wait(&next)).await.unwrap();
}

async fn readers_see_everything_while_the_executor_runs(bench: Bench) {
    let (_engine, run, _) = bench.run(&one(), "One").await;
    let reader = bench.store().await;
    let record = reader.run(&run).await.unwrap().unwrap();
    assert_eq!((record.status, record.workflow.as_str()), (Stored::Completed, "One"));
    assert_eq!(reader.input(&run).await.unwrap(), "{}");
    assert_eq!(reader.outputs(&run).await.unwrap()["only"], r#"{"done":1}"#);
    let listed = |status| RunFilter { status: Some(status), ..RunFilter::default() };
    assert_eq!(reader.list(&listed(Stored::Completed), 10).await.unwrap().len(), 1);
    assert_eq!(reader.list(&listed(Stored::Failed), 10).await.unwrap().len(), 0);
    let before = RunFilter { before: Some(run), ..RunFilter::default() };
    assert_eq!(reader.list(&before, 10).await.unwrap().len(), 0);
}

async fn an_output_that_is_too_large_fails_for_good(bench: Bench) {
    let large = gives(json!({"words": "x".repeat(70_000)}));
    let registry = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", large)]);
    let (_engine, _, outcome) = bench.run(&registry, "One").await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Permanent);
    assert!(failure.message.contains("only") && failure.message.contains("70012"), "{}", failure.message);
}

on_both_databases! {
    e17_an_unknown_name_starts_nothing,
    inputs_are_objects_of_one_mebibyte_at_most,
    u10_fifty_triggers_of_one_key_make_one_run,
    readers_see_everything_while_the_executor_runs,
    an_output_that_is_too_large_fails_for_good,
}
