//! Answers as they come: stored, and a no that comes after the run carried out at once.
//!
//! While a run is at work its own `cleanup_consent` deletes the audio, because only it knows when nobody reads it any more.
//! A no that comes after that task has looked is found by whoever ends the run's request, and by [`Consent::enforce_overdue`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::audio::{AudioDeletion, ConsentError, Deleted};
use crate::clock::{SharedClock, Timestamp};
use crate::ids::{MeetingId, RecordingId, TranscriptId};
use crate::notify::{DELETE_OBJECT, Deliver, NotDelivered};
use crate::results::{self, OriginalsLeft};
use crate::secret::redacted;
use crate::storage::Storage;
use crate::store::consents::{self, Verdict};
use crate::store::outbox::{self, OutboxRow};
use crate::store::{Database, StoreError, TranscriptWriter, transcripts};

/// The outbox's word for deleting all audio of a transcript.
pub const DELETE_AUDIO: &str = "delete_audio";
/// How long the audio of a run that died waits for somebody to mend the cause, when the no was there before: the text of the
/// meeting would be lost otherwise.
const GRACE_OF_DEAD_RUNS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Recordings looked at in one go.
const BATCH: u32 = 50;

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// One recording.
    Recording(RecordingId),
    /// All recordings of a meeting, later ones too.
    Meeting(MeetingId),
}

/// What became of a recording's audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody says no.
    Allowed,
    /// Nothing is made of it yet: the run that does deletes it.
    NotProcessed,
    /// A run is at work, which deletes it.
    RunAtWork,
    /// It was deleted before.
    AlreadyDeleted,
    /// It is deleted; what could not be deleted at once is tried again.
    Deleted(Deleted),
    /// It will be deleted, or the rest of it: storage could not be asked just now, or did not delete all.
    Later,
}

/// Takes answers and carries them out.
pub struct Consent {
    database: Database,
    clock: SharedClock,
    originals: Arc<dyn Storage>,
    derived: Arc<dyn Storage>,
}

impl Consent {
    /// For the recordings whose files are in `originals` and what we made of them in `derived`.
    pub fn new(database: Database, clock: SharedClock, originals: Arc<dyn Storage>, derived: Arc<dyn Storage>) -> Self {
        Self { database, clock, originals, derived }
    }

    /// Stores answers, by user id or participant (session) id, and does at once what they demand. Says what became of the
    /// audio of each recording that they are about and that is known.
    ///
    /// # Errors
    /// When the database fails. The answers may be stored then; giving them again is no harm.
    pub async fn answer(
        &self,
        about: &About,
        answers: &[(String, bool)],
    ) -> Result<Vec<(RecordingId, Outcome)>, StoreError> {
        let now = self.clock.now();
        let given: Vec<(&str, bool)> = answers.iter().map(|(subject, allowed)| (subject.as_str(), *allowed)).collect();
        let recordings = match about {
            About::Recording(recording) => {
                consents::put(&self.database, recording, given, now).await?;
                vec![recording.clone()]
            }
            About::Meeting(meeting) => {
                consents::put_for_meeting(&self.database, meeting, given, now).await?;
                consents::recordings_of_meeting(&self.database, meeting).await?
            }
        };
        let mut outcomes = Vec::with_capacity(recordings.len());
        for recording in recordings {
            let outcome = self.enforce(&recording).await?;
            outcomes.push((recording, outcome));
        }
        Ok(outcomes)
    }

