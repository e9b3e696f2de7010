//! Makes good what runs and engines leave undone, the same on every engine, through its face: starts what was never started,
//! says in the store what a dead run could not, starts again what died of something that may pass, and hears those who denied
//! consent while a run was at work.

use std::time::Duration;

use async_trait::async_trait;

use super::Trigger;
use crate::duty::Round;
use crate::engine::{EngineError, RunStatus};
use crate::failure::{Failure as _, FailureClass};
use crate::secret::redacted;
use crate::store::{StoreError, TranscriptRow, run_requests, transcript_repair};
use crate::transcript::{Run, StatusEvent};

/// Requests and transcripts looked at in one go.
const BATCH: u32 = 200;
/// How soon a request is looked at again that could not be read.
const ODD: Duration = Duration::from_secs(5 * 60);

/// Looks after all runs.
pub struct Reconciler {
    trigger: Trigger,
}

/// What one look did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Requests that were looked at.
    pub requests: usize,
    /// Transcripts that nobody asked for here and whose run is dead.
    pub marked: usize,
    /// Recordings whose audio was still to be deleted.
    pub denied: usize,
}

impl Reconciler {
    /// Looks after the runs of this trigger's engine.
    pub fn new(trigger: Trigger) -> Self {
        Self { trigger }
    }

    /// Looks once at everything whose time has come.
    ///
    /// # Errors
    /// When the database fails. An engine that can't be reached is none: it is asked again later.
    pub async fn once(&self) -> Result<Reconciled, StoreError> {
        let database = &self.trigger.parts.database;
        let mut reconciled = Reconciled::default();
        for row in run_requests::due(database, self.trigger.now(), BATCH).await? {
            reconciled.requests += 1;
            if let Some(error) = odd(self.trigger.look(&row).await)? {
                let why = redacted(&error.to_string());
                tracing::error!(request = row.id.as_str(), error = why, "can't be looked after");
                let noted = run_requests::again(database, &row.id, self.trigger.now().plus(ODD), &why).await;
                odd(noted)?;
            }
        }
        for row in transcript_repair::processing_unasked(database, BATCH).await? {
            let mut marked = false;
            if let Some(error) = odd(self.unasked(&row).await.map(|is_dead| marked = is_dead))? {
                let error = redacted(&error.to_string());
                tracing::error!(transcript = row.id.as_str(), error, "can't be looked after");
            }
            reconciled.marked += usize::from(marked);
        }
        reconciled.denied = self.trigger.parts.consent.enforce_overdue().await?;
        Ok(reconciled)
    }

    /// A transcript that says a run is at work, which nobody asked for here: one that another program started, or a
    /// command. Says whether that run is dead.
    async fn unasked(&self, row: &TranscriptRow) -> Result<bool, StoreError> {
        let Some(run) = &row.current_run else { return Ok(false) };
        let why = match self.trigger.parts.engine.status(run).await {
            Ok(RunStatus::Queued | RunStatus::Running) => return Ok(false),
            Ok(RunStatus::Completed) => "the run completed, but it published no transcript",
            Ok(RunStatus::Cancelled) => "the run was cancelled",
            Ok(RunStatus::Failed) => "the run failed before any task could say why",
            Err(EngineError::UnknownRun(_)) => "the engine does not know the run any more",
            Err(error) => {
                tracing::debug!(run = run.as_str(), error = redacted(&error.to_string()), "asked again later");
                return Ok(false);
            }
        };
        let event = StatusEvent::RunFailed(Run::Current);
        self.trigger.tell_failure(row, event, FailureClass::Retryable, why).await?;
        tracing::warn!(transcript = row.id.as_str(), run = run.as_str(), why, "its run is dead");
        Ok(true)
    }
}

/// An error that is one row's own: it keeps nobody else waiting. A database that is away is everybody's.
fn odd(looked: Result<(), StoreError>) -> Result<Option<StoreError>, StoreError> {
    match looked {
        Ok(()) => Ok(None),
        Err(error) if error.class() == FailureClass::Retryable => Err(error),
        Err(error) => Ok(Some(error)),
    }
}

#[async_trait]
impl Round for Reconciler {
    type Error = StoreError;

    async fn round(&self) -> Result<(), StoreError> {
        self.once().await.map(drop)
    }
}
