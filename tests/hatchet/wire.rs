//! What comes over the wire, and what must not leave by the log.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use trackscribe::engine::RunStatus;

use crate::double::wire::{Action, ActionType};
use crate::double::{Double, TaskPhase};
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_actions_are_answered_or_left_alone_and_the_worker_goes_on() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = one_counted(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, _) = run(&engine, "One").await;
    eventually(|| worker.snapshot().to_tell == 0).await;
    let known = double.look(|state| state.view(run_id.as_str(), "a"));
    let plain = Action {
        workflow_run_id: run_id.to_string(),
        task_run_external_id: known.id.clone(),
        action_id: known.action.clone(),
        payload: json!({"input": {}}).to_string(),
        retry_count: 1,
        ..Action::default()
    };
    let (cancel, batch) = (ActionType::CancelStepRun as i32, ActionType::StartBatch as i32);
    let odd = [
        // Of a kind that does not exist, or that we never ask for.
        Action { action_type: 99, retry_count: 1, ..plain.clone() },
        Action { action_type: batch, retry_count: 1, ..plain.clone() },
        // Cancelled before it was sent, and something that nobody has.
        Action { action_type: cancel, retry_count: 2, ..plain.clone() },
        Action { retry_count: 2, ..plain.clone() },
        Action { action_type: cancel, task_run_external_id: "?".to_owned(), ..plain.clone() },
        // Older than what has ended.
        Action { retry_count: -1, ..plain.clone() },
    ];
    let answered = [
        Action { retry_count: 3, payload: String::new(), ..plain.clone() },
        Action { retry_count: 4, payload: "{\"input\":".to_owned(), ..plain.clone() },
        Action { retry_count: 5, action_id: "one:nothing".to_owned(), ..plain.clone() },
        Action { retry_count: 6, workflow_run_id: "\n".to_owned(), ..plain.clone() },
        Action { retry_count: i32::MAX, additional_metadata: Some("[".to_owned()), payload: "{}".to_owned(), ..plain },
    ];
    let stream = double.look(|state| {
        state.runs.get_mut(run_id.as_str()).unwrap().tasks.get_mut("a").unwrap().phase = TaskPhase::Failed;
        state.workers.values().next().unwrap().streams.last().unwrap().clone()
    });
    odd.into_iter().for_each(|action| stream.send(Ok(action)).unwrap());
    // One by one: a newer attempt would make an older one void.
    for action in answered {
        let retry_count = action.retry_count;
        stream.send(Ok(action)).unwrap();
        eventually(|| double.look(|state| state.view(run_id.as_str(), "a").outcomes.contains_key(&retry_count))).await;
    }
    drop(stream);
    let outcomes = double.look(|state| state.view(run_id.as_str(), "a").outcomes);
    let told = |retry_count| outcomes[&retry_count].0.clone();
    assert!(told(3).contains("can't be read") && told(3).ends_with("[permanent]"), "{}", told(3));
    assert!(told(4).contains("(9 bytes) can't be read"), "{}", told(4));
    assert!(told(5).contains("this worker has no task one:nothing") && told(5).ends_with("[retryable]"), "{}", told(5));
    assert!(told(6).contains("control characters"), "{}", told(6));
    assert!(outcomes[&i32::MAX].1, "metadata that can't be read is none");
    // What was cancelled before it came, and what was no action of ours, was not done.
    assert_eq!((outcomes.len(), tally.of("a")), (6, 2));
    assert_eq!(run(&engine, "One").await.1.status, RunStatus::Completed);
    assert_eq!(worker.snapshot().posts["io"].streams, 1);
    worker.stop().await;
    double.assert_no_violation();
}

#[test]
fn heartbeats_go_on_while_all_threads_of_the_program_are_blocked() {
    let outer = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (double, registry) = (outer.block_on(Double::start()), one_counted(&Tally::default()));
    let inner = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    inner.block_on(async {
        let worker = worker(&double, &registry).await;
        eventually(|| worker.snapshot().posts["io"].listening_since.is_some()).await;
        let heard = || double.look(|state| state.workers.values().next().unwrap().heartbeat.unwrap());
        for _ in 0..3 {
            let before = heard();
            // The only thread that could run anything else.
            let mut rounds = 0;
            while heard() == before {
                thread::sleep(Duration::from_millis(20));
                rounds += 1;
                assert!(rounds < 3000, "no heartbeat in a minute");
            }
        }
        worker.stop().await;
    });
}

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_is_in_no_log_however_much_is_logged() {
    let kept = Kept::default();
    let writer = {
        let kept = kept.clone();
        move || kept.clone()
    };
    // Of all threads and of all crates; other tests of this process are heard too.
    let everything = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let _ = tracing_subscriber::registry().with(everything).try_init();
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = one_counted(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    assert_eq!(run(&engine, "One").await.1.status, RunStatus::Completed);
    double.faults(|faults| faults.refuse = true);
    eventually(|| worker.snapshot().posts["io"].last_trouble.is_some() || tally.add("looks") > 200).await;
    double.faults(|faults| faults.refuse = false);
    double.go_away();
    eventually(|| worker.snapshot().posts["io"].last_trouble.is_some()).await;
    double.come_back().await;
    worker.stop().await;
    let log = String::from_utf8_lossy(&kept.0.lock().unwrap()).into_owned();
    for target in ["trackscribe::engine::hatchet", "h2::", "hyper_util::"] {
        assert!(log.contains(target), "nothing was logged by {target}");
    }
    let claims = double.token.split('.').nth(1).unwrap();
    assert!(!log.contains(claims) && !log.contains("Bearer e"), "the token was logged");
}
