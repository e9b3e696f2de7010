//! One outcome for each attempt, told until it is heard.

use serde_json::json;
use trackscribe::engine::RunStatus;

use crate::double::{Double, TaskPhase};
use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e3_an_outcome_whose_acknowledgement_is_lost_is_told_again_and_the_same() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = one_counted(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.faults(|faults| faults.lose_acknowledgements = 3);
    let (_, outcome) = run(&engine, "One").await;
    assert_eq!(outcome.status, RunStatus::Completed);
    eventually(|| worker.snapshot().to_tell == 0).await;
    assert_eq!((tally.of("a"), worker.snapshot().counts.told_again), (1, 3));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_without_its_database_is_not_believed_that_the_outcome_is_wrong() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = one_counted(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    double.faults(|faults| faults.call_outcomes_wrong = 4);
    let (_, outcome) = run(&engine, "One").await;
    assert_eq!((outcome.status, tally.of("a")), (RunStatus::Completed, 1));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e16_an_action_that_has_ended_here_is_answered_from_memory() {
    let (double, tally) = (Double::start().await, Tally::default());
    let registry = one_counted(&tally);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, _) = run(&engine, "One").await;
    eventually(|| worker.snapshot().to_tell == 0).await;
    double.look(|state| {
        state.runs.get_mut(run_id.as_str()).unwrap().tasks.get_mut("a").unwrap().phase = TaskPhase::Queued
    });
    eventually(|| double.look(|state| state.view(run_id.as_str(), "a").phase == TaskPhase::Completed)).await;
    assert_eq!((tally.of("a"), worker.snapshot().counts.answered), (1, 1));
    worker.stop().await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_task_logs_reaches_the_dashboard_in_order_and_as_it_takes_it() {
    let double = Double::start().await;
    let work = task(|ctx, _, _| async move {
        for number in 0..50 {
            ctx.log(trackscribe::workflow::LogLevel::Info, format!("line {number}"));
        }
        ctx.log(trackscribe::workflow::LogLevel::Warn, "");
        ctx.log(trackscribe::workflow::LogLevel::Error, format!("long {}\0", "ü".repeat(20_000)));
        ctx.put_stream(b"chunk \xff");
        ctx.put_stream(b"another");
        Ok(json!({}))
    });
    let registry = registry(&[one("One", "")], slots(1), &[("One.a", work)]);
    let worker = worker(&double, &registry).await;
    let engine = client(&double, &registry).await;
    let (run_id, _) = run(&engine, "One").await;
    eventually(|| double.look(|state| state.view(run_id.as_str(), "a").chunks.len() == 2)).await;
    let task = double.look(|state| state.view(run_id.as_str(), "a"));
    assert_eq!(task.logs.len(), 51);
    assert!(
        task.logs.iter().take(50).enumerate().all(|(n, (level, line))| level == "INFO" && *line == format!("line {n}"))
    );
    assert!(task.logs[50].0 == "ERROR" && task.logs[50].1.starts_with("long ü"));
    assert_eq!(task.chunks, [(0, "chunk \u{fffd}".as_bytes().to_vec()), (1, b"another".to_vec())]);
    worker.stop().await;
    double.assert_no_violation();
}
