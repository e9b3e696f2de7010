//! Fan-outs and their child runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::sync::Barrier;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::store::runs::{AttemptOutcome, RunFilter, RunStatus as Stored};
use trackscribe::workflow::{Handler, Pool, Registry, TaskError};

use crate::support::{Bench, Fan, gives, head, outcomes, registry, roomy, soon, step, task, tasks};

/// A parent of two minutes with children whose two steps may take 50 s each; `fan` and `one` are further lines. Time flies
/// in steps of 40 s at most, so that no toy stalls by itself.
fn files(fan: &str, one: &str) -> [String; 2] {
    let short = "execution_timeout = \"50s\"\nstall_timeout = \"45s\"\n";
    let fan = format!("fan_out = \"Child\"\nexecution_timeout = \"2m\"\nstall_timeout = \"110s\"\n{fan}");
    [
        head("Parent") + &step("fan", &[], &fan),
        head("Child") + &step("one", &[], &format!("{short}{one}")) + &step("two", &["one"], short),
    ]
}

fn parent_of(fan: Fan, one: Handler) -> Registry {
    let code = vec![("Parent.fan", fan.handler()), ("Child.one", one), ("Child.two", gives(json!({"two": 2})))];
    registry(&files("", "retries = 0"), roomy(), code)
}

async fn h11_children_overlap_in_time(bench: Bench) {
    let meet = Arc::new(Barrier::new(3));
    let meets = task(move |ctx, input, _| {
        let meet = Arc::clone(&meet);
        async move {
            meet.wait().await;
            assert_eq!(input["key"].as_str(), ctx.identity().child_key.as_deref());
            Ok(json!({"of": ctx.identity().child_key}))
        }
    });
    let (_engine, _, outcome) = bench.run(&parent_of(Fan::of(&["a", "b", "c"]), meets), "Parent").await;
    let of = |key: &str| json!({"one": {"of": key}, "two": {"two": 2}});
    assert_eq!(outcome.output["fan"], json!({"children": {"a": of("a"), "b": of("b"), "c": of("c")}}));
}

async fn a_fan_out_may_have_no_children(bench: Bench) {
    let (_engine, _, outcome) = bench.run(&parent_of(Fan::of(&[]), gives(json!({}))), "Parent").await;
    assert_eq!(outcome.output["fan"], json!({"children": {}}));
}

async fn children_inherit_metadata_and_know_their_root(bench: Bench) {
    let told = task(|ctx, _, _| async move {
        assert_ne!(ctx.identity().run, ctx.identity().root_run);
        Ok(json!({"metadata": ctx.metadata()}))
    });
    let engine = bench.engine(&parent_of(Fan::of(&["a"]), told)).await;
    let options = StartOptions { metadata: [("room".to_owned(), "7".to_owned())].into(), ..StartOptions::default() };
    let run = engine.start("Parent", json!({}), options).await.unwrap();
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["fan"]["children"]["a"]["one"], json!({"metadata": {"room": "7"}}));
}

