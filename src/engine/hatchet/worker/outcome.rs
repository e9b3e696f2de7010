//! Tells the engine what became of attempts, until it has heard. Nothing but a newer attempt or a cancellation keeps an
//! outcome from being told: an engine that is away comes back.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::action::Envelope;
use super::ledger::{Ledger, Outcome};
use super::live::Live;
use crate::clock::SharedClock;
use crate::engine::hatchet::connection::Connection;
use crate::engine::hatchet::error::told;
use crate::engine::hatchet::patience::Patience;
use crate::engine::hatchet::status::{Meaning, meaning};
use crate::engine::hatchet::wire::TaskEventType;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long an engine may call an outcome wrong before it is believed: it says so of every task while it can't reach its
/// database.
const DISBELIEF: Duration = Duration::from_secs(15 * 60);

/// Tells outcomes. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) connection: Connection,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: SharedClock,
    pub(super) live: Arc<Live>,
    /// What is still to be told.
    pub(super) pending: TaskTracker,
}

impl Reporter {
    /// Says that an attempt has begun. Only people look at that, so it is tried twice and no more, and the outcome does not
    /// wait for it: the engine never takes a start that comes late for news of an attempt that is over.
    pub(super) fn started(&self, envelope: &Envelope) {
        let event = envelope.event(TaskEventType::Started, String::new(), true, self.clock.now().into());
        let connection = self.connection.clone();
        self.connection.thread().spawn(async move {
            for _ in 0..2 {
                match connection.send_event(event.clone()).await {
                    Ok(()) => return,
                    Err(status) => tracing::debug!(error = told(&status), "the start of a task was not told"),
                }
                tokio::time::sleep(FIRST_WAIT).await;
            }
        });
    }

    /// Tells how an attempt ended.
    pub(super) fn tell(&self, envelope: Arc<Envelope>, outcome: Arc<Outcome>) {
        let this = self.clone();
        self.live.to_tell(1);
        self.connection.thread().spawn(self.pending.track_future(async move {
            this.until_heard(&envelope, &outcome).await;
            this.live.to_tell(-1);
        }));
    }

    async fn until_heard(&self, envelope: &Envelope, outcome: &Outcome) {
        let (kind, payload, may_retry) = match outcome {
            Outcome::Completed(output) => (TaskEventType::Completed, output, true),
            Outcome::Failed { text, may_retry } => (TaskEventType::Failed, text, *may_retry),
        };
        let event = envelope.event(kind, payload.clone(), may_retry, self.clock.now().into());
        let key = &envelope.key;
        let mut patience = Patience::new(FIRST_WAIT, LONGEST_WAIT);
        let mut called_wrong = None;
        while self.ledger.why_void(key).is_none() {
            let Err(status) = self.connection.send_event(event.clone()).await else {
                self.ledger.acknowledge(key);
                return;
            };
            let now = self.clock.now();
            match meaning(status.code()) {
                Meaning::Again | Meaning::Refused => called_wrong = None,
                Meaning::Unknown | Meaning::Wrong => {
                    if now.since(*called_wrong.get_or_insert(now)) >= DISBELIEF {
                        let error = told(&status);
                        tracing::error!(
                            task_run = key.task_run,
                            action = envelope.action,
                            error,
                            "Hatchet does not take an outcome; it is given up"
                        );
                        self.ledger.acknowledge(key);
                        return;
                    }
                }
            }
            if patience.tries() == 0 {
                tracing::warn!(
                    task_run = key.task_run,
                    action = envelope.action,
                    error = told(&status),
                    "an outcome was not heard; it is told again until it is"
                );
            }
            self.live.told_again();
            self.clock.sleep_until(now.plus(patience.next())).await;
        }
    }
}
