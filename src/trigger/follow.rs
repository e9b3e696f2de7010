//! Waits for a request's end, whoever else looks after it: for commands, which may run where no `serve` does.

use std::time::Duration;

use super::{Trigger, TriggerError};
use crate::clock::Timestamp;
use crate::failure::{Failure as _, FailureClass};
use crate::ids::{RequestId, RunId, TranscriptId};
use crate::secret::redacted;
use crate::store::StoreError;
use crate::store::run_requests::{self, RequestState};

/// The shortest wait between two looks that found nothing new.
const BREATH: Duration = Duration::from_millis(500);
/// How long the database may be away without a break.
const AWAY: Duration = Duration::from_secs(15 * 60);

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The transcript.
    pub transcript: TranscriptId,
    /// The last run, if there was any.
    pub run: Option<RunId>,
    /// Why there is no finished transcript.
    pub error: Option<String>,
    /// Runs that died on the way.
    pub deaths: i64,
}

impl Trigger {
    /// Waits until nothing more is done for a request: its run is over, and so are those that follow a death.
    ///
    /// A database that is away for a while is waited for, as everything else is.
    ///
    /// # Errors
    /// When the database fails for good, or for a quarter of an hour.
    pub async fn follow(&self, request: &RequestId) -> Result<Followed, TriggerError> {
        let mut outage = Outage::default();
        loop {
            match self.followed(request).await {
                Ok(Some(followed)) => return Ok(followed),
                Ok(None) => {
                    outage = Outage::default();
                    tokio::time::sleep(BREATH).await;
                }
                Err(error) => outage.wait(self.now(), error).await?,
            }
        }
    }

    /// One look, once there may be something new; `None` while more is to come.
    async fn followed(&self, request: &RequestId) -> Result<Option<Followed>, StoreError> {
        let row = run_requests::read(&self.parts.database, request).await?;
        let row = row.ok_or_else(|| StoreError::garbled("run request", "it was deleted"))?;
        match (row.state, &row.run) {
            (RequestState::Ended, _) => {
                let (transcript, run, error) = (row.transcript, row.run, row.last_error);
                return Ok(Some(Followed { transcript, run, error, deaths: row.deaths }));
            }
            (RequestState::Started, Some(run)) => {
                // An engine that can't be reached, or a run that it forgot: looking says which.
                if self.parts.engine.wait(run).await.is_ok() || row.next_try_at <= self.now() {
                    self.look(&row).await?;
                }
            }
            (RequestState::Requested | RequestState::Started, _) => {
                self.parts.clock.sleep_until(row.next_try_at).await;
                let again = run_requests::read(&self.parts.database, request).await?;
                if let Some(again) = again.filter(|again| again.next_try_at <= self.now()) {
                    self.look(&again).await?;
                }
            }
        }
        Ok(None)
    }
}

/// A database that is away, for whoever can wait until it is back.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Timestamp>,
}

impl Outage {
    /// Waits a moment after a failure that may pass.
    ///
    /// # Errors
    /// The failure, when it will not pass, or has lasted for too long.
    pub(super) async fn wait(&mut self, now: Timestamp, error: StoreError) -> Result<(), StoreError> {
        let since = *self.since.get_or_insert(now);
        if error.class() != FailureClass::Retryable || now.since(since) > AWAY {
            return Err(error);
        }
        if since == now {
            tracing::warn!(error = redacted(&error.to_string()), "the database is away; waiting until it is back");
        }
        tokio::time::sleep(BREATH).await;
        Ok(())
    }
}
