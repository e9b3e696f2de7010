//! `post_zulip`: a message with title, summary and topics for the team's chat. Without a server it says so, and keeps what it
//! would have posted.

use async_trait::async_trait;

use super::send_webhook::{NotificationOutput, Parents, not_configured, not_requested};
use super::{Services, TranscriptInput};
use crate::results::transcript_document;
use crate::transcript::ChatMessage;
use crate::workflow::{Task, TaskContext, TaskError};

/// The step.
pub struct PostZulip;

#[async_trait]
impl Task<Services> for PostZulip {
    const NAME: &'static str = "post_zulip";
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
        let message = ChatMessage::of(&document, parents.get_recording.room_name.as_deref());
        not_configured(ctx, services, &input, "zulip_message", &message, "no Zulip server is configured").await
    }
}
