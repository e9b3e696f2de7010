//! `cleanup_consent`: when anybody said no, deletes the recording's own files and everything derived from audio. Text
//! stays. A barrier: it runs after every step that reads or writes audio, and sweeps by prefix, so that nothing made on the
//! way is forgotten. What can't be deleted now goes to the outbox and holds nobody up.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::get_recording::GetRecordingOutput;
use super::{Services, TranscriptInput};
use crate::consent::AudioDeletion;
use crate::results::{self, OriginalsLeft};
use crate::store::consents;
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
        // Also keeps a run that was superseded from deleting what the newer one reads.
        writer.audio_deleted(ctx.clock().now()).await?;
        let deletion = AudioDeletion {
            database: services.database(),
            originals: services.originals.as_ref(),
            derived: services.storage.as_ref(),
        };
        let deleted = deletion.make(&input.transcript_id, &recording, ctx.clock().now()).await?;
        for waiting in &deleted.waiting {
            ctx.log(LogLevel::Warn, format!("not deleted yet: {waiting}"));
        }
        let originals_left = deleted.left.len();
        results::put(&writer, &OriginalsLeft { keys: deleted.left }).await?;
        Ok(CleanupConsentOutput::Deleted {
            originals: deleted.originals,
            derived: deleted.derived,
            originals_left,
            waiting: deleted.waiting.len(),
        })
    }
}
