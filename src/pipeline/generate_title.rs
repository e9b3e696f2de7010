//! `generate_title`: what the meeting was about, in a few words.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::meeting::{meeting_text, topics};
use super::process_tracks::ProcessTracksOutput;
use super::{Services, TranscriptInput};
use crate::results::{self, TitleResult};
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct GenerateTitle;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
    process_tracks: ProcessTracksOutput,
}

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerateTitleOutput {
    /// Who made it.
    pub backend: String,
    /// A few words.
    pub title: String,
}

#[async_trait]
impl Task<Services> for GenerateTitle {
    const NAME: &'static str = "generate_title";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = GenerateTitleOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<GenerateTitleOutput, TaskError> {
        let meeting = meeting_text(ctx, services, &parents.get_recording, &parents.process_tracks).await?;
        let topics = topics(ctx, services).await?;
        let title = services.language.title(&meeting, &topics, ctx.cancellation()).await?;
        let result = TitleResult { backend: services.language.name().to_owned(), title };
        results::put(&services.writer(ctx, &input.transcript_id), &result).await?;
        Ok(GenerateTitleOutput { backend: result.backend, title: result.title })
    }
}
