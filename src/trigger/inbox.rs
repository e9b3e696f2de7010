//! Works on what Daily told by webhook. The delivery was stored and answered before; whatever fails here is tried again.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;

use super::intake::{Intake, RAW_TRACKS, Taken, not_raw, why_not_raw};
use super::{Origin, TriggerError};
use crate::clock::{SharedClock, Timestamp};
use crate::daily::webhook::{self, Delivery, Happening, ReadyRecording, RecordingFault, WebhookEvent};
use crate::daily::{DailyError, DailySource};
use crate::duty::Round;
use crate::failure::{Failure, FailureClass, panic_text};
use crate::ids::RecordingId;
use crate::secret::redacted;
use crate::store::daily_events::{self, DailyEventRow, Outcome};
use crate::store::recording_standing::{self, FAILED, IN_PROGRESS};
use crate::store::recordings::RecordingRow;
use crate::store::run_requests;
use crate::store::transcripts::TranscriptFailure;
use crate::store::{StoreError, transcripts};
use crate::transcript::StatusEvent;

/// Deliveries looked at in one go.
const BATCH: u32 = 100;
/// The first wait after trouble that may pass.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// How long a delivery is tried. The poller finds its recording by then, if there is one.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long settled deliveries are kept: they hold people's names, and Daily repeats none that is older.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often older ones are looked for.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// How many are deleted in one transaction.
const SWEPT: u32 = 1000;

/// Works on stored deliveries.
pub struct Inbox {
    intake: Intake,
    daily: Arc<dyn DailySource>,
    clock: SharedClock,
    /// When old deliveries were last looked for.
    swept: Mutex<Option<Timestamp>>,
}

/// Trouble with one delivery.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    #[error(transparent)]
    Daily(#[from] DailyError),
    #[error("working on it panicked: {0}")]
    Panicked(String),
}

impl Failure for Trouble {
    fn class(&self) -> FailureClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Trigger(error) => error.class(),
            Self::Daily(error) => error.class(),
            // What it met may be gone the next time, or the defect with the next release.
            Self::Panicked(_) => FailureClass::Retryable,
        }
    }
}

impl Inbox {
    /// An inbox whose recordings `intake` decides about. `daily` answers where a delivery does not say enough.
    pub fn new(intake: Intake, daily: Arc<dyn DailySource>, clock: SharedClock) -> Self {
        Self { intake, daily, clock, swept: Mutex::default() }
    }

    /// Works on each delivery whose time has come, oldest first. Says on how many.
    ///
    /// # Errors
    /// When the database fails; what was not worked on is tried again.
    pub async fn once(&self) -> Result<usize, StoreError> {
        let mut worked_on = 0;
        loop {
            let due = daily_events::due(&self.intake.database, self.clock.now(), BATCH).await?;
            let mut outcomes = Vec::with_capacity(due.len());
            for event in &due {
                outcomes.push((event.id.clone(), self.outcome(event).await));
            }
            daily_events::settle(&self.intake.database, &outcomes).await?;
            worked_on += due.len();
            if due.len() < BATCH as usize {
                break;
            }
        }
        self.sweep().await?;
        Ok(worked_on)
    }

    /// Deletes deliveries that were settled long ago, now and then.
    async fn sweep(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let swept = *self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_some_and(|swept| now.since(swept) < SWEEP) {
            return Ok(());
        }
        let before = now.minus(KEPT);
        while daily_events::forget(&self.intake.database, before, SWEPT).await? >= u64::from(SWEPT) {}
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    async fn outcome(&self, row: &DailyEventRow) -> Outcome {
        let event = match webhook::parse(row.body.as_bytes()) {
            Ok(Delivery::Event(event)) => event,
            Ok(Delivery::Test) => return Outcome::Ignored("a test".to_owned()),
            Err(error) => return Outcome::Ignored(format!("it can't be read: {error}")),
        };
        // One delivery that meets a defect keeps the others from nothing.
        let worked_on = AssertUnwindSafe(self.work_on(&event)).catch_unwind().await;
        let error = match worked_on {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(error)) => error,
            Err(panic) => Trouble::Panicked(panic_text(panic.as_ref()).to_owned()),
        };
        let (now, why) = (self.clock.now(), redacted(&error.to_string()));
        if error.class() == FailureClass::Permanent || now.since(row.received_at) > PATIENCE {
            tracing::error!(event = row.id, kind = row.kind, error = why, "nothing is made of a delivery");
            return Outcome::Ignored(why);
        }
        let doublings = u32::try_from(row.tries.clamp(0, 16)).unwrap_or(0);
        let at = now.plus((FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT));
        tracing::warn!(event = row.id, kind = row.kind, error = why, %at, "a delivery is tried again");
        Outcome::Again(at, why)
    }

