//! Old recordings, on somebody's wish: which of Daily's list would be processed and why others not, and their runs, a few at
//! a time, at low priority.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _};

use super::follow::Outage;
use super::intake::{row_of, why_not_raw};
use super::pages::Pages;
use super::{Followed, Origin, RoomPolicy, Trigger, TriggerError, Wanted};
use crate::clock::Timestamp;
use crate::daily::{DailyError, DailySource, Recording, RecordingKind};
use crate::ids::{RecordingId, RequestId};
use crate::notify::NotifyMode;
use crate::store::recordings::RecordingRow;
use crate::store::run_requests::RunRequestRow;
use crate::store::{Database, StoreError, recording_standing, run_requests, transcripts};

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

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BackfillPlan {
    /// The recordings of the range, oldest first, after those of which nobody knows when they began.
    pub recordings: Vec<Planned>,
    /// What could not be read of Daily's list: recordings may be missing.
    pub notes: Vec<String>,
}

/// What happens while a backfill goes on.
#[derive(Debug)]
pub enum BackfillEvent {
    /// A run was asked for.
    Started(RecordingId),
    /// Nothing is left to do any more, and why: somebody else was quicker.
    LeftOut(RecordingId, String),
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
    Store(#[from] StoreError),
}

impl Backfill {
    /// Reads Daily's list and decides about each recording of the range. Writes nothing.
    ///
    /// # Errors
    /// When Daily or the database can't be asked.
    pub async fn plan(&self, range: BackfillRange) -> Result<BackfillPlan, BackfillError> {
        let mut plan = BackfillPlan::default();
        let mut pages = Pages::of(self.daily.as_ref());
        while let Some(page) = pages.next().await? {
            let mut older = !page.recordings.is_empty();
            for recording in &page.recordings {
                let row = row_of(recording);
                let left_out = match row.started_at {
                    None => Some("Daily does not say when it began".to_owned()),
                    Some(start) if start >= range.since && start < range.until => {
                        self.why_left_out(recording, &row).await?
                    }
                    Some(_) => {
                        older &= row.started_at < Some(range.since);
                        continue;
                    }
                };
                older = false;
                plan.recordings.push(Planned { recording: row, left_out });
            }
            plan.notes.extend(page.notes);
            if older {
                pages.enough();
            }
        }
        plan.notes.extend(pages.whole().err());
        plan.recordings.sort_by_key(|planned| planned.recording.started_at);
        Ok(plan)
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
        Ok(self.why_settled(&row.id).await?)
    }

    /// Why nothing is left to do about a recording, as the store has it now.
    async fn why_settled(&self, recording: &RecordingId) -> Result<Option<String>, StoreError> {
        let known = recording_standing::read(&self.database, recording).await?;
        if let Some(at) = known.and_then(|known| known.deleted_at) {
            return Ok(Some(format!("it was deleted at {at}")));
        }
        for request in run_requests::of_recording(&self.database, recording).await? {
            if request.ended_at.is_none() {
                return Ok(Some(format!("it is being processed since {}", request.created_at)));
            }
        }
        for transcript in transcripts::of_recording(&self.database, recording).await? {
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
                let id = recording.id.clone();
                told(match self.begin(recording, notify).await {
                    Ok(Begun::Nothing(why)) => BackfillEvent::LeftOut(id, why),
                    Ok(Begun::Request(request)) => {
                        told(BackfillEvent::Started(id.clone()));
                        BackfillEvent::Over(id, self.trigger.follow(&request).await)
                    }
                    Err(error) => BackfillEvent::Over(id, Err(error)),
                });
            })
            .await;
    }

    /// Asks for a recording's run. A database that is away for a while is waited for.
    async fn begin(&self, recording: &RecordingRow, notify: NotifyMode) -> Result<Begun, TriggerError> {
        let mut outage = Outage::default();
        let mut asked_before = false;
        loop {
            match self.ask(recording, notify, asked_before).await {
                Err(TriggerError::Store(error)) => outage.wait(self.trigger.now(), error).await?,
                begun => return begun,
            }
            asked_before = true;
        }
    }

    async fn ask(
        &self,
        recording: &RecordingRow,
        notify: NotifyMode,
        asked_before: bool,
    ) -> Result<Begun, TriggerError> {
        if asked_before {
            // It may be there, and only the database's answer was lost.
            let requests = run_requests::of_recording(&self.database, &recording.id).await?;
            let own =
                |request: &RunRequestRow| request.ended_at.is_none() && request.origin == Origin::Backfill.as_str();
            if let Some(request) = requests.into_iter().find(own) {
                return Ok(Begun::Request(request.id));
            }
        }
        // The plan may be hours old by now.
        if let Some(why) = self.why_settled(&recording.id).await? {
            return Ok(Begun::Nothing(why));
        }
        let room = recording.room_name.clone();
        let wanted = Wanted { room, notify, ..Wanted::new(recording.id.clone(), Origin::Backfill) };
        let request = match self.trigger.start(wanted).await {
            Ok(triggered) => triggered.request,
            Err(
                refusal @ (TriggerError::Active { .. }
                | TriggerError::AudioDeleted { .. }
                | TriggerError::Deleted { .. }),
            ) => return Ok(Begun::Nothing(refusal.to_string())),
            Err(error) => return Err(error),
        };
        // Not before its run was asked for: a finished recording without one is the poller's, which tells everybody.
        let now = self.trigger.now();
        recording_standing::note(&self.database, recording, recording_standing::FINISHED, now).await?;
        Ok(Begun::Request(request))
    }
}

/// What came of asking for a recording's run.
enum Begun {
    /// It is asked for.
    Request(RequestId),
    /// Nothing is left to do, and why.
    Nothing(String),
}
