//! `get_participants`: who took part. One speaker per person, not per session or track; who was taken for whom, and why,
//! is stored.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::{Services, TranscriptInput};
use crate::daily::{ParticipantRow, TrackKind};
use crate::results;
use crate::store::recordings;
use crate::transcript::{Belonging, Roster, Speakers, SpeechTrack, Stay};
use crate::workflow::{LogLevel, Task, TaskContext, TaskError};

/// The step.
pub struct GetParticipants;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
}

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetParticipantsOutput {
    /// People, silent ones too.
    pub speakers: usize,
    /// Daily's sessions.
    pub sessions: usize,
    /// Sessions that were taken for somebody who had been there before.
    pub joined_sessions: usize,
}

#[async_trait]
impl Task<Services> for GetParticipants {
    const NAME: &'static str = "get_participants";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = GetParticipantsOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<GetParticipantsOutput, TaskError> {
        let recording = parents.get_recording;
        let meeting = recording.meeting_id.map(|id| id.parse()).transpose();
        let meeting = meeting.map_err(|error| TaskError::permanent(format!("meeting of the recording: {error}")))?;
        let rows = match &meeting {
            Some(meeting) => services.daily.participants(meeting).await?,
            None => {
                ctx.log(LogLevel::Warn, "the recording names no meeting session: nobody's name is known");
                Vec::new()
            }
        };
        let writer = services.writer(ctx, &input.transcript_id);
        let tracks = recordings::tracks(services.database(), writer.run()).await?;
        let speech = tracks.into_iter().filter(|track| track.kind == TrackKind::CamAudio.as_str());
        let roster = Roster {
            recording_start: recording.started.unwrap_or_default(),
            stays: rows.into_iter().map(stay).collect(),
            tracks: speech
                .map(|track| SpeechTrack {
                    track: track.id.to_string(),
                    session: track.participant,
                    start: track.name_offset.unwrap_or_default(),
                })
                .collect(),
        };
        let speakers = Speakers::of(&roster, &services.settings.names);
        let mut joined_sessions = 0;
        for who in &speakers.speakers {
            for session in who.sessions.iter().filter(|session| session.why != Belonging::First) {
                joined_sessions += 1;
                ctx.log(LogLevel::Info, format!("session {} is {} ({:?})", session.id, who.name, session.why));
            }
        }
        results::put(&writer, &speakers).await?;
        Ok(GetParticipantsOutput {
            speakers: speakers.speakers.len(),
            sessions: speakers.speakers.iter().map(|who| who.sessions.len()).sum(),
            joined_sessions,
        })
    }
}

fn stay(row: ParticipantRow) -> Stay {
    Stay {
        session: row.participant_id,
        user_id: row.user_id,
        name: row.user_name,
        joined: row.join_time,
        duration: row.duration,
    }
}