    async fn work_on(&self, event: &WebhookEvent) -> Result<Outcome, Trouble> {
        match &event.what {
            Happening::ParticipantJoined(_) | Happening::ParticipantLeft(_) => {
                Ok(Outcome::Done("who took part is asked when the recording is processed".to_owned()))
            }
            Happening::RecordingStarted(started) => {
                let Some(recording) = self.known(event, started.started_at, None) else { return Ok(no_recording()) };
                let database = &self.intake.database;
                recording_standing::note(database, &recording, IN_PROGRESS, self.clock.now()).await?;
                if let Some(instance) = &started.instance_id {
                    recording_standing::note_instance(database, &recording.id, instance).await?;
                }
                Ok(Outcome::Done("being recorded".to_owned()))
            }
            Happening::RecordingReady(ready) => self.ready(event, ready).await,
            Happening::RecordingError(fault) => self.fault(event, fault).await,
            Happening::Unusable(what) => Ok(Outcome::Ignored(format!("{what} is missing"))),
            Happening::Other => Ok(Outcome::Ignored(format!("nothing is made of {}", event.kind))),
        }
    }

    async fn ready(&self, event: &WebhookEvent, ready: &ReadyRecording) -> Result<Outcome, Trouble> {
        let Some(mut recording) = self.known(event, ready.started_at, ready.duration) else {
            return Ok(no_recording());
        };
        recording.s3_key = ready.s3_key.clone();
        let not_raw = match ready.declared_type.as_deref() {
            Some(RAW_TRACKS) => None,
            Some(other) => Some(not_raw(other)),
            None if !ready.tracks.is_empty() => None,
            None => why_not_raw(&self.daily.recording(&recording.id).await?),
        };
        Ok(match self.intake.take(&recording, not_raw, Origin::Webhook).await? {
            Taken::Asked(triggered) => match (triggered.run, triggered.waits) {
                (Some(run), _) => Outcome::Done(format!("run {run} makes transcript {}", triggered.transcript)),
                (None, waits) => Outcome::Done(format!(
                    "transcript {} waits for the engine: {}",
                    triggered.transcript,
                    waits.unwrap_or_default()
                )),
            },
            Taken::Ignored(why) => Outcome::Ignored(why),
            Taken::Already(why) => Outcome::Done(why),
        })
    }

    /// Daily could not record. There is a transcript from here on, so that people see what became of their meeting; one that
    /// a run has worked on says nothing of it.
    async fn fault(&self, event: &WebhookEvent, fault: &RecordingFault) -> Result<Outcome, Trouble> {
        let Some(id) = self.faulty(event, fault).await? else {
            return Ok(Outcome::Ignored("it names no recording that is known".to_owned()));
        };
        let database = &self.intake.database;
        let standing = recording_standing::read(database, &id).await?;
        let known = standing.as_ref().and_then(|standing| standing.recording.room_name.clone());
        let room = event.room_name.clone().or(known);
        let recording = RecordingRow { room_name: room.clone(), ..bare(id.clone()) };
        if let Some(why) = self.intake.rooms.refusal(database, room.as_deref()).await? {
            self.intake.ignore(&recording, FAILED, &why).await?;
            return Ok(Outcome::Ignored(why));
        }
        let said = fault.message.as_deref().unwrap_or("Daily does not say why");
        let message = format!("recording failed: {said}");
        recording_standing::note(database, &recording, FAILED, self.clock.now()).await?;
        let transcript = run_requests::transcript_of(database, &id, self.clock.now()).await?;
        if let Some(row) = transcripts::read(database, &transcript).await? {
            let failure = TranscriptFailure {
                task: "recording".to_owned(),
                class: FailureClass::Permanent.as_str().to_owned(),
                message: message.clone(),
            };
            self.intake.trigger.tell(&row, StatusEvent::RecordingFailed, Some(&failure)).await?;
        }
        Ok(Outcome::Done(format!("transcript {transcript}: {message}")))
    }

    /// Daily's errors name the recording, or the instance that made it, or only the room.
    async fn faulty(&self, event: &WebhookEvent, fault: &RecordingFault) -> Result<Option<RecordingId>, StoreError> {
        if let Some(id) = &event.recording {
            return Ok(Some(id.clone()));
        }
        let database = &self.intake.database;
        if let Some(instance) = &fault.instance_id
            && let Some(id) = recording_standing::of_instance(database, instance).await?
        {
            return Ok(Some(id));
        }
        let Some(room) = &event.room_name else { return Ok(None) };
        let mut in_progress = recording_standing::in_progress(database, room).await?;
        Ok(if in_progress.len() == 1 { in_progress.pop() } else { None })
    }

    fn known(
        &self,
        event: &WebhookEvent,
        started_at: Option<Timestamp>,
        duration: Option<f64>,
    ) -> Option<RecordingRow> {
        let id = event.recording.clone()?;
        Some(RecordingRow {
            room_name: event.room_name.clone(),
            meeting_id: event.meeting.as_ref().map(ToString::to_string),
            started_at,
            duration: duration.filter(|seconds| seconds.is_finite() && *seconds > 0.0),
            ..bare(id)
        })
    }
}

fn bare(id: RecordingId) -> RecordingRow {
    RecordingRow {
        id,
        room_name: None,
        meeting_id: None,
        bucket_name: None,
        s3_key: None,
        started_at: None,
        duration: None,
    }
}

fn no_recording() -> Outcome {
    Outcome::Ignored("it names no recording".to_owned())
}

#[async_trait]
impl Round for Inbox {
    type Error = StoreError;

    async fn round(&self) -> Result<(), StoreError> {
        self.once().await.map(drop)
    }
}
