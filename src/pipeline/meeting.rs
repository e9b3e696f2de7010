//! The meeting as a language backend reads it.

use super::Services;
use super::get_recording::GetRecordingOutput;
use super::process_tracks::ProcessTracksOutput;
use crate::language::MeetingText;
use crate::results::{self, TopicsResult};
use crate::transcript::{Speakers, Topic, meeting_duration};
use crate::workflow::{TaskContext, TaskError};

/// Reads the run's segments and names from the store.
pub async fn meeting_text(
    ctx: &TaskContext,
    services: &Services,
    recording: &GetRecordingOutput,
    tracks: &ProcessTracksOutput,
) -> Result<MeetingText, TaskError> {
    let run = &ctx.identity().root_run;
    let segments = results::read_segments(services.database(), run).await?;
    let speakers: Speakers = results::require(services.database(), run).await?;
    let names = speakers.speakers.into_iter().map(|who| who.name).collect();
    let duration = meeting_duration(recording.duration, tracks.media_end);
    Ok(MeetingText::new(segments, names, &tracks.language, duration))
}

/// The topics that an earlier task found.
pub async fn topics(ctx: &TaskContext, services: &Services) -> Result<Vec<Topic>, TaskError> {
    let topics: TopicsResult = results::require(services.database(), &ctx.identity().root_run).await?;
    Ok(topics.topics)
}
