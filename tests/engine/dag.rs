//! Order, branches, failure and the on-failure task.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::Barrier;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::failure::FailureClass;
use trackscribe::store::runs::TaskStatus;
use trackscribe::workflow::{Handler, TaskError};

use crate::support::{Bench, gives, head, registry, roomy, soon, step, task, tasks};

fn diamond() -> String {
    head("Diamond")
        + &step("top", &[], "")
        + &step("left", &["top"], "")
        + &step("right", &["top"], "")
        + &step("bottom", &["left", "right"], "")
}

fn noted(name: &'static str, order: &Arc<Mutex<Vec<&'static str>>>) -> Handler {
    let order = Arc::clone(order);
    task(move |_, _, parents| {
        order.lock().unwrap().push(name);
        let parents: Vec<String> = parents.as_object().unwrap().keys().cloned().collect();
        async move { Ok(json!({"of": parents})) }
    })
}

async fn tasks_run_after_their_parents_and_get_their_outputs_only(bench: Bench) {
    let order = Arc::default();
    let code = ["top", "left", "right", "bottom"].map(|name| (name, noted(name, &order)));
    let names = ["Diamond.top", "Diamond.left", "Diamond.right", "Diamond.bottom"];
    let code = names.into_iter().zip(code).map(|(name, (_, handler))| (name, handler)).collect();
    let registry = registry(&[diamond()], roomy(), code);
    let (_engine, _, outcome) = bench.run(&registry, "Diamond").await;
    assert_eq!(outcome.status, RunStatus::Completed);
    let order = order.lock().unwrap().clone();
    assert_eq!((order.first(), order.last(), order.len()), (Some(&"top"), Some(&"bottom"), 4));
    assert_eq!(
        Value::Object(outcome.output),
        json!({"top": {"of": []}, "left": {"of": ["top"]}, "right": {"of": ["top"]}, "bottom": {"of": ["left", "right"]}})
    );
}

async fn branches_run_at_the_same_time(bench: Bench) {
    let meet = Arc::new(Barrier::new(2));
    let meets = || {
        let meet = Arc::clone(&meet);
        task(move |_, _, _| {
            let meet = Arc::clone(&meet);
            async move {
                meet.wait().await;
                Ok(json!({}))
            }
        })
    };
    let code = vec![
        ("Diamond.top", gives(json!({}))),
        ("Diamond.left", meets()),
        ("Diamond.right", meets()),
        ("Diamond.bottom", gives(json!({}))),
    ];
    let (_engine, _, outcome) = bench.run(&registry(&[diamond()], roomy(), code), "Diamond").await;
    assert_eq!(outcome.status, RunStatus::Completed);
}

async fn a_failure_skips_what_depends_on_it_and_tells_the_on_failure_task(bench: Bench) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mark = {
        let told = Arc::clone(&told);
        task(move |ctx, _, parents| {
            told.lock().unwrap().extend(ctx.task_run_errors().to_vec());
            async move { Ok(parents) }
        })
    };
    let code = vec![
        ("Diamond.top", gives(json!({}))),
        ("Diamond.left", task(|_, _, _| async { Err(TaskError::permanent("no good")) })),
        ("Diamond.right", gives(json!({"right": 1}))),
        ("Diamond.bottom", gives(json!({}))),
        ("Diamond.mark", mark),
    ];
    let file = diamond() + "[on_failure]\nname = \"mark\"\npool = \"io\"\n";
    let (engine, run, outcome) = bench.run(&registry(&[file], roomy(), code), "Diamond").await;
    assert_eq!(outcome.status, RunStatus::Failed);
    let failure = outcome.failure.unwrap();
    assert_eq!((failure.task.as_deref(), failure.class), (Some("left"), FailureClass::Permanent));
    assert_eq!(failure.message, "no good");
    assert_eq!(outcome.output["right"], json!({"right": 1}), "an independent branch goes on to its end");
    let tasks = tasks(&bench.store().await, &run).await;
    assert_eq!(tasks["bottom"].status, TaskStatus::Skipped);
    assert_eq!(tasks["mark"].status, TaskStatus::Completed);
    let told = told.lock().unwrap().clone();
    assert_eq!((told.len(), told[0].task.as_str(), told[0].message.as_str()), (1, "left", "no good"));
    engine.shutdown().await;
}

async fn a_failing_on_failure_task_leaves_the_first_failure_in_place(bench: Bench) {
    let code = vec![
        ("Diamond.top", task(|_, _, _| async { Err(TaskError::permanent("the cause")) })),
        ("Diamond.left", gives(json!({}))),
        ("Diamond.right", gives(json!({}))),
        ("Diamond.bottom", gives(json!({}))),
        ("Diamond.mark", task(|_, _, _| async { Err(TaskError::permanent("and this too")) })),
    ];
    let file = diamond() + "[on_failure]\nname = \"mark\"\npool = \"io\"\n";
    let (_engine, _, outcome) = bench.run(&registry(&[file], roomy(), code), "Diamond").await;
    assert_eq!(outcome.failure.unwrap().message, "the cause");
}

async fn metadata_reaches_every_task(bench: Bench) {
    let told = task(|ctx, _, _| async move { Ok(json!({"metadata": ctx.metadata()})) });
    let file = head("One") + &step("only", &[], "");
    let registry = registry(&[file], roomy(), vec![("One.only", told)]);
    let engine = bench.engine(&registry).await;
    let options = StartOptions { metadata: [("who".to_owned(), "me".to_owned())].into(), ..StartOptions::default() };
    let run = engine.start("One", json!({}), options).await.unwrap();
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["only"], json!({"metadata": {"who": "me"}}));
}

on_both_databases! {
    tasks_run_after_their_parents_and_get_their_outputs_only,
    branches_run_at_the_same_time,
    a_failure_skips_what_depends_on_it_and_tells_the_on_failure_task,
    a_failing_on_failure_task_leaves_the_first_failure_in_place,
    metadata_reaches_every_task,
}
