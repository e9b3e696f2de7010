//! Stores events before they are answered, as many at once as have come: while one transaction is being made durable,
//! the next ones gather. Nobody waits for company: an event that comes alone is stored alone, at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::failure::{Failure as _, FailureClass};
use crate::http::Problem;
use crate::secret::redacted;
use crate::store::Database;
use crate::store::daily_events::{self, DailyEventRow};

/// Events that wait.
const QUEUE: usize = 1024;
/// Bytes of events that wait or are being stored, in units.
const QUEUE_UNITS: usize = 32 * 1024;
/// Bytes per unit.
const UNIT: usize = 1024;
/// Events in one transaction.
const BATCH: usize = 64;
/// How long one transaction may take: Daily wants an answer soon, and will send the event again.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before a failed transaction is tried the second and last time: a lost connection is made anew.
const RETRY: Duration = Duration::from_millis(50);

/// Hands events to the task that stores them; the task ends when all of these are gone.
#[derive(Clone)]
pub(super) struct EventWriter {
    queue: mpsc::Sender<Waiting>,
    units: Arc<Semaphore>,
}

struct Waiting {
    event: DailyEventRow,
    answer: oneshot::Sender<Result<(), FailureClass>>,
    _units: OwnedSemaphorePermit,
}

impl EventWriter {
    /// Starts the task that stores events in `database` and wakes `inbox` when there are new ones.
    pub(super) fn start(database: Database, inbox: Arc<Notify>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(database, inbox, waiting));
        Self { queue, units: Arc::new(Semaphore::new(QUEUE_UNITS)) }
    }

    /// Returns when the event is stored for good; one that was stored before is stored.
    ///
    /// # Errors
    /// 503 when too many wait or the database can't be written now, 500 when it refuses this event.
    pub(super) async fn store(&self, event: DailyEventRow) -> Result<(), Problem> {
        let full = || Problem::unavailable("busy", "too many deliveries wait to be stored");
        let units = u32::try_from(event.body.len() / UNIT + 1).unwrap_or(u32::MAX);
        let units = self.units.clone().try_acquire_many_owned(units).map_err(|_| full())?;
        let (answer, stored) = oneshot::channel();
        self.queue.try_send(Waiting { event, answer, _units: units }).map_err(|_| full())?;
        match stored.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(FailureClass::Permanent)) => Err(Problem::internal()),
            // The task is gone only when the program is stopping.
            Ok(Err(_)) | Err(_) => Err(Problem::unavailable("not_stored", "the event could not be stored now")),
        }
    }
}

async fn write(database: Database, inbox: Arc<Notify>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (events, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|waiting| (waiting.event, (waiting.answer, waiting._units))).unzip();
        match store_twice(&database, &events).await {
            Ok(new) => {
                if new > 0 {
                    inbox.notify_one();
                }
                for (answer, _) in answers {
                    let _ = answer.send(Ok(()));
                }
            }
            Err(FailureClass::Permanent) if events.len() > 1 => {
                // One of them can't be stored; the others are not to suffer for it.
                for (event, (answer, _)) in events.iter().zip(answers) {
                    let stored = store_twice(&database, std::slice::from_ref(event)).await;
                    let _ = answer.send(stored.map(|_| inbox.notify_one()));
                }
            }
            Err(class) => {
                for (answer, _) in answers {
                    let _ = answer.send(Err(class));
                }
            }
        }
    }
}

/// Says how many were new.
async fn store_twice(database: &Database, events: &[DailyEventRow]) -> Result<u64, FailureClass> {
    match store(database, events).await {
        Err(FailureClass::Retryable) => {
            tokio::time::sleep(RETRY).await;
            store(database, events).await
        }
        stored => stored,
    }
}

async fn store(database: &Database, events: &[DailyEventRow]) -> Result<u64, FailureClass> {
    let (class, error) = match tokio::time::timeout(STORE_TIMEOUT, daily_events::put(database, events)).await {
        Ok(Ok(new)) => return Ok(new),
        Ok(Err(error)) => (error.class(), redacted(&format!("{error:?}"))),
        Err(_) => (FailureClass::Retryable, "no answer in time".to_owned()),
    };
    tracing::error!(events = events.len(), error, "events could not be stored");
    Err(class)
}
