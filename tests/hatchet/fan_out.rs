//! Parents and their children.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::workflow::{Handler, Registry, TaskError};

use crate::double::Double;
use crate::support::*;

fn family(slots_of_each: usize, fan: Fan, child: Handler) -> Registry {
    let parent = format!("{}{}", head("Parent"), step("fan", &[], "fan_out = \"Child\"\nexecution_timeout = \"1h\""));
    let files = [parent, format!("{}{}", head("Child"), step("work", &[], "pool = \"speech\"\nretries = 1"))];
    registry(&files, slots(slots_of_each), &[("Parent.fan", fan.handler()), ("Child.work", child)])
}

/// A child that tells who it is, and counts itself by its key.
fn counted(tally: &Tally) -> Handler {
    let tally = tally.clone();
    task(move |ctx, input, _| {
        let identity = ctx.identity().clone();
        let key = identity.child_key.clone().unwrap();
        assert_eq!(json!(key), input["key"]);
        assert_ne!(identity.run, identity.root_run);
        let count = tally.add(&key);
        async move { Ok(json!({"key": key, "count": count})) }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_run_at_once_and_their_outputs_come_in_the_plans_order() {
    let double = Double::start().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = Arc::clone(&most);
    let child = task(move |ctx, _, _| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The first four wait for each other.
            eventually(|| most.load(Ordering::SeqCst) >= 4).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(json!({"root": ctx.identity().root_run}))
        }
    });
    let registry = family(4, Fan::of(&["c", "a", "b", "d", "e"]), child);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, outcome) = run(&engine, "Parent").await;
    let work = json!({"work": {"root": run_id}});
    assert_eq!(outcome.output["fan"], json!({"children": {"a": work, "b": work, "c": work, "d": work, "e": work}}));
    assert_eq!(highest.load(Ordering::SeqCst), 4);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parents_wait_on_a_worker_of_their_own_so_that_freed_slots_of_work_are_handed_on_at_once() {
    let (double, tally) = (Double::start().await, Tally::default());
    let worker = worker(&double, &family(3, Fan::of(&["a"]), counted(&tally))).await;
    eventually(|| worker.snapshot().posts.values().all(|post| post.listening_since.is_some())).await;
    let registered = double.look(|state| {
        let workers = state.workers.values();
        workers.map(|known| (known.name.clone(), json!([known.actions, known.slots]))).collect::<BTreeMap<_, _>>()
    });
    let expected = [
        ("toy-io-parents".to_owned(), json!([["parent:fan"], {"waiting": 50}])),
        ("toy-speech".to_owned(), json!([["child:work"], {"default": 3}])),
    ];
    assert_eq!(registered, BTreeMap::from(expected));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_parents_with_four_children_each_on_one_slot_do_not_block_each_other() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = family(1, Fan::of(&["t000", "t001", "t002", "t003"]), counted(&tally));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let runs = futures::future::join_all((0..20).map(|_| run(&engine, "Parent"))).await;
    assert!(runs.iter().all(|(_, outcome)| outcome.status == RunStatus::Completed));
    assert_eq!(tally.of("t003"), 20);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e7_a_retried_parent_joins_the_same_children_and_no_work_is_done_twice() {
    let (double, tally) = (Double::start().await, Tally::default());
    let fails_once = |attempt| if attempt == 1 { Err(TaskError::retryable("collecting failed")) } else { Ok(()) };
    let fan = Fan { collected: fails_once, ..Fan::of(&["t000", "t001"]) };
    let registry = family(2, fan, counted(&tally));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (_, outcome) = run(&engine, "Parent").await;
    assert_eq!(outcome.status, RunStatus::Completed);
    assert_eq!((tally.of("t000"), tally.of("t001")), (1, 1));
    assert_eq!(double.look(|state| state.triggers["Child"]), 2);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_can_not_be_made_fails_the_parent_when_its_siblings_are_over_and_is_made_when_that_is_resumed() {
    let (double, tally) = (Double::start().await, Tally::default());
    double.faults(|faults| faults.refused_child = Some("Child:b".to_owned()));
    let registry = family(2, Fan::of(&["a", "b", "c"]), counted(&tally));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, outcome) = run(&engine, "Parent").await;
    let failure = outcome.failure.unwrap();
    assert!(failure.message.contains("child b") && failure.message.contains("Invalid request"), "{failure:?}");
    assert_eq!((tally.of("a"), tally.of("c")), (1, 1));
    assert_eq!(double.look(|state| state.view(run_id.as_str(), "fan").sent.len()), 1);
    double.faults(|faults| faults.refused_child = None);
    engine.resume(&run_id).await.unwrap();
    let outcome = soon(engine.wait(&run_id)).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Completed);
    assert_eq!((tally.of("a"), tally.of("b"), tally.of("c")), (1, 1, 1));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_failed_for_good_fails_the_parent_at_once_and_is_made_anew_when_that_is_taken_up_again() {
    let (double, tally) = (Double::start().await, Tally::default());
    let counts = tally.clone();
    let child = task(move |ctx, _, _| {
        let key = ctx.identity().child_key.clone().unwrap();
        let count = counts.add(&key);
        async move {
            if key == "t001" && count == 1 { Err(TaskError::permanent("unreadable")) } else { Ok(json!({"key": key})) }
        }
    });
    let registry = family(2, Fan::of(&["t000", "t001"]), child);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, outcome) = run(&engine, "Parent").await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.task.as_deref(), Some("fan[t001]/work"));
    assert_eq!(failure.message, "unreadable");
    assert_eq!(double.look(|state| state.view(run_id.as_str(), "fan").sent.len()), 1);
    engine.resume(&run_id).await.unwrap();
    let outcome = soon(engine.wait(&run_id)).await.unwrap();
    assert_eq!((outcome.status, tally.of("t000"), tally.of("t001")), (RunStatus::Completed, 1, 2));
    let keys: Vec<String> = double.look(|state| state.children.keys().map(|(_, key)| key.clone()).collect());
    assert!(keys.contains(&"Child:t001#2".to_owned()) && keys.len() == 3, "{keys:?}");
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_whose_answer_was_lost_is_made_once() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = family(2, Fan::of(&["t000", "t001", "t002"]), counted(&tally));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.faults(|faults| faults.lose_children = 2);
    let (_, outcome) = run(&engine, "Parent").await;
    assert_eq!(outcome.status, RunStatus::Completed);
    assert!(["t000", "t001", "t002"].iter().all(|key| tally.of(key) == 1));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_never_came_into_being_is_made_under_the_next_key() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = family(2, Fan::of(&["t000", "t001"]), counted(&tally));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.faults(|faults| faults.phantom_children = 1);
    let (_, outcome) = run(&engine, "Parent").await;
    assert_eq!((outcome.status, tally.of("t000"), tally.of("t001")), (RunStatus::Completed, 1, 1));
    assert!(double.look(|state| state.children.keys().any(|(_, key)| key.ends_with("#2"))));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_a_run_stops_its_children() {
    let (double, tally) = (Double::start().await, Tally::default());
    let counts = tally.clone();
    let child = task(move |ctx, _, _| {
        counts.add("began");
        let counts = counts.clone();
        async move {
            ctx.cancellation().cancelled().await;
            counts.add("stopped");
            Err(TaskError::cancelled())
        }
    });
    let registry = family(3, Fan::of(&["a", "b", "c"]), child);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let run_id = engine.start("Parent", json!({}), StartOptions::default()).await.unwrap();
    eventually(|| tally.of("began") == 3).await;
    engine.cancel(&run_id).await.unwrap();
    eventually(|| tally.of("stopped") == 3).await;
    assert_eq!(soon(engine.wait(&run_id)).await.unwrap().status, RunStatus::Cancelled);
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_without_children_is_done_at_once() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = family(1, Fan::of(&[]), counted(&tally));
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (_, outcome) = run(&engine, "Parent").await;
    assert_eq!(outcome.output["fan"], json!({"children": {}}));
    worker.stop().await;
}
