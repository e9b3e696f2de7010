//! `get_recording`: what Daily knows of the recording, its list of tracks put into the store, status `processing`.

use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::{PipelineInput, Services};
use crate::clock::Timestamp;
use crate::daily::{DailyError, ListedTrack, Recording, RecordingTrack, recording_start, recording_tracks};
use crate::ids::{RecordingId, TrackId};
use crate::storage::ObjectKey;
use crate::store::recordings::{self, RecordingRow, TrackRow};
use crate::store::{consents, transcripts};
use crate::transcript::{Run, Status, StatusEvent, round_seconds};
use crate::workflow::{LogLevel, NoParents, Task, TaskContext, TaskError};

/// How many files are looked for at once.
const LOOKS: usize = 16;

/// The step.
pub struct GetRecording;

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GetRecordingOutput {
    /// Daily's recording.
    pub recording_id: RecordingId,
    /// Daily's meeting session, which knows who took part.
    pub meeting_id: Option<String>,
    /// The room.
    pub room_name: Option<String>,
    /// Seconds, as Daily says.
    pub duration: Option<f64>,
    /// Seconds since the epoch, to the millisecond.
    pub started: Option<f64>,
    /// All tracks listed.
    pub tracks: usize,
    /// Those of somebody's microphone.
    pub speech_tracks: usize,
}

#[async_trait]
impl Task<Services> for GetRecording {
    const NAME: &'static str = "get_recording";
    type Input = PipelineInput;
    type Parents = NoParents;
    type Output = GetRecordingOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: PipelineInput,
        _: NoParents,
    ) -> Result<GetRecordingOutput, TaskError> {
        let (recording_id, audio_deleted_at) = start_processing(ctx, services, &input).await?;
        let recording = recording_of(services, &input, &recording_id).await?;
        if services.daily.lists_later() {
            recording.require_listed()?;
        }
        recording.require_raw_tracks()?;

        let tracks = recording_tracks(&recording);
        let started = recording_start(&recording);
        let bucket = recording.s3.as_ref().and_then(|place| place.bucket_name.clone());
        let row = RecordingRow {
            id: recording_id.clone(),
            room_name: recording.room_name.clone().or(input.room_name),
            meeting_id: recording.meeting_id.as_ref().map(ToString::to_string),
            bucket_name: bucket.or(input.bucket_name),
            s3_key: recording.s3key.clone(),
            started_at: started.map(|seconds| Timestamp::from_micros((seconds * 1e6).round() as i64)),
            duration: recording.duration.filter(|seconds| seconds.is_finite() && *seconds > 0.0),
        };
        let rows: Vec<TrackRow> = tracks.iter().enumerate().map(track_row).collect();
        let writer = services.writer(ctx, &input.transcript_id);
        // First of all: whoever says no has to find what is to be deleted, even if nothing can be made of it.
        recordings::put(&writer, &row, &rows, ctx.clock().now()).await?;

        let speech: Vec<&RecordingTrack> = tracks.iter().filter(|track| track.kind.is_speech()).collect();
        let speech_tracks = speech.len();
        if speech.is_empty() {
            return Err(DailyError::NoSpeechTrack { id: recording_id.to_string() }.into());
        }
        require_files(services, &speech, audio_deleted_at).await?;
        for note in tracks.iter().filter_map(|track| track.note.as_ref()) {
            ctx.log(LogLevel::Warn, note);
        }
        if audio_deleted_at.is_some() && consents::denied(services.database(), &recording_id).await?.is_empty() {
            writer.audio_allowed().await?;
        }
        ctx.log(LogLevel::Info, format!("{speech_tracks} tracks of speech among {}", rows.len()));
        Ok(GetRecordingOutput {
            recording_id,
            meeting_id: row.meeting_id,
            room_name: row.room_name,
            duration: row.duration.map(round_seconds),
            started: started.map(round_seconds),
            tracks: rows.len(),
            speech_tracks,
        })
    }
}

/// Makes this run the transcript's current one, its status `processing`. Says which recording it is of, and when its
/// audio was deleted, if it was.
async fn start_processing(
    ctx: &TaskContext,
    services: &Services,
    input: &PipelineInput,
) -> Result<(RecordingId, Option<Timestamp>), TaskError> {
    let now = ctx.clock().now();
    if let Some(recording) = &input.recording_id {
        // Triggers of the system before this one name transcripts that only their own database has.
        transcripts::create(services.database(), &input.transcript_id, recording, now).await?;
    }
    let writer = services.writer(ctx, &input.transcript_id);
    let before = writer.claim(now).await?;
    let recording = input.recording_id.clone().or_else(|| before.recording.clone()).ok_or_else(|| {
        TaskError::permanent(format!(
            "neither the run's input nor transcript {} says which recording it is of: start the run with recording_id",
            input.transcript_id
        ))
    })?;
    let status: Status = before.status.parse().map_err(|error| TaskError::permanent(format!("status: {error}")))?;
    let run = if before.current_run.as_ref() == Some(writer.run()) { Run::Current } else { Run::Other };
    if let Some(after) = status.after(StatusEvent::RunStarted(run)) {
        writer.change_status(status.as_str(), after.as_str(), None, now).await?;
    }
    Ok((recording, before.audio_deleted_at))
}

/// Daily's answer; the input's own list of tracks, where it has one, counts for more.
async fn recording_of(services: &Services, input: &PipelineInput, id: &RecordingId) -> Result<Recording, TaskError> {
    let mut recording = services.daily.recording(id).await?;
    // It lists some of its tracks, or none, until it is over.
    recording.require_finished()?;
    if let Some(tracks) = input.tracks.as_ref().filter(|tracks| !tracks.is_empty()) {
        recording.tracks = tracks
            .iter()
            .map(|track| ListedTrack { media_type: None, s3_key: track.s3_key.clone(), size: None })
            .collect();
    }
    Ok(recording)
}

/// A listed microphone whose file is missing would be a voice that silently vanishes from the meeting.
async fn require_files(
    services: &Services,
    speech: &[&RecordingTrack],
    audio_deleted_at: Option<Timestamp>,
) -> Result<(), TaskError> {
    let keys: Vec<String> = speech.iter().map(|track| track.key.clone()).collect();
    stream::iter(keys)
        .map(|key| async move {
            match services.originals.size(&key.parse::<ObjectKey>()?).await? {
                Some(_) => Ok(()),
                None => Err(match audio_deleted_at {
                    Some(deleted) => TaskError::permanent(format!(
                        "track {key}: the recording's audio was deleted at {deleted} because consent was denied, so it \
                         can't be processed again; the transcript stays as it is"
                    )),
                    None => DailyError::TrackMissing { key }.into(),
                }),
            }
        })
        .buffered(LOOKS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

fn track_row((position, track): (usize, &RecordingTrack)) -> TrackRow {
    TrackRow {
        id: TrackId::at(position),
        source_key: track.key.clone(),
        kind: track.kind.as_str().to_owned(),
        participant: track.participant.clone(),
        name_offset: track.offset,
        note: track.note.clone(),
    }
}
