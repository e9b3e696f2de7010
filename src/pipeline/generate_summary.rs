//! `generate_summary`: the meeting retold, in short and in long.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::meeting::{meeting_text, topics};
use super::process_tracks::ProcessTracksOutput;
use super::{Services, TranscriptInput};
use crate::results::{self, SummaryResult};
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct GenerateSummary;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
    process_tracks: ProcessTracksOutput,
}

/// What the tasks after it are told. The texts are in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateSummaryOutput {
    /// Who made it.
    pub backend: String,
    /// Characters of the short one.
    pub short_characters: usize,
    /// Characters of the long one.
    pub long_characters: usize,
}

#[async_trait]
impl Task<Services> for GenerateSummary {
    const NAME: &'static str = "generate_summary";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = GenerateSummaryOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<GenerateSummaryOutput, TaskError> {
        let meeting = meeting_text(ctx, services, &parents.get_recording, &parents.process_tracks).await?;
        let topics = topics(ctx, services).await?;
        let summary = services.language.summary(&meeting, &topics, ctx.cancellation()).await?;
        let backend = services.language.name().to_owned();
        let result = SummaryResult { backend, short: summary.short, long: summary.long };
        results::put(&services.writer(ctx, &input.transcript_id), &result).await?;
        Ok(GenerateSummaryOutput {
            short_characters: result.short.chars().count(),
            long_characters: result.long.chars().count(),
            backend: result.backend,
        })
    }
}
