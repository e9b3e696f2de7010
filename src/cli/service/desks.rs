//! What the API passes on: asking for runs, and answers about consent.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::consent::{About, Consent, Outcome};
use crate::http::{AudioFate, ConsentDesk, ConsentScope, Notify, Problem, ProcessRefusal, Processing, RunAsked};
use crate::ids::{RecordingId, TranscriptId};
use crate::notify::NotifyMode;
use crate::store::{Database, StoreError, consents};
use crate::trigger::{Origin, Trigger, TriggerError};

/// Runs that the API asks for.
pub struct Runs(pub Trigger);

#[async_trait]
impl Processing for Runs {
    async fn process(&self, transcript: &TranscriptId, notify: Notify) -> Result<RunAsked, ProcessRefusal> {
        let notify = match notify {
            Notify::None => NotifyMode::None,
            Notify::Update => NotifyMode::Update,
            Notify::All => NotifyMode::All,
        };
        match self.0.start_transcript(transcript, Origin::Api, notify).await {
            Ok(asked) => Ok(RunAsked { request: asked.request.to_string(), run: asked.run }),
            Err(error) => Err(refusal(error)),
        }
    }
}

fn refusal(error: TriggerError) -> ProcessRefusal {
    match error {
        TriggerError::UnknownTranscript(_) => ProcessRefusal::NoTranscript,
        TriggerError::Active { run, .. } => ProcessRefusal::Running { run },
        TriggerError::AudioDeleted { at, .. } => ProcessRefusal::AudioDeleted { at },
        TriggerError::Deleted { at, .. } => ProcessRefusal::RecordingDeleted { at },
        TriggerError::NoRecording(_) => ProcessRefusal::Failed(Problem::conflict("no_recording", error.to_string())),
        TriggerError::Served { .. } | TriggerError::Refused { .. } => {
            ProcessRefusal::Failed(Problem::conflict("refused", error.to_string()))
        }
        TriggerError::Store(error) => ProcessRefusal::Failed(Problem::from_failure(&error)),
    }
}

/// Answers about consent that come by the API.
pub struct Answers {
    /// Where they are kept.
    pub database: Database,
    /// Who does what they demand.
    pub consent: Arc<Consent>,
    /// Knows whether a run is at work.
    pub trigger: Trigger,
}

#[async_trait]
impl ConsentDesk for Answers {
    async fn answers(&self, scope: &ConsentScope) -> Result<BTreeMap<String, bool>, Problem> {
        let found = match scope {
            ConsentScope::Recording(recording) => consents::of_recording(&self.database, recording).await,
            ConsentScope::Meeting(meeting) => consents::of_meeting(&self.database, meeting).await,
        };
        Ok(found.map_err(|error| Problem::from_failure(&error))?.into_iter().collect())
    }

    async fn record(
        &self,
        scope: &ConsentScope,
        answers: BTreeMap<String, bool>,
    ) -> Result<BTreeMap<RecordingId, AudioFate>, Problem> {
        let about = match scope {
            ConsentScope::Recording(recording) => About::Recording(recording.clone()),
            ConsentScope::Meeting(meeting) => About::Meeting(meeting.clone()),
        };
        let answers: Vec<(String, bool)> = answers.into_iter().collect();
        let outcomes = self.consent.answer(&about, &answers).await.map_err(|error| Problem::from_failure(&error))?;
        let mut fates = BTreeMap::new();
        for (recording, outcome) in outcomes {
            let fate = match outcome {
                Outcome::RunAtWork => {
                    self.after_the_run(&recording).await.map_err(|error| Problem::from_failure(&error))?
                }
                outcome => fate(&outcome),
            };
            fates.insert(recording, fate);
        }
        Ok(fates)
    }
}

impl Answers {
    /// A run that is over is called at work until somebody looks, and audio is to go at once.
    async fn after_the_run(&self, recording: &RecordingId) -> Result<AudioFate, StoreError> {
        self.trigger.settle(recording).await?;
        Ok(match self.consent.enforce(recording).await? {
            Outcome::AlreadyDeleted => AudioFate::Deleted,
            outcome => fate(&outcome),
        })
    }
}

fn fate(outcome: &Outcome) -> AudioFate {
    match outcome {
        Outcome::Allowed => AudioFate::Kept,
        Outcome::NotProcessed => AudioFate::DeletedWhenProcessed,
        Outcome::RunAtWork => AudioFate::DeletedByRun,
        Outcome::AlreadyDeleted => AudioFate::DeletedBefore,
        Outcome::Deleted(deleted) if deleted.waiting.is_empty() && deleted.left.is_empty() => AudioFate::Deleted,
        Outcome::Deleted(deleted) if deleted.waiting.is_empty() => AudioFate::OriginalsLeft,
        Outcome::Deleted(_) | Outcome::Later => AudioFate::BeingDeleted,
    }
}
