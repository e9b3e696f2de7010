//! `mark_failed`: runs once when a task has failed for good. Status `error`, unless the transcript already ended.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Services, TranscriptInput};
use crate::failure::FailureClass;
use crate::store::{StoreError, transcripts};
use crate::transcript::{Run, Status, StatusEvent};
use crate::workflow::{NoParents, Task, TaskContext, TaskError};

/// The step.
pub struct MarkFailed;

/// What it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkFailedOutput {
    /// The task that failed first.
    pub task: String,
    /// Why.
    pub message: String,
    /// Whether the transcript's status is `error` now; not when it had ended or a newer run works on it.
    pub marked: bool,
}

#[async_trait]
impl Task<Services> for MarkFailed {
    const NAME: &'static str = "mark_failed";
    type Input = TranscriptInput;
    type Parents = NoParents;
    type Output = MarkFailedOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        _: NoParents,
    ) -> Result<MarkFailedOutput, TaskError> {
        let error = ctx.task_run_errors().first().cloned();
        let (task, class, message) = match error {
            Some(error) => (error.task, error.class, error.message),
            None => ("unknown".to_owned(), FailureClass::Permanent, "the run failed without a failed task".to_owned()),
        };
        let marked = mark(ctx, services, &input, (&task, class, &message)).await?;
        Ok(MarkFailedOutput { task, message, marked })
    }
}

async fn mark(
    ctx: &TaskContext,
    services: &Services,
    input: &TranscriptInput,
    failure: (&str, FailureClass, &str),
) -> Result<bool, TaskError> {
    let Some(row) = transcripts::read(services.database(), &input.transcript_id).await? else { return Ok(false) };
    let writer = services.writer(ctx, &input.transcript_id);
    let run = if row.current_run.as_ref() == Some(writer.run()) { Run::Current } else { Run::Other };
    let status: Status = row.status.parse().map_err(|error| TaskError::permanent(format!("status: {error}")))?;
    let Some(after) = status.after(StatusEvent::RunFailed(run)) else { return Ok(false) };
    match writer.change_status(status.as_str(), after.as_str(), Some(failure), ctx.clock().now()).await {
        Err(StoreError::Superseded { .. }) => Ok(false),
        changed => Ok(changed?),
    }
}
