//! `cleanup_consent`: when anybody said no, deletes the recording's own files and everything derived from audio. Text
//! stays. A barrier: it runs after every step that reads or writes audio, and sweeps by prefix, so that nothing made on the
//! way is forgotten. What can't be deleted now goes to the outbox and holds nobody up.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::{Services, TranscriptInput};
use crate::ids::{RecordingId, RunId, TranscriptId};
use crate::notify::{Deletion, Target};
use crate::results::{self, Mixdown, OriginalsLeft, Waveform};
use crate::storage::{ObjectKey, Storage, StorageError};
use crate::store::{consents, recordings};
use crate::workflow::{LogLevel, Task, TaskContext, TaskError};

/// The step.
pub struct CleanupConsent;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
}

/// What it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CleanupConsentOutput {
    /// Nobody said no.
    Kept,
    /// Somebody did.
    Deleted {
        /// Objects of the recording that are gone.
        originals: usize,
        /// Objects derived from audio that are gone.
        derived: usize,
        /// Objects of the recording in a read-only place.
        originals_left: usize,
        /// Deletions that will be tried again.
        waiting: usize,
    },
}

#[async_trait]
impl Task<Services> for CleanupConsent {
    const NAME: &'static str = "cleanup_consent";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = CleanupConsentOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<CleanupConsentOutput, TaskError> {
        let recording = parents.get_recording.recording_id;
        let denied = consents::denied(services.database(), &recording).await?;
        if denied.is_empty() {
            return Ok(CleanupConsentOutput::Kept);
        }
        ctx.log(LogLevel::Info, format!("{} participants said no: audio is deleted", denied.len()));
        let writer = services.writer(ctx, &input.transcript_id);
        // Readers stop seeing the audio before it goes.
        results::remove::<Mixdown>(&writer).await?;
        results::remove::<Waveform>(&writer).await?;
        writer.audio_deleted(ctx.clock().now()).await?;

        let mut cleanup = Cleanup { ctx, services, transcript: &input.transcript_id, waiting: 0, left: Vec::new() };
        let mut originals = 0;
        for key in original_keys(services, &ctx.identity().root_run, &recording).await? {
            originals += usize::from(cleanup.delete(Target::Original, &key).await?);
        }
        let mut derived = 0;
        for key in services.storage.list(&services.prefix(&input.transcript_id)).await? {
            derived += usize::from(cleanup.delete(Target::Derived, &key).await?);
        }
        let (waiting, left) = (cleanup.waiting, cleanup.left);
        let originals_left = left.len();
        results::put(&writer, &OriginalsLeft { keys: left }).await?;
        Ok(CleanupConsentOutput::Deleted { originals, derived, originals_left, waiting })
    }
}

/// Every object that Daily keeps of the recording: all tracks of whatever kind, and the event JSON.
async fn original_keys(services: &Services, run: &RunId, recording: &RecordingId) -> Result<Vec<ObjectKey>, TaskError> {
    let tracks = recordings::tracks(services.database(), run).await?;
    let mut keys: BTreeSet<String> = tracks.into_iter().map(|track| track.source_key).collect();
    let s3_key = recordings::read(services.database(), recording).await?.and_then(|row| row.s3_key);
    keys.extend(s3_key.map(|key| format!("{key}.event.json")));
    keys.into_iter().map(|key| Ok(key.parse::<ObjectKey>()?)).collect()
}

struct Cleanup<'a> {
    ctx: &'a TaskContext,
    services: &'a Services,
    transcript: &'a TranscriptId,
    waiting: usize,
    left: Vec<String>,
}

impl Cleanup<'_> {
    /// Whether the object was there and is gone.
    async fn delete(&mut self, target: Target, key: &ObjectKey) -> Result<bool, TaskError> {
        let storage: &dyn Storage = match target {
            Target::Original => self.services.originals.as_ref(),
            Target::Derived => self.services.storage.as_ref(),
        };
        let outcome = match storage.size(key).await {
            Ok(None) => return Ok(false),
            Ok(Some(_)) => storage.delete(key).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(StorageError::ReadOnly { .. }) => {
                self.left.push(key.to_string());
                Ok(false)
            }
            Err(error) => {
                self.ctx.log(LogLevel::Warn, format!("{key} is not deleted yet: {error}"));
                self.waiting += 1;
                let deletion = Deletion { target, key: key.to_string() };
                deletion.put_off(self.services.database(), self.transcript, &error, self.ctx.clock().now()).await?;
                Ok(false)
            }
        }
    }
}
