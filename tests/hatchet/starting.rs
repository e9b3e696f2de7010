//! Registering, starting runs, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use trackscribe::engine::hatchet::{HatchetEngine, HatchetError, Settings, Worker, WorkerOptions};
use trackscribe::engine::{Engine, EngineError, RunStatus, StartOptions};
use trackscribe::failure::{Failure as _, FailureClass};
use trackscribe::workflow::Pool;

use crate::double::Double;
use crate::support::*;

fn chain() -> trackscribe::workflow::Registry {
    let file = format!("{}{}{}", head("Chain"), step("first", &[], ""), step("second", &["first"], ""));
    let first = task(|ctx, input, _| async move {
        assert_eq!(ctx.metadata().get("origin").map(String::as_str), Some("test"));
        assert_eq!(ctx.identity().root_run, ctx.identity().run);
        Ok(json!({"got": input, "fraction": 0.1 + 0.2}))
    });
    let second = task(|_, _, parents| async move { Ok(json!({"parent": parents["first"]})) });
    registry(&[file], slots(2), &[("Chain.first", first), ("Chain.second", second)])
}

fn options_with(key: &str) -> StartOptions {
    StartOptions {
        metadata: BTreeMap::from([("origin".to_owned(), "test".to_owned())]),
        dedupe_key: Some(key.to_owned()),
        ..StartOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_from_task_to_task_and_its_outputs_come_back() {
    let (double, registry) = (Double::start().await, chain());
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run = soon(engine.start("Chain", json!({"a": 1}), options_with("k"))).await.unwrap();
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed);
    let first = json!({"fraction": 0.3, "got": {"a": 1}});
    assert_eq!(json!(outcome.output), json!({"first": first, "second": {"parent": first}}));
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Completed);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_in_the_wrong_case_is_refused_and_the_right_one_named() {
    let (double, registry) = (Double::start().await, chain());
    let engine = client(&double, &registry).await;
    let error = engine.start("chain", json!({}), StartOptions::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::UnknownWorkflow { .. }) && error.to_string().contains("Chain"), "{error}");
    assert_eq!(error.class(), FailureClass::Permanent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_does_not_know_the_workflow_yet_is_asked_later() {
    let (double, registry) = (Double::start().await, chain());
    let engine = client(&double, &registry).await;
    let error = engine.start("Chain", json!({}), StartOptions::default()).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Retryable);
    assert!(error.to_string().contains("trackscribe worker"), "{error}");
    assert!(double.look(|state| state.triggers.is_empty()));
    let worker = worker(&double, &registry).await;
    soon(engine.start("Chain", json!({}), options_with("k"))).await.unwrap();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_in_another_namespace_is_another_run() {
    let double = Double::start().await;
    let concurrency = "[concurrency]\nkey = \"input.transcript_id\"\nmax_runs = 1\n";
    let file = format!("{}{concurrency}{}", head("One"), step("a", &[], ""));
    let registry = registry(&[file], slots(2), &[("One.a", task(|_, _, _| async { Ok(json!({})) }))]);
    let (mut runs, mut workers) = (Vec::new(), Vec::new());
    for namespace in ["", "staging", "other"] {
        let settings = Settings { namespace: namespace.to_owned(), ..settings(&double) };
        let (connection, rest) = connect(settings).await;
        let engine = HatchetEngine::new(connection.clone(), rest.clone(), registry.definitions().clone(), clock());
        let options = WorkerOptions { pools: BTreeSet::from([Pool::Io]), ..options("toy") };
        let worker = Worker::start(connection, rest, registry.clone(), options, clock()).await.unwrap();
        // Nothing ends before all have asked.
        double.look(|state| state.workers.values_mut().for_each(|worker| worker.is_paused = true));
        for options in [options_with("recording:r"), StartOptions::default()] {
            runs.push(engine.start("One", json!({"transcript_id": "t"}), options).await.unwrap());
        }
        workers.push(worker);
    }
    assert_eq!(runs.iter().collect::<BTreeSet<_>>().len(), 6, "{runs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_twice_for_the_same_gives_the_same_run() {
    let (double, registry) = (Double::start().await, chain());
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.look(|state| state.workers.values_mut().for_each(|worker| worker.is_paused = true));
    let run = engine.start("Chain", json!({}), options_with("k")).await.unwrap();
    assert_eq!(engine.start("Chain", json!({}), options_with("k")).await.unwrap(), run);
    assert_ne!(engine.start("Chain", json!({}), options_with("other")).await.unwrap(), run);
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Queued);
    assert_eq!(double.look(|state| state.triggers["Chain"]), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn action_ids_are_in_lower_case_and_a_namespace_keeps_names_apart() {
    let (double, registry) = (Double::start().await, chain());
    let plain = worker(&double, &registry).await;
    let apart = trackscribe::engine::hatchet::Settings { namespace: "Staging".to_owned(), ..settings(&double) };
    let (connection, rest) = connect(apart).await;
    let staging =
        trackscribe::engine::hatchet::Worker::start(connection, rest, registry.clone(), options("s"), clock());
    let staging = soon(staging).await.unwrap();
    eventually(|| double.look(|state| state.workers.len() == 2)).await;
    let names: Vec<String> = double.look(|state| state.workflows.keys().cloned().collect());
    assert_eq!(names, ["Chain", "staging_Chain"]);
    let actions: Vec<Vec<String>> =
        double.look(|state| state.workers.values().map(|worker| worker.actions.clone()).collect());
    assert!(actions.contains(&vec!["chain:first".to_owned(), "chain:second".to_owned()]), "{actions:?}");
    assert!(
        actions.contains(&vec!["staging_chain:first".to_owned(), "staging_chain:second".to_owned()]),
        "{actions:?}"
    );
    tokio::join!(plain.stop(), staging.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_systems_worker_under_our_names_is_refused_and_named() {
    let (double, registry) = (Double::start().await, chain());
    let first = worker(&double, &registry).await;
    eventually(|| double.look(|state| !state.workers.is_empty())).await;
    // Our own are no strangers.
    let second = soon(try_worker(&double, &registry, options("toy2"))).await.unwrap();
    double.look(|state| {
        let worker = state.workers.values_mut().next().unwrap();
        worker.labels.clear();
        worker.name = "reflector".to_owned();
        worker.language = Some("PYTHON".to_owned());
    });
    eventually(|| double.look(|state| state.workers.values().all(|worker| worker.heartbeat.is_some()))).await;
    let error = soon(try_worker(&double, &registry, options("toy3"))).await.err().unwrap();
    assert!(matches!(error, HatchetError::Foreign(_)), "{error}");
    for said in ["reflector", "PYTHON", "chain:first", "HATCHET_CLIENT_NAMESPACE"] {
        assert!(error.to_string().contains(said), "{error}");
    }
    let allowed = trackscribe::engine::hatchet::WorkerOptions { allow_foreign: true, ..options("toy4") };
    let third = soon(try_worker(&double, &registry, allowed)).await.unwrap();
    tokio::join!(first.stop(), second.stop(), third.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_too_old_is_refused_with_its_version() {
    let (double, registry) = (Double::start().await, chain());
    double.faults(|faults| faults.version = Some("v0.70.1".to_owned()));
    let error = soon(try_worker(&double, &registry, options("toy"))).await.err().unwrap();
    assert!(matches!(&error, HatchetError::TooOld(why) if why.contains("v0.70.1")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_nobody_knows_is_unknown() {
    let (double, registry) = (Double::start().await, chain());
    let engine = client(&double, &registry).await;
    for id in ["01234567-89ab-7def-8123-456789abcdef", "no-uuid"] {
        let error = engine.status(&id.parse().unwrap()).await.unwrap_err();
        assert!(matches!(error, EngineError::UnknownRun(_)), "{error}");
    }
}
