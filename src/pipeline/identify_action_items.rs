//! `identify_action_items`: what was decided, and who does what until when.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::meeting::meeting_text;
use super::process_tracks::ProcessTracksOutput;
use super::{Services, TranscriptInput};
use crate::results::{self, ActionItemsResult};
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct IdentifyActionItems;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
    process_tracks: ProcessTracksOutput,
}

/// What the tasks after it are told. The texts are in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifyActionItemsOutput {
    /// Who found them.
    pub backend: String,
    /// How many.
    pub decisions: usize,
    /// How many.
    pub next_steps: usize,
}

#[async_trait]
impl Task<Services> for IdentifyActionItems {
    const NAME: &'static str = "identify_action_items";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = IdentifyActionItemsOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<IdentifyActionItemsOutput, TaskError> {
        let meeting = meeting_text(ctx, services, &parents.get_recording, &parents.process_tracks).await?;
        let items = services.language.action_items(&meeting, ctx.cancellation()).await?;
        let result = ActionItemsResult { backend: services.language.name().to_owned(), items };
        results::put(&services.writer(ctx, &input.transcript_id), &result).await?;
        Ok(IdentifyActionItemsOutput {
            decisions: result.items.decisions.len(),
            next_steps: result.items.next_steps.len(),
            backend: result.backend,
        })
    }
}
