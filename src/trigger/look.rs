//! What became of a run that was asked for, said in the store where the run could not.
//!
//! A run that died of something that may pass is not resumed but started anew, as the repetition of the dead one. That works
//! on all engines alike: none of them has to remember the dead run, and a workflow whose shape has changed since is no
//! obstacle. Windows, aligned tracks and mixdowns are found by their content, so nothing long is made twice.

use std::time::Duration;

use super::start::{LOOK, Trigger, wait_after};
use crate::engine::{EngineError, RunStatus};
use crate::failure::FailureClass;
use crate::ids::RunId;
use crate::secret::redacted;
use crate::store::run_requests::{self, DeadRun, RequestState, RunRequestRow};
use crate::store::transcripts::TranscriptFailure;
use crate::store::{StoreError, TranscriptRow, transcripts};
use crate::transcript::{Run, StatusEvent};

/// How long after the first death runs are started again.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// The wait after the first death; doubled with each.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait after a death.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

impl Trigger {
    /// Looks at an active request: asks the engine for a run if it has none, ends it when its run is over, puts it back for
    /// another run when that died of something that may pass.
    pub(super) async fn look(&self, row: &RunRequestRow) -> Result<(), StoreError> {
        let run = match (&row.state, &row.run) {
            (RequestState::Ended, _) => return Ok(()),
            (RequestState::Started, Some(run)) => run,
            (RequestState::Requested, _) | (RequestState::Started, None) => {
                return self.launch(row).await.map(drop);
            }
        };
        if row.provider != self.parts.provider {
            let why = format!("it ran on the engine {:?}, which is not in use any more", row.provider);
            return self.dead(row, run, FailureClass::Retryable, &why).await;
        }
        match self.parts.engine.status(run).await {
            Ok(RunStatus::Queued | RunStatus::Running) => {
                run_requests::look_again(&self.parts.database, &row.id, self.now().plus(LOOK)).await
            }
            Ok(RunStatus::Completed) => self.completed(row, run).await,
            Ok(RunStatus::Cancelled) => self.end(row, Some((FailureClass::Cancelled, "the run was cancelled"))).await,
            Ok(RunStatus::Failed) => self.failed(row, run).await,
            Err(EngineError::UnknownRun(_)) => {
                self.dead(row, run, FailureClass::Retryable, "the engine does not know the run any more").await
            }
            Err(error) => self.not_reached(row, &error).await,
        }
    }

    async fn not_reached(&self, row: &RunRequestRow, error: &EngineError) -> Result<(), StoreError> {
        let at = self.now().plus(wait_after(row.tries));
        run_requests::again(&self.parts.database, &row.id, at, &redacted(&error.to_string())).await
    }

    async fn completed(&self, row: &RunRequestRow, run: &RunId) -> Result<(), StoreError> {
        let transcript = transcripts::read(&self.parts.database, &row.transcript).await?;
        if transcript.is_none_or(|transcript| is_published(&transcript, run) || was_superseded(&transcript, row, run)) {
            return self.end(row, None).await;
        }
        self.end(row, Some((FailureClass::Permanent, "the run completed, but it published no transcript"))).await
    }

    async fn failed(&self, row: &RunRequestRow, run: &RunId) -> Result<(), StoreError> {
        let outcome = match self.parts.engine.wait(run).await {
            Ok(outcome) => outcome,
            Err(error) => return self.not_reached(row, &error).await,
        };
        if let Some(failure) = outcome.failure {
            return self.dead(row, run, failure.class, &failure.message).await;
        }
        // Engines that keep no cause: the run's on-failure task has written one, if it could.
        let transcript = transcripts::read(&self.parts.database, &row.transcript).await?;
        let said = transcript.filter(|transcript| transcript.current_run.as_ref() == Some(run));
        match said.and_then(|transcript| transcript.failure) {
            Some(said) if said.class != FailureClass::Retryable.as_str() => {
                self.dead(row, run, FailureClass::Permanent, &said.message).await
            }
            Some(said) => self.dead(row, run, FailureClass::Retryable, &said.message).await,
            // No task got as far as failing: nothing worked on it in time, or its worker was lost.
            None => self.dead(row, run, FailureClass::Retryable, "the run failed before any task could say why").await,
        }
    }

