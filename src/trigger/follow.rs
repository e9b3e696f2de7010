//! Waits for a request's end, whoever else looks after it: for commands, which may run where no `serve` does.

use std::time::Duration;

use super::{Trigger, TriggerError};
use crate::ids::{RequestId, RunId, TranscriptId};
use crate::store::StoreError;
use crate::store::run_requests::{self, RequestState};

/// The shortest wait between two looks that found nothing new.
const BREATH: Duration = Duration::from_millis(500);

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
    /// # Errors
    /// When the database fails.
    pub async fn follow(&self, request: &RequestId) -> Result<Followed, TriggerError> {
        loop {
            let row = run_requests::read(&self.parts.database, request).await?;
            let row = row.ok_or_else(|| StoreError::garbled("run request", "it was deleted"))?;
            match (row.state, &row.run) {
                (RequestState::Ended, _) => {
                    return Ok(Followed {
                        transcript: row.transcript,
                        run: row.run,
                        error: row.last_error,
                        deaths: row.deaths,
                    });
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
            tokio::time::sleep(BREATH).await;
        }
    }
}
