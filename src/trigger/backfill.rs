//! Old recordings, on somebody's wish: which of Daily's list would be processed and why others not, and their runs, a few at
//! a time, at low priority.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};

use super::intake::{row_of, why_not_raw};
use super::{Followed, Origin, RoomPolicy, Trigger, TriggerError, Wanted};
use crate::clock::Timestamp;
use crate::daily::{DailyError, DailySource, Recording, RecordingKind, RecordingQuery};
use crate::ids::RecordingId;
use crate::notify::NotifyMode;
use crate::store::recordings::RecordingRow;
use crate::store::{Database, recording_standing, run_requests, transcripts};

/// Makes transcripts of old recordings.
pub struct Backfill {
    /// Starts runs.
    pub trigger: Trigger,
    /// Whose list it is.
    pub daily: Arc<dyn DailySource>,
    /// The store.
    pub database: Database,
    /// Which rooms' recordings are processed.
    pub rooms: RoomPolicy,
}

/// Which recordings, by when they began.
#[derive(Debug, Clone, Copy)]
pub struct BackfillRange {
    /// Not before.
    pub since: Timestamp,
    /// Before.
    pub until: Timestamp,
}

/// What is to be done about one recording of the range.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The recording.
    pub recording: RecordingRow,
    /// Why it is left out; `None`: it is processed.
    pub left_out: Option<String>,
}

/// What happens while a backfill goes on.
#[derive(Debug)]
pub enum BackfillEvent {
    /// A run was asked for.
    Started(RecordingId),
    /// It is over, or was not started.
    Over(RecordingId, Result<Followed, TriggerError>),
}

/// Why the list could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// Daily.
    #[error(transparent)]
    Daily(#[from] DailyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl Backfill {
    /// Reads Daily's list and decides about each recording of the range, oldest first. Writes nothing.
    ///
    /// # Errors
    /// When Daily or the database can't be asked.
    pub async fn plan(&self, range: BackfillRange) -> Result<Vec<Planned>, BackfillError> {
        let mut planned = Vec::new();
        let mut query = Some(RecordingQuery::default());
        while let Some(asked) = query.take() {
            let page = self.daily.list(&asked).await?;
            let mut older = !page.recordings.is_empty();
            for recording in &page.recordings {
                let row = row_of(recording);
                let Some(start) = row.started_at else { continue };
                older &= start < range.since;
                if start >= range.since && start < range.until {
                    let left_out = self.why_left_out(recording, &row).await?;
                    planned.push(Planned { recording: row, left_out });
                }
            }
            query = page.next(&asked).filter(|_| !older);
        }
        planned.sort_by_key(|planned| planned.recording.started_at);
        Ok(planned)
    }

    async fn why_left_out(&self, recording: &Recording, row: &RecordingRow) -> Result<Option<String>, BackfillError> {
        if let Some(why) = why_not_raw(recording) {
            return Ok(Some(why));
        }
        if recording.is_in_progress() {
            return Ok(Some("it is not finished".to_owned()));
        }
        if recording.kind() == RecordingKind::Failed && recording.declared_type.is_none() {
            return Ok(Some("it lists no tracks and no file".to_owned()));
        }
        if let Some(why) = self.rooms.refusal(&self.database, row.room_name.as_deref()).await? {
            return Ok(Some(why));
        }
        if let Some(at) = recording_standing::read(&self.database, &row.id).await?.and_then(|known| known.deleted_at) {
            return Ok(Some(format!("it was deleted at {at}")));
        }
        for request in run_requests::of_recording(&self.database, &row.id).await? {
            if request.ended_at.is_none() {
                return Ok(Some(format!("it is being processed since {}", request.created_at)));
            }
        }
        for transcript in transcripts::of_recording(&self.database, &row.id).await? {
            if let Some(at) = transcript.audio_deleted_at {
                return Ok(Some(format!("its audio was deleted at {at} because consent was denied")));
            }
            if transcript.published_run.is_some() {
                return Ok(Some(format!("it has transcript {}", transcript.id)));
            }
        }
        Ok(None)
    }

    /// Processes what `planned` does not leave out, `jobs` at a time, and waits for all of it.
    pub async fn run(
        &self,
        planned: &[Planned],
        jobs: usize,
        notify: NotifyMode,
        told: &(dyn Fn(BackfillEvent) + Sync),
    ) {
        let wanted = planned.iter().filter(|planned| planned.left_out.is_none()).map(|planned| &planned.recording);
        stream::iter(wanted)
            .for_each_concurrent(jobs.max(1), |recording| async move {
                let over = self.process(recording, notify, told).await;
                told(BackfillEvent::Over(recording.id.clone(), over));
            })
            .await;
    }

    async fn process(
        &self,
        recording: &RecordingRow,
        notify: NotifyMode,
        told: &(dyn Fn(BackfillEvent) + Sync),
    ) -> Result<Followed, TriggerError> {
        recording_standing::note(&self.database, recording, recording_standing::FINISHED, self.trigger.now()).await?;
        let room = recording.room_name.clone();
        let wanted = Wanted { room, notify, ..Wanted::new(recording.id.clone(), Origin::Backfill) };
        let triggered = self.trigger.start(wanted).await?;
        told(BackfillEvent::Started(recording.id.clone()));
        self.trigger.follow(&triggered.request).await
    }
}
