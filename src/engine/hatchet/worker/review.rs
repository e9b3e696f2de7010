//! Asks what became of attempts while nobody listened. The engine sends a cancellation once, to the stream that is there;
//! and what it gave to another worker meanwhile it does not take back. What it gave to us meanwhile may never have come.

use std::sync::Arc;
use std::time::Duration;

use super::dispatch::Dispatch;
use super::ledger::{AttemptKey, Void};
use super::lost;
use crate::engine::hatchet::rest::TaskSummary;

/// How often all that runs is asked for.
const ROUND: Duration = Duration::from_secs(300);

/// Asks for these attempts a few times, and for what `worker` should have had.
pub(super) async fn after_reopening(dispatch: Arc<Dispatch>, attempts: Vec<AttemptKey>, worker: String) {
    let mut missed: Option<Vec<AttemptKey>> = None;
    for wait in dispatch.look_back {
        dispatch.clock.sleep_until(dispatch.clock.now().plus(wait)).await;
        look(&dispatch, &attempts).await;
        match lost::unheard_of(&dispatch, &worker).await {
            Ok(unheard_of) => {
                let keys = unheard_of.iter().map(|envelope| envelope.key.clone()).collect();
                // What is missed twice is not just on its way.
                if let Some(before) = missed.replace(keys) {
                    let lost = unheard_of.into_iter().filter(|envelope| before.contains(&envelope.key));
                    lost.for_each(|envelope| lost::give_back(&dispatch, envelope));
                }
            }
            Err(error) => tracing::debug!(%error, "what should have come can't be asked"),
        }
    }
}

/// Asks for all that runs, for ever.
pub(super) async fn rounds(dispatch: Arc<Dispatch>) {
    loop {
        dispatch.clock.sleep_until(dispatch.clock.now().plus(ROUND)).await;
        look(&dispatch, &dispatch.ledger.running()).await;
    }
}

async fn look(dispatch: &Dispatch, attempts: &[AttemptKey]) {
    let running = dispatch.ledger.running();
    for key in attempts.iter().filter(|key| running.contains(key)) {
        match dispatch.rest.task(&key.task_run).await {
            Ok(Some(task)) => {
                if let Some(why) = void(key, &task) {
                    tracing::info!(
                        task_run = key.task_run,
                        retry_count = key.retry_count,
                        ?why,
                        "nobody wants this attempt any more"
                    );
                    dispatch.ledger.void(key, why);
                }
            }
            // Not shown yet, or shown no more: it goes on.
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "what became of running tasks can't be asked");
                return;
            }
        }
    }
}

/// Why an attempt is not wanted, by what the read side shows of its task. That side may be behind, never ahead.
fn void(key: &AttemptKey, task: &TaskSummary) -> Option<Void> {
    let shown = task.retry_count.unwrap_or(key.retry_count);
    if shown > key.retry_count {
        return Some(Void::Superseded);
    }
    (shown == key.retry_count && task.status.is_final()).then_some(Void::Cancelled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_surely_over_is_stopped() {
        let key = AttemptKey { task_run: "t".to_owned(), retry_count: 1 };
        let table = [
            ("RUNNING", Some(1), None),
            ("QUEUED", Some(1), None),
            ("RUNNING", Some(2), Some(Void::Superseded)),
            ("CANCELLED", Some(1), Some(Void::Cancelled)),
            ("FAILED", Some(1), Some(Void::Cancelled)),
            ("FAILED", Some(0), None),
            ("RUNNING", None, None),
        ];
        for (status, retry_count, expected) in table {
            let task = json!({"taskExternalId": "t", "workflowRunExternalId": "r", "status": status, "retryCount": retry_count});
            assert_eq!(void(&key, &serde_json::from_value(task).unwrap()), expected, "{status} {retry_count:?}");
        }
    }
}
