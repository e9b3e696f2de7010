//! Concurrency groups: at most so many active runs per key, others queue in order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::workflow::Registry;

use crate::support::{Bench, eventually, head, registry, roomy, soon, step, task};

/// Notes which runs began, and lets each end when the gate gives it a permit.
fn gated(began: &Arc<Mutex<Vec<i64>>>, gate: &Arc<Semaphore>) -> Registry {
    let (began, gate) = (Arc::clone(began), Arc::clone(gate));
    let waits = task(move |_, input, _| {
        let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
        async move {
            began.lock().unwrap().push(input["n"].as_i64().unwrap());
            gate.acquire().await.unwrap().forget();
            Ok(json!({}))
        }
    });
    let file = head("One") + "[concurrency]\nkey = \"input.room\"\nmax_runs = 2\n" + &step("only", &[], "");
    registry(&[file], roomy(), vec![("One.only", waits)])
}

async fn runs_of_one_key_queue_in_order_and_other_keys_do_not_wait(bench: Bench) {
    let (began, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
    let engine = bench.engine(&gated(&began, &gate)).await;
    let mut runs = Vec::new();
    for n in 0..6 {
        let input = json!({"room": "a", "n": n});
        runs.push(engine.start("One", input, StartOptions::default()).await.unwrap());
    }
    runs.push(engine.start("One", json!({"room": "b", "n": 100}), StartOptions::default()).await.unwrap());
    runs.push(engine.start("One", json!({"n": 200}), StartOptions::default()).await.unwrap());
    let sorted = || {
        let mut began = began.lock().unwrap().clone();
        began.sort_unstable();
        began
    };
    eventually(|| sorted() == [0, 1, 100, 200]).await;
    assert_eq!(engine.status(&runs[2]).await.unwrap(), RunStatus::Queued);
    // A cancelled one makes room for nobody it did not keep out, and the queue goes on.
    engine.cancel(&runs[2]).await.unwrap();
    gate.add_permits(4);
    eventually(|| sorted() == [0, 1, 3, 4, 100, 200]).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!sorted().contains(&5));
    gate.add_permits(3);
    for (n, run) in runs.iter().enumerate() {
        let expected = if n == 2 { RunStatus::Cancelled } else { RunStatus::Completed };
        assert_eq!(soon(engine.wait(run)).await.unwrap().status, expected);
    }
}

on_both_databases! {
    runs_of_one_key_queue_in_order_and_other_keys_do_not_wait,
}
