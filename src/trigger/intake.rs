//! A recording is noticed, by whom ever: it is noted, and a run is asked for unless something speaks against it.

use super::{Origin, RoomPolicy, Trigger, TriggerError, Triggered, Wanted};
use crate::clock::Timestamp;
use crate::daily::{Recording, RecordingKind, recording_start};
use crate::store::recording_standing::{self, FINISHED, Standing};
use crate::store::recordings::RecordingRow;
use crate::store::{Database, StoreError};

/// Daily's word for recordings of one file per participant.
pub(super) const RAW_TRACKS: &str = "raw-tracks";

/// What came of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// A run was asked for.
    Asked(Triggered),
    /// Nothing is made of it, and why.
    Ignored(String),
    /// Nothing was left to do, and why.
    Already(String),
}

/// Decides what is made of recordings.
#[derive(Clone)]
pub struct Intake {
    /// Starts runs.
    pub trigger: Trigger,
    /// The store.
    pub database: Database,
    /// Which rooms' recordings are processed.
    pub rooms: RoomPolicy,
}

impl Intake {
    /// Takes a finished recording. `not_raw` says why it is no raw-tracks recording, if it is none.
    ///
    /// # Errors
    /// When the database fails, or the engine refuses for good.
    pub async fn take(
        &self,
        recording: &RecordingRow,
        not_raw: Option<String>,
        origin: Origin,
    ) -> Result<Taken, TriggerError> {
        recording_standing::note(&self.database, recording, FINISHED, self.trigger.now()).await?;
        let standing = recording_standing::read(&self.database, &recording.id).await?;
        if let Some(why) = standing.as_ref().and_then(settled) {
            return Ok(Taken::Already(why));
        }
        // What an earlier notice knew counts too.
        let room = standing.and_then(|standing| standing.recording.room_name);
        let refusal = match not_raw {
            Some(why) => Some(why),
            None => self.rooms.refusal(&self.database, room.as_deref()).await?,
        };
        if let Some(why) = refusal {
            recording_standing::ignore(&self.database, &recording.id, &why).await?;
            return Ok(Taken::Ignored(why));
        }
        let wanted = Wanted { room, ..Wanted::new(recording.id.clone(), origin) };
        match self.trigger.start(wanted).await {
            Ok(triggered) => Ok(Taken::Asked(triggered)),
            Err(
                error @ (TriggerError::Active { .. }
                | TriggerError::Served { .. }
                | TriggerError::AudioDeleted { .. }
                | TriggerError::Deleted { .. }),
            ) => Ok(Taken::Already(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Notes why nothing is made of a recording.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn ignore(&self, recording: &RecordingRow, status: &str, why: &str) -> Result<(), StoreError> {
        recording_standing::note(&self.database, recording, status, self.trigger.now()).await?;
        recording_standing::ignore(&self.database, &recording.id, why).await
    }
}

/// Why nothing is to be done about a recording any more, whoever notices it.
pub(super) fn settled(standing: &Standing) -> Option<String> {
    if let Some(at) = standing.deleted_at {
        return Some(format!("it was deleted at {at}"));
    }
    standing.served.then(|| "a run was asked for before".to_owned())
}

/// What Daily's list and answers say of a recording, as it is stored.
pub(super) fn row_of(recording: &Recording) -> RecordingRow {
    let bucket = recording.s3.as_ref().and_then(|place| place.bucket_name.clone());
    RecordingRow {
        id: recording.id.clone(),
        room_name: recording.room_name.clone(),
        meeting_id: recording.meeting_id.as_ref().map(ToString::to_string),
        bucket_name: bucket,
        s3_key: recording.s3key.clone().filter(|key| !key.is_empty()),
        started_at: recording_start(recording).and_then(moment),
        duration: recording.duration.filter(|seconds| seconds.is_finite() && *seconds > 0.0),
    }
}

fn moment(seconds: f64) -> Option<Timestamp> {
    let micros = seconds * 1e6;
    // Where a float still counts whole microseconds; beyond are no meetings.
    (micros.is_finite() && micros.abs() < 9e15).then(|| Timestamp::from_micros(micros.round() as i64))
}

/// Why a recording is no raw-tracks recording; `None` when it is, or when that can't be told yet.
pub(super) fn why_not_raw(recording: &Recording) -> Option<String> {
    let declared = recording.declared_type.as_deref().filter(|declared| !declared.is_empty());
    match (recording.kind(), declared) {
        (RecordingKind::RawTracks, _) | (_, Some(RAW_TRACKS)) | (RecordingKind::Failed, None) => None,
        (_, declared) => Some(not_raw(declared.unwrap_or("cloud"))),
    }
}

pub(super) fn not_raw(declared: &str) -> String {
    format!("it is a {declared} recording, not raw-tracks: no file per participant")
}