    /// Deletes a recording's audio if somebody said no and no run will.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enforce(&self, recording: &RecordingId) -> Result<Outcome, StoreError> {
        let now = self.clock.now();
        let intent = |transcript: &TranscriptId| intent(transcript, recording, now);
        let next_try = now.plus(outbox::FIRST_RETRY);
        let transcripts = match consents::decide(&self.database, recording, intent, next_try, now).await? {
            Verdict::Allowed => return Ok(Outcome::Allowed),
            Verdict::NotProcessed => return Ok(Outcome::NotProcessed),
            Verdict::RunAtWork => return Ok(Outcome::RunAtWork),
            Verdict::Delete(transcripts) if transcripts.is_empty() => {
                let waits = outbox::is_waiting(&self.database, recording, [DELETE_AUDIO, DELETE_OBJECT]).await?;
                return Ok(if waits { Outcome::Later } else { Outcome::AlreadyDeleted });
            }
            Verdict::Delete(transcripts) => transcripts,
        };
        let mut sum = Deleted::default();
        for transcript in &transcripts {
            match self.delete(transcript, recording).await {
                Ok(deleted) => {
                    outbox::done(&self.database, &intent(transcript).id).await?;
                    sum.originals += deleted.originals;
                    sum.derived += deleted.derived;
                    sum.left.extend(deleted.left);
                    sum.waiting.extend(deleted.waiting);
                }
                // It is in the outbox.
                Err(error) => {
                    let (recording, error) = (recording.as_str(), redacted(&error.to_string()));
                    tracing::warn!(recording, error, "audio that somebody denied is not deleted yet");
                    return Ok(Outcome::Later);
                }
            }
        }
        Ok(Outcome::Deleted(sum))
    }

    /// Deletes the audio of recordings that slipped through: somebody said no while the run's own cleanup had looked
    /// already, or the run died. Says of how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enforce_overdue(&self) -> Result<usize, StoreError> {
        let died_before = Timestamp::from_micros(
            self.clock
                .now()
                .as_micros()
                .saturating_sub(i64::try_from(GRACE_OF_DEAD_RUNS.as_micros()).unwrap_or(i64::MAX)),
        );
        let recordings = consents::overdue(&self.database, died_before, BATCH).await?;
        for recording in &recordings {
            let outcome = self.enforce(recording).await?;
            tracing::info!(recording = recording.as_str(), ?outcome, "somebody said no after the run had looked");
        }
        Ok(recordings.len())
    }

    async fn delete(&self, transcript: &TranscriptId, recording: &RecordingId) -> Result<Deleted, ConsentError> {
        let deletion = AudioDeletion {
            database: &self.database,
            originals: self.originals.as_ref(),
            derived: self.derived.as_ref(),
        };
        let deleted = deletion.make(transcript, recording, self.clock.now()).await?;
        let row = transcripts::read(&self.database, transcript).await?;
        if let Some(run) = row.and_then(|row| row.current_run).filter(|_| !deleted.left.is_empty()) {
            let writer = TranscriptWriter::new(self.database.clone(), transcript.clone(), run);
            match results::put(&writer, &OriginalsLeft { keys: deleted.left.clone() }).await {
                Err(StoreError::Superseded { .. }) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(deleted)
    }
}

/// The deletion as the outbox remembers it. A later one, after consent was given in between, is another.
fn intent(transcript: &TranscriptId, recording: &RecordingId, now: Timestamp) -> OutboxRow {
    let of = format!("{transcript}\n{DELETE_AUDIO}\n{recording}\n{}", now.as_micros());
    OutboxRow {
        id: blake3::hash(of.as_bytes()).to_hex().to_string(),
        transcript: transcript.clone(),
        kind: DELETE_AUDIO.to_owned(),
        payload: serde_json::json!({"recording": recording}).to_string(),
        tries: 1,
        last_error: None,
    }
}

#[async_trait]
impl Deliver for Consent {
    fn must_happen(&self) -> bool {
        true
    }

    /// Makes a deletion that was decided and not finished.
    async fn deliver(&self, row: &OutboxRow) -> Result<(), NotDelivered> {
        let payload: serde_json::Value =
            serde_json::from_str(&row.payload).map_err(|error| NotDelivered::Never(error.to_string()))?;
        let recording = payload.get("recording").and_then(serde_json::Value::as_str).and_then(|id| id.parse().ok());
        let recording = recording.ok_or_else(|| NotDelivered::Never("it names no recording".to_owned()))?;
        self.delete(&row.transcript, &recording).await.map(drop).map_err(|error| NotDelivered::Again(error.to_string()))
    }
}
