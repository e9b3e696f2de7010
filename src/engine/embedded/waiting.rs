//! What an attempt waits for before it begins: room in its task's rate limits, then a slot. Both waits together take at most
//! the task's `schedule_timeout`, and are no part of the attempt.

use std::sync::Arc;
use std::time::Duration;

use super::drive::Run;
use super::executor::{Executor, Stop};
use super::slots::Slot;
use crate::clock::Timestamp;
use crate::failure::FailureClass;
use crate::store::runs::StoredFailure;
use crate::workflow::{TaskDefinition, show_duration};

/// A slot for an attempt, and the moment at which it begins, which is now; or why it could not begin in time.
pub(super) async fn wait_to_begin(
    executor: &Arc<Executor>,
    run: &Arc<Run>,
    task: &TaskDefinition,
) -> Result<Result<(Slot, Timestamp), StoredFailure>, Stop> {
    let at_most = task.limits.schedule_timeout;
    let until = executor.clock.now().plus(at_most);
    let reserved = tokio::select! {
        biased;
        () = run.cancel.cancelled() => return Err(executor.why_cancelled()),
        reserved = executor.rate_limits.reserve(&task.rate_limits, run.priority) => reserved,
        () = executor.clock.sleep_until(until) => {
            let keys: Vec<&str> = task.rate_limits.keys().map(String::as_str).collect();
            let why = format!(
                "could not begin within {} (its schedule_timeout), because of its rate limit {}: too many others went before",
                show_duration(at_most), keys.join(" and ")
            );
            return Ok(Err(failure(task, &why)));
        }
    };
    let slot = slot_until(executor, run, task, until, at_most).await?;
    Ok(slot.map(|slot| (slot, reserved.begin().unwrap_or_else(|| executor.clock.now()))))
}

/// A slot of the task's pool, or why there was none in time.
pub(super) async fn wait_for_slot(
    executor: &Arc<Executor>,
    run: &Arc<Run>,
    task: &TaskDefinition,
    at_most: Duration,
) -> Result<Result<Slot, StoredFailure>, Stop> {
    slot_until(executor, run, task, executor.clock.now().plus(at_most), at_most).await
}

async fn slot_until(
    executor: &Arc<Executor>,
    run: &Arc<Run>,
    task: &TaskDefinition,
    until: Timestamp,
    at_most: Duration,
) -> Result<Result<Slot, StoredFailure>, Stop> {
    tokio::select! {
        biased;
        () = run.cancel.cancelled() => Err(executor.why_cancelled()),
        slot = executor.slots.take(task.pool, run.priority) => Ok(Ok(slot)),
        () = executor.clock.sleep_until(until) => {
            let why = format!(
                "got no slot of pool {} within {} (its schedule_timeout): the machine is busy with other tasks",
                task.pool, show_duration(at_most)
            );
            Ok(Err(failure(task, &why)))
        }
    }
}

fn failure(task: &TaskDefinition, why: &str) -> StoredFailure {
    let message = format!("task {} {why}", task.name);
    StoredFailure { task: Some(task.name.clone()), class: FailureClass::Retryable, message }
}
