//! Whoever answers for Daily: a recorded folder, or the REST API itself.

use async_trait::async_trait;

use crate::ids::{MeetingId, RecordingId};

use super::{DailyError, ParticipantRow, Recording};

/// Answers in the REST API's own shapes, so that what follows never knows who answered.
#[async_trait]
pub trait DailySource: Send + Sync {
    /// `GET /recordings/:id`.
    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError>;

    /// `GET /meetings/:id/participants`, all pages: one row per stay, in no certain order.
    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError>;
}
