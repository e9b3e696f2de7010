//! `detect_topics`: what was talked about, when and for how long.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::meeting::meeting_text;
use super::process_tracks::ProcessTracksOutput;
use super::{Services, TranscriptInput};
use crate::results::{self, TopicsResult};
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct DetectTopics;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
    process_tracks: ProcessTracksOutput,
}

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetectTopicsOutput {
    /// Who found them.
    pub backend: String,
    /// How many.
    pub topics: usize,
}

#[async_trait]
impl Task<Services> for DetectTopics {
    const NAME: &'static str = "detect_topics";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = DetectTopicsOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<DetectTopicsOutput, TaskError> {
        let meeting = meeting_text(ctx, services, &parents.get_recording, &parents.process_tracks).await?;
        let topics = services.language.topics(&meeting, ctx.cancellation()).await?;
        let result = TopicsResult { backend: services.language.name().to_owned(), topics };
        results::put(&services.writer(ctx, &input.transcript_id), &result).await?;
        Ok(DetectTopicsOutput { topics: result.topics.len(), backend: result.backend })
    }
}
