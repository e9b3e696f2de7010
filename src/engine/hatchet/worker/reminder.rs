//! Sees to it that a retry begins soon after its wait. The engine looks at a queue in which nothing happens only every 30 to
//! 45 s, and does not look when a retry's wait is over. It looks whenever it hears of a task of that queue, old news
//! too: so it is told once more how the failed attempt ended. It knows that already, and so nothing else comes of it.

use std::sync::Arc;
use std::time::Duration;

use super::action::Envelope;
use super::dispatch::Dispatch;
use super::ledger::Outcome;
use crate::engine::hatchet::error::told;
use crate::engine::hatchet::rest::TaskState;
use crate::workflow::Limits;

/// When a retry that has not begun is asked for, counted from the end of its wait: the engine puts it into the queue a
/// second or two late; where nothing was done for long, half a minute.
const LATE: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(12), Duration::from_secs(33)];

/// Looks after the retry of an attempt that ended with `outcome`.
pub(super) fn look_after(dispatch: &Arc<Dispatch>, envelope: &Arc<Envelope>, outcome: &Arc<Outcome>, limits: &Limits) {
    let before = u32::try_from(envelope.key.retry_count).unwrap_or(u32::MAX);
    let may_retry = matches!(**outcome, Outcome::Failed { may_retry: true, .. });
    // Hand-overs count too, so there may be no retry that is not known here, but none is known that will not be.
    if !may_retry || before >= limits.retries {
        return;
    }
    let (dispatch, envelope, outcome) = (Arc::clone(dispatch), Arc::clone(envelope), Arc::clone(outcome));
    let wait = limits.backoff(before + 1);
    tokio::spawn(async move {
        let ended = dispatch.clock.now();
        for late in LATE {
            dispatch.clock.sleep_until(ended.plus(wait + late)).await;
            if !dispatch.ledger.awaits_retry(&envelope.key) || has_begun(&dispatch, &envelope).await {
                return;
            }
            let event = outcome.event(&envelope, dispatch.clock.now().into());
            tracing::debug!(
                task_run = envelope.key.task_run,
                action = envelope.action,
                "a retry is late; asking for it"
            );
            if let Err(status) = dispatch.connection.send_event(event).await {
                tracing::debug!(error = told(&status), "a late retry could not be asked for");
            }
        }
    });
}

/// Whether another worker has the retry.
async fn has_begun(dispatch: &Dispatch, envelope: &Envelope) -> bool {
    match dispatch.rest.task(&envelope.key.task_run).await {
        Ok(Some(task)) => {
            let is_newer = task.retry_count.is_some_and(|shown| shown > envelope.key.retry_count);
            is_newer && task.status != TaskState::Queued
        }
        Ok(None) | Err(_) => false,
    }
}
