//! The one function that starts a run for a transcript.
//!
//! What is wanted is written first, then the engine is asked: should it be away, or this process die in between, the
//! reconciler asks again (U10, U11). All asking goes by one key per recording, so that asking twice makes one run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Origin, TriggerError};
use crate::clock::{SharedClock, Timestamp};
use crate::consent::Consent;
use crate::engine::{Engine, Priority, StartOptions};
use crate::failure::{Failure as _, FailureClass};
use crate::ids::{RecordingId, RequestId, RunId, TranscriptId};
use crate::notify::NotifyMode;
use crate::secret::redacted;
use crate::store::run_requests::{self, Asked, NewRunRequest, RequestState, RunRequestRow};
use crate::store::transcripts::TranscriptFailure;
use crate::store::{Database, StoreError, TranscriptRow, recording_standing, transcript_repair, transcripts};
use crate::transcript::{Status, StatusEvent};

/// The workflow that makes a transcript.
pub const WORKFLOW: &str = "DiarizationPipeline";
/// How long whoever wrote a request may take to ask the engine before the reconciler does.
const OWN_TRY: Duration = Duration::from_secs(30);
/// How soon a run that was started is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(15);
/// The first wait after the engine could not be reached.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest: an engine that is back is noticed that soon.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// Starts runs. Cheap to clone.
#[derive(Clone)]
pub struct Trigger {
    pub(super) parts: Arc<TriggerParts>,
}

/// What a [`Trigger`] works with.
pub struct TriggerParts {
    /// The store.
    pub database: Database,
    /// Whoever runs workflows.
    pub engine: Arc<dyn Engine>,
    /// The engine's name: none, hatchet, conductor.
    pub provider: String,
    /// Late denials.
    pub consent: Arc<Consent>,
    /// Time.
    pub clock: SharedClock,
}

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The recording.
    pub recording: RecordingId,
    /// The transcript to make anew; else the recording's oldest, or a new one.
    pub transcript: Option<TranscriptId>,
    /// The room, when the caller knows it.
    pub room: Option<String>,
    /// Who asks.
    pub origin: Origin,
    /// Whom the transcript is told to.
    pub notify: NotifyMode,
}

impl Wanted {
    /// A run for a recording, with what is usual for who asks.
    pub fn new(recording: RecordingId, origin: Origin) -> Self {
        Self { recording, transcript: None, room: None, origin, notify: origin.notify() }
    }
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggered {
    /// The request.
    pub request: RequestId,
    /// The recording.
    pub recording: RecordingId,
    /// Its transcript.
    pub transcript: TranscriptId,
    /// The engine's run; `None` when the engine can't be reached: it is asked again later.
    pub run: Option<RunId>,
    /// Why there is no run yet.
    pub waits: Option<String>,
}

/// What came of asking the engine.
pub(super) enum Launched {
    /// The run is there.
    Started(RunId),
    /// It is asked again then.
    Later(String),
    /// It never will be.
    Refused(String),
}

impl Trigger {
    /// A trigger of these parts.
    pub fn new(parts: TriggerParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Starts a run for a recording's transcript, which is made if there is none.
    ///
    /// # Errors
    /// [`TriggerError::Active`] while one is at work, [`TriggerError::AudioDeleted`] and [`TriggerError::Deleted`] when none
    /// may be, [`TriggerError::Refused`] when the engine never will. An engine that can't be reached is no error.
    pub async fn start(&self, wanted: Wanted) -> Result<Triggered, TriggerError> {
        loop {
            let now = self.parts.clock.now();
            let new = NewRunRequest {
                recording: wanted.recording.clone(),
                room_name: wanted.room.clone(),
                transcript: wanted.transcript.clone(),
                origin: wanted.origin.as_str(),
                provider: self.parts.provider.clone(),
                priority: wanted.origin.priority().number(),
                notify: wanted.notify.as_str(),
                only_first: wanted.origin.is_notice(),
                next_try_at: now.plus(OWN_TRY),
            };
            let recording = wanted.recording.clone();
            let asked = match (run_requests::ask(&self.parts.database, &new, now).await, &wanted.transcript) {
                (Err(StoreError::NoTranscript { .. }), Some(unknown)) => {
                    return Err(TriggerError::UnknownTranscript(unknown.clone()));
                }
                (asked, _) => asked?,
            };
            return match asked {
                Asked::New(row) => {
                    self.ready(&row.transcript).await?;
                    self.launched(row).await
                }
                Asked::Active(row) => match self.still_active(row, &wanted).await? {
                    Some(row) if row.state == RequestState::Requested && !wanted.origin.is_notice() => {
                        self.launched(row).await
                    }
                    Some(row) => Err(active(row)),
                    None => continue,
                },
                Asked::Served => Err(TriggerError::Served { recording }),
                Asked::Deleted(at) => Err(TriggerError::Deleted { recording, at }),
                Asked::AudioDeleted(at) => Err(TriggerError::AudioDeleted { recording, at }),
            };
        }
    }

    /// Starts a run that makes a transcript anew.
    ///
    /// # Errors
    /// As [`Trigger::start`]; [`TriggerError::UnknownTranscript`], [`TriggerError::NoRecording`].
    pub async fn start_transcript(
        &self,
        transcript: &TranscriptId,
        origin: Origin,
        notify: NotifyMode,
    ) -> Result<Triggered, TriggerError> {
        let row = transcripts::read(&self.parts.database, transcript).await?;
        let row = row.ok_or_else(|| TriggerError::UnknownTranscript(transcript.clone()))?;
        let recording = row.recording.ok_or_else(|| TriggerError::NoRecording(transcript.clone()))?;
        let wanted = Wanted { transcript: Some(transcript.clone()), notify, ..Wanted::new(recording, origin) };
        self.start(wanted).await
    }

    /// Looks at once whether the run of a recording is over, and ends it here if it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle(&self, recording: &RecordingId) -> Result<(), StoreError> {
        for row in run_requests::of_recording(&self.parts.database, recording).await? {
            if row.state == RequestState::Started {
                self.look(&row).await?;
            }
        }
        Ok(())
    }