    async fn dead(
        &self,
        row: &RunRequestRow,
        run: &RunId,
        class: FailureClass,
        message: &str,
    ) -> Result<(), StoreError> {
        let transcript = transcripts::read(&self.parts.database, &row.transcript).await?;
        if transcript.as_ref().is_some_and(|transcript| is_published(transcript, run)) {
            // What comes after publishing is in the outbox: a finished transcript is not made again for it.
            tracing::warn!(run = run.as_str(), message, "the transcript is finished, a later step failed");
            return self.end(row, None).await;
        }
        let now = self.now();
        let give_up_at = row.give_up_at.unwrap_or_else(|| now.plus(PATIENCE));
        if class != FailureClass::Retryable || now >= give_up_at {
            return self.end(row, Some((class, message))).await;
        }
        let next_try_at = now.plus(wait_after_death(row.deaths)).min(give_up_at);
        if let Some(transcript) = &transcript {
            let told = format!("{message} (another run is started at {next_try_at})");
            self.mark(transcript, row, run, class, &told).await?;
        }
        let error = redacted(message);
        let dead = DeadRun { run, error: &error, next_try_at, give_up_at };
        if run_requests::died(&self.parts.database, &row.id, dead).await? {
            let (recording, run) = (row.recording.as_str(), run.as_str());
            tracing::warn!(recording, run, error, %next_try_at, "the run died of something that may pass");
        }
        Ok(())
    }

    /// Ends a request; with a failure, that of a transcript that is not finished. Whoever denied consent while the run was
    /// at work is heard now.
    pub(super) async fn end(
        &self,
        row: &RunRequestRow,
        failure: Option<(FailureClass, &str)>,
    ) -> Result<(), StoreError> {
        let message = failure.map(|(_, message)| redacted(message));
        if let (Some((class, _)), Some(message)) = (failure, &message)
            && let Some(transcript) = transcripts::read(&self.parts.database, &row.transcript).await?
        {
            match &row.run {
                Some(run) => self.mark(&transcript, row, run, class, message).await?,
                None => self.tell_failure(&transcript, StatusEvent::RunNeverBegan, class, message).await?,
            }
        }
        if run_requests::ended(&self.parts.database, &row.id, message.as_deref(), self.now()).await? {
            let recording = row.recording.as_str();
            match &message {
                None => tracing::info!(recording, transcript = row.transcript.as_str(), "processed"),
                Some(error) => tracing::error!(recording, error, "not processed"),
            }
            if failure.is_none() {
                self.parts.consent.enforce(&row.recording).await?;
            }
        }
        Ok(())
    }

    /// Says in the transcript that its run is dead, where the run itself could not.
    async fn mark(
        &self,
        transcript: &TranscriptRow,
        row: &RunRequestRow,
        run: &RunId,
        class: FailureClass,
        message: &str,
    ) -> Result<(), StoreError> {
        if transcript.current_run.as_ref() == Some(run) {
            self.tell_failure(transcript, StatusEvent::RunFailed(Run::Current), class, message).await
        } else if transcript.current_run == row.run_before {
            self.tell_failure(transcript, StatusEvent::RunNeverBegan, class, message).await
        } else {
            Ok(())
        }
    }

    /// Marks a transcript as failed by no task's doing.
    pub(super) async fn tell_failure(
        &self,
        transcript: &TranscriptRow,
        event: StatusEvent,
        class: FailureClass,
        message: &str,
    ) -> Result<(), StoreError> {
        let failure =
            TranscriptFailure { task: "run".to_owned(), class: class.as_str().to_owned(), message: redacted(message) };
        self.tell(transcript, event, Some(&failure)).await
    }
}

/// Whether readers see what this run made.
fn is_published(transcript: &TranscriptRow, run: &RunId) -> bool {
    transcript.published_run.as_ref() == Some(run)
}

/// Whether a run that nobody asked for here has begun since.
fn was_superseded(transcript: &TranscriptRow, row: &RunRequestRow, run: &RunId) -> bool {
    transcript.current_run.as_ref() != Some(run) && transcript.current_run != row.run_before
}

fn wait_after_death(deaths: i64) -> Duration {
    let doublings = u32::try_from(deaths.clamp(0, 16)).unwrap_or(0);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}
