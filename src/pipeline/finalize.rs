//! `finalize`: publishes this run's results, all in one transaction. Status `ended`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::detect_topics::DetectTopicsOutput;
use super::generate_summary::GenerateSummaryOutput;
use super::generate_title::GenerateTitleOutput;
use super::generate_waveform::GenerateWaveformOutput;
use super::get_participants::GetParticipantsOutput;
use super::get_recording::GetRecordingOutput;
use super::identify_action_items::IdentifyActionItemsOutput;
use super::mixdown_tracks::MixdownTracksOutput;
use super::process_tracks::ProcessTracksOutput;
use super::{Services, TranscriptInput};
use crate::transcript::meeting_duration;
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct Finalize;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
    get_participants: GetParticipantsOutput,
    process_tracks: ProcessTracksOutput,
    mixdown_tracks: MixdownTracksOutput,
    generate_waveform: GenerateWaveformOutput,
    detect_topics: DetectTopicsOutput,
    generate_title: GenerateTitleOutput,
    generate_summary: GenerateSummaryOutput,
    identify_action_items: IdentifyActionItemsOutput,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinalizeOutput {
    /// What the meeting was about.
    pub title: String,
    /// Seconds.
    pub duration: f64,
    /// People.
    pub speakers: usize,
    /// Words.
    pub words: usize,
    /// Topics.
    pub topics: usize,
    /// Decisions and next steps.
    pub action_items: usize,
    /// Characters of the long summary.
    pub summary_characters: usize,
    /// Whether there is audio with its waveform.
    pub audio: bool,
}

#[async_trait]
impl Task<Services> for Finalize {
    const NAME: &'static str = "finalize";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = FinalizeOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<FinalizeOutput, TaskError> {
        services.writer(ctx, &input.transcript_id).publish(ctx.clock().now()).await?;
        let audio = matches!(parents.mixdown_tracks, MixdownTracksOutput::Mixed { .. })
            && matches!(parents.generate_waveform, GenerateWaveformOutput::Drawn { .. });
        let items = &parents.identify_action_items;
        Ok(FinalizeOutput {
            title: parents.generate_title.title,
            duration: meeting_duration(parents.get_recording.duration, parents.process_tracks.media_end),
            speakers: parents.get_participants.speakers,
            words: parents.process_tracks.words,
            topics: parents.detect_topics.topics,
            action_items: items.decisions + items.next_steps,
            summary_characters: parents.generate_summary.long_characters,
            audio,
        })
    }
}
