//! `send_webhook`: tells whoever asked that the transcript is there. Without an address it says so, and keeps what it
//! would have sent.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::content_key::content_key;
use super::get_recording::GetRecordingOutput;
use super::{Services, TranscriptInput};
use crate::notify::NotifyMode;
use crate::results::transcript_document;
use crate::store;
use crate::transcript::{Origin, ResultEvent};
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct SendWebhook;

/// What a notification reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    pub(super) get_recording: GetRecordingOutput,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum NotificationOutput {
    /// Whoever asked for the run wants nobody to be told.
    NotRequested {
        /// For people.
        reason: String,
    },
    /// There is nobody to tell.
    NotConfigured {
        /// For people.
        reason: String,
        /// Hash of what would have been sent.
        payload: String,
    },
}

#[async_trait]
impl Task<Services> for SendWebhook {
    const NAME: &'static str = "send_webhook";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = NotificationOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<NotificationOutput, TaskError> {
        if let Some(output) = not_requested(ctx) {
            return Ok(output);
        }
        let document = transcript_document(services.database(), &input.transcript_id).await?.document;
        let recording = parents.get_recording;
        let run = &ctx.identity().root_run;
        let origin = Origin { run, recording: Some(&recording.recording_id), room: recording.room_name.as_deref() };
        let event = ResultEvent::of(&document, origin);
        not_configured(ctx, services, &input, "webhook_payload", &event, "no webhook address is configured").await
    }
}

/// What a notification says when the run was asked for without any.
pub(super) fn not_requested(ctx: &TaskContext) -> Option<NotificationOutput> {
    let nobody = NotifyMode::of_run(ctx.metadata()) == NotifyMode::None;
    nobody.then(|| NotificationOutput::NotRequested { reason: "the run was asked for with notify=none".to_owned() })
}

/// Keeps `payload` as a result of the run and says that nobody is told.
pub(super) async fn not_configured<P: Serialize + Sync>(
    ctx: &TaskContext,
    services: &Services,
    input: &TranscriptInput,
    kind: &str,
    payload: &P,
    reason: &str,
) -> Result<NotificationOutput, TaskError> {
    store::results::put(&services.writer(ctx, &input.transcript_id), kind, payload).await?;
    let mut value = serde_json::to_value(payload).map_err(|error| TaskError::permanent(format!("{kind}: {error}")))?;
    // Stands for this very run, so it is not part of what is the same on every engine.
    if let Some(fields) = value.as_object_mut() {
        fields.remove("event_id");
    }
    let payload = content_key([value.to_string().as_str()]);
    Ok(NotificationOutput::NotConfigured { reason: reason.to_owned(), payload })
}