    async fn launched(&self, row: RunRequestRow) -> Result<Triggered, TriggerError> {
        let (run, waits) = match self.launch(&row).await? {
            Launched::Started(run) => (Some(run), None),
            Launched::Later(why) => (None, Some(why)),
            Launched::Refused(why) => return Err(TriggerError::Refused { recording: row.recording, why }),
        };
        Ok(Triggered { request: row.id, recording: row.recording, transcript: row.transcript, run, waits })
    }

    /// A request as it stands once its run was looked at; `None` when it turns out to be over.
    async fn still_active(&self, row: RunRequestRow, wanted: &Wanted) -> Result<Option<RunRequestRow>, TriggerError> {
        if row.state == RequestState::Started && !wanted.origin.is_notice() {
            self.look(&row).await?;
        }
        let row = run_requests::read(&self.parts.database, &row.id).await?;
        Ok(row.filter(|row| row.state != RequestState::Ended))
    }

    /// Asks the engine for a request's run, and notes what came of it.
    pub(super) async fn launch(&self, row: &RunRequestRow) -> Result<Launched, StoreError> {
        let parts = &self.parts;
        let Some(transcript) = transcripts::read(&parts.database, &row.transcript).await? else {
            return self.refuse(row, "its transcript was deleted".to_owned()).await;
        };
        let known = recording_standing::read(&parts.database, &row.recording).await?;
        if let Some(at) = known.as_ref().and_then(|known| known.deleted_at) {
            return self.refuse(row, format!("the recording was deleted at {at}")).await;
        }
        if let Some(run) = transcript.current_run.filter(|run| Some(run) != row.run_before.as_ref()) {
            // The engine had been reached, and its answer was lost: the run is there, or was.
            self.note_started(row, &run).await?;
            return Ok(Launched::Started(run));
        }
        let room = known.and_then(|known| known.recording.room_name);
        let input = json!({"transcript_id": row.transcript, "recording_id": row.recording, "room_name": room});
        let mut metadata = BTreeMap::from([
            ("transcript".to_owned(), row.transcript.to_string()),
            ("recording".to_owned(), row.recording.to_string()),
            ("origin".to_owned(), row.origin.clone()),
            (NotifyMode::METADATA.to_owned(), row.notify.clone()),
        ]);
        metadata.extend(room.map(|room| ("room".to_owned(), room)));
        let options = StartOptions {
            metadata,
            dedupe_key: Some(format!("recording:{}", row.recording)),
            replay_of: row.run.clone(),
            priority: Priority::from_number(row.priority),
        };
        match parts.engine.start(WORKFLOW, input, options).await {
            Ok(run) => {
                self.note_started(row, &run).await?;
                Ok(Launched::Started(run))
            }
            Err(error) if error.class() == FailureClass::Permanent => {
                self.refuse(row, redacted(&error.to_string())).await
            }
            // Away, or stopping: another process, or this one after a restart, asks again.
            Err(error) => {
                let why = redacted(&error.to_string());
                let at = parts.clock.now().plus(wait_after(row.tries));
                run_requests::again(&parts.database, &row.id, at, &why).await?;
                tracing::warn!(
                    recording = row.recording.as_str(),
                    error = why,
                    "the engine can't be asked for a run yet"
                );
                Ok(Launched::Later(why))
            }
        }
    }

    async fn note_started(&self, row: &RunRequestRow, run: &RunId) -> Result<(), StoreError> {
        let look_at = self.parts.clock.now().plus(LOOK);
        run_requests::started(&self.parts.database, &row.id, run, &self.parts.provider, look_at).await?;
        let (recording, transcript, run) = (row.recording.as_str(), row.transcript.as_str(), run.as_str());
        tracing::info!(recording, transcript, run, origin = row.origin, "run started");
        Ok(())
    }

    async fn refuse(&self, row: &RunRequestRow, why: String) -> Result<Launched, StoreError> {
        self.end(row, Some((FailureClass::Permanent, &why))).await?;
        Ok(Launched::Refused(why))
    }

    /// The recording's files are there.
    async fn ready(&self, transcript: &TranscriptId) -> Result<(), StoreError> {
        let Some(row) = transcripts::read(&self.parts.database, transcript).await? else { return Ok(()) };
        self.tell(&row, StatusEvent::RecordingReady, None).await
    }

    /// Changes a transcript's status as the status machine says, with the failure that goes with it.
    pub(super) async fn tell(
        &self,
        row: &TranscriptRow,
        event: StatusEvent,
        failure: Option<&TranscriptFailure>,
    ) -> Result<(), StoreError> {
        let status: Status = row.status.parse().map_err(|error| StoreError::garbled("status", error))?;
        if let Some(after) = status.after(event) {
            let now = self.parts.clock.now();
            transcript_repair::change_status(&self.parts.database, row, after.as_str(), failure, now).await?;
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }
}

fn active(row: RunRequestRow) -> TriggerError {
    TriggerError::Active {
        run: row.run.filter(|_| row.state == RequestState::Started),
        recording: row.recording,
        transcript: row.transcript,
        since: row.created_at,
        why: row.last_error,
    }
}

/// How long to wait before the engine is asked again that could not be asked `tries` times before.
pub(super) fn wait_after(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 16)).unwrap_or(0);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}
