//! Finds what was lost on its way to us: an action that was in a connection when that broke. The engine believes that it was
//! begun and would wait for its outcome until its time is over, which for some tasks is days. So it is told that the attempt
//! failed, and makes the next.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::action::Envelope;
use super::dispatch::Dispatch;
use super::ledger::{Arrival, Outcome};
use crate::engine::hatchet::error::HatchetError;
use crate::engine::hatchet::failure_text;
use crate::engine::hatchet::wire;
use crate::failure::FailureClass;

/// Runs that began longer ago are not looked at: more than the longest task may wait and run.
const LOOKED_AT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Attempts that the engine believes `worker` to make and that never came. What is just on its way is among them too.
///
/// # Errors
/// When the engine can't be asked.
pub(super) async fn unheard_of(dispatch: &Dispatch, worker: &str) -> Result<Vec<Envelope>, HatchetError> {
    let running = dispatch.rest.running_on(worker, dispatch.clock.now().minus(LOOKED_AT)).await?;
    let envelopes = running.into_iter().filter_map(|task| {
        let action = wire::Action {
            task_run_external_id: task.task_external_id,
            workflow_run_id: task.workflow_run_external_id,
            retry_count: task.retry_count?,
            action_id: task.action_id?,
            ..wire::Action::default()
        };
        Some(Envelope::new(action, worker))
    });
    Ok(envelopes.filter(|envelope| !dispatch.ledger.knows(&envelope.key)).collect())
}

/// Tells the engine that an attempt never began.
pub(super) fn give_back(dispatch: &Dispatch, envelope: Envelope) {
    let key = &envelope.key;
    // It may have come at last.
    if dispatch.ledger.arrives(key, &CancellationToken::new()) != Arrival::New {
        return;
    }
    let why = "it was lost on the way from Hatchet to the worker, when their connection broke";
    let text = failure_text::write(FailureClass::Retryable, why, None);
    if let Some(outcome) = dispatch.ledger.finish(key, Outcome::Failed { text, may_retry: true }) {
        let (task_run, retry_count) = (&key.task_run, key.retry_count);
        tracing::warn!(task_run, retry_count, action = envelope.action, "an attempt never came; Hatchet is told so");
        dispatch.reporter.tell(Arc::new(envelope), outcome);
    }
}