async fn a_failing_child_lets_its_siblings_end_and_names_its_task(bench: Bench) {
    let fails = task(|ctx, _, _| async move {
        match ctx.identity().child_key.as_deref() {
            Some("b") => Err(TaskError::retryable("busy for ever")),
            _ => Ok(json!({})),
        }
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let mark = {
        let told = Arc::clone(&told);
        task(move |ctx, _, _| {
            told.lock().unwrap().extend(ctx.task_run_errors().iter().map(|error| error.task.clone()));
            async { Ok(json!({})) }
        })
    };
    let [parent, child] = files("", "retries = 0");
    let files = [parent + "[on_failure]\nname = \"mark\"\npool = \"io\"\n", child];
    let fan = Fan::of(&["a", "b", "c"]);
    let code = vec![
        ("Parent.fan", fan.handler()),
        ("Parent.mark", mark),
        ("Child.one", fails),
        ("Child.two", gives(json!({}))),
    ];
    let (_engine, run, outcome) = bench.run(&registry(&files, roomy(), code), "Parent").await;
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.task.as_deref(), Some("fan[b]/one"));
    assert_eq!(failure.message, "busy for ever");
    assert_eq!(*told.lock().unwrap(), ["fan[b]/one"]);
    let store = bench.store().await;
    let fan = &tasks(&store, &run).await["fan"];
    assert_eq!(store.attempts(&fan.id).await.unwrap().len(), 1, "the child's retries are used up already");
    let children = store.children(&fan.id).await.unwrap();
    let states: Vec<_> = children.iter().map(|child| child.status).collect();
    assert_eq!(states, [Stored::Completed, Stored::Failed, Stored::Completed]);
}

async fn e7_a_retried_parent_joins_children_that_completed(bench: Bench) {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = {
        let ran = Arc::clone(&ran);
        task(move |_, _, _| {
            ran.fetch_add(1, Ordering::SeqCst);
            async { Ok(json!({})) }
        })
    };
    let mut fan = Fan::of(&["a", "b"]);
    fan.collected = |attempt| if attempt < 3 { Err(TaskError::retryable("not yet")) } else { Ok(()) };
    let plans = Arc::clone(&fan.plans);
    let (_engine, _, outcome) = bench.run(&parent_of(fan, counted), "Parent").await;
    assert_eq!(outcome.status, RunStatus::Completed);
    assert_eq!((ran.load(Ordering::SeqCst), *plans.lock().unwrap()), (2, 1));
}

async fn e8_a_retried_parent_starts_lost_children_anew_and_joins_running_ones(bench: Bench) {
    let ran = Arc::new(Mutex::new(Vec::new()));
    let one = {
        let ran = Arc::clone(&ran);
        task(move |ctx, _, _| {
            let key = ctx.identity().child_key.clone().unwrap();
            let mut ran = ran.lock().unwrap();
            ran.push(key.clone());
            let times = ran.iter().filter(|ran| **ran == key).count();
            async move {
                match key.as_str() {
                    "fails" if times == 1 => Err(TaskError::permanent("the first time")),
                    // Its ninth try comes after 2 + 4 + 8 + 16 + 28 + 28 + 28 + 28 = 142 s.
                    "slow" if times < 9 => Err(TaskError::retryable("not yet")),
                    _ => Ok(json!({})),
                }
            }
        })
    };
    let code = vec![
        ("Parent.fan", Fan::of(&["done", "fails", "slow"]).handler()),
        ("Child.one", one),
        ("Child.two", gives(json!({}))),
    ];
    // The parent's two minutes run out while one child still waits for its retry.
    let patient = "retries = 10\nbackoff_max = \"28s\"";
    let (_engine, run, outcome) = bench.run(&registry(&files("", patient), roomy(), code), "Parent").await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    let mut ran = ran.lock().unwrap().clone();
    ran.sort();
    ran.dedup_by(|a, b| a == b && a == "slow");
    assert_eq!(ran, ["done", "fails", "fails", "slow"]);
    let store = bench.store().await;
    let attempts = outcomes(&store, &run, "fan").await;
    assert_eq!(attempts, [Some(AttemptOutcome::TimedOut), Some(AttemptOutcome::Completed)]);
    let all = RunFilter { children: true, workflow: Some("Child".to_owned()), ..RunFilter::default() };
    let mut rounds: Vec<_> = store
        .list(&all, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|child| (child.child_key.unwrap(), child.child_round.unwrap(), child.status))
        .collect();
    rounds.sort();
    let expected = [
        ("done", 1, Stored::Completed),
        ("fails", 1, Stored::Failed),
        ("fails", 2, Stored::Completed),
        ("slow", 1, Stored::Completed),
    ];
    assert_eq!(rounds, expected.map(|(key, round, status)| (key.to_owned(), round, status)));
}

async fn a_parent_that_gives_up_stops_its_children(bench: Bench) {
    let never = task(|_, _, _| async { Err(TaskError::retryable("not yet")) });
    let code = vec![("Parent.fan", Fan::of(&["a"]).handler()), ("Child.one", never), ("Child.two", gives(json!({})))];
    let files = files("retries = 0", "retries = 10\nbackoff_max = \"28s\"");
    let (_engine, run, outcome) = bench.run(&registry(&files, roomy(), code), "Parent").await;
    let failure = outcome.failure.unwrap();
    assert!(failure.message.contains("1 of its 1 children were not done"), "{}", failure.message);
    let store = bench.store().await;
    let fan = tasks(&store, &run).await["fan"].id.clone();
    assert_eq!(store.children(&fan).await.unwrap()[0].status, Stored::Cancelled);
}

async fn many_parents_and_children_share_one_slot_per_pool(bench: Bench) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let works = {
        let most = Arc::clone(&most);
        task(move |_, _, _| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(json!({}))
            }
        })
    };
    let code = vec![
        ("Parent.fan", Fan::of(&["a", "b", "c", "d", "e", "f", "g", "h"]).handler()),
        ("Child.one", works),
        ("Child.two", gives(json!({}))),
    ];
    let registry = registry(&files("", ""), Pool::ALL.into_iter().map(|pool| (pool, 1)).collect(), code);
    let engine = bench.engine(&registry).await;
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(engine.start("Parent", json!({}), StartOptions::default()).await.unwrap());
    }
    for run in &runs {
        assert_eq!(soon(engine.wait(run)).await.unwrap().status, RunStatus::Completed);
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

on_both_databases! {
    h11_children_overlap_in_time,
    a_fan_out_may_have_no_children,
    children_inherit_metadata_and_know_their_root,
    a_failing_child_lets_its_siblings_end_and_names_its_task,
    e7_a_retried_parent_joins_children_that_completed,
    e8_a_retried_parent_starts_lost_children_anew_and_joins_running_ones,
    a_parent_that_gives_up_stops_its_children,
    many_parents_and_children_share_one_slot_per_pool,
}
