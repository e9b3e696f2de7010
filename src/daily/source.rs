//! Whoever answers for Daily: a recorded folder, or the REST API itself.

use async_trait::async_trait;
use serde_json::Value;

use crate::ids::{MeetingId, RecordingId};

use super::{DailyError, ParticipantRow, Recording, RecordingPage, RecordingQuery};

/// Answers in the REST API's own shapes, so that what follows never knows who answered.
#[async_trait]
pub trait DailySource: Send + Sync {
    /// Whether it may list later what it does not list of a finished recording now. Daily itself does; what was recorded in
    /// a folder stays as it is.
    fn lists_later(&self) -> bool {
        true
    }

    /// `GET /recordings/:id`. A recording that is not finished is no error.
    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError>;

    /// `GET /meetings/:id/participants`, all pages: one row per stay, in no certain order.
    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError>;

    /// `GET /recordings`: one page of the list, newest first.
    async fn list(&self, query: &RecordingQuery) -> Result<RecordingPage, DailyError>;

    /// The recording's whole body, fields that we don't know among them, without tokens.
    async fn recording_body(&self, id: &RecordingId) -> Result<Value, DailyError> {
        as_json("recording", &self.recording(id).await?)
    }

    /// The participants' whole rows, fields that we don't know among them, without tokens.
    async fn participant_bodies(&self, meeting: &MeetingId) -> Result<Vec<Value>, DailyError> {
        self.participants(meeting).await?.iter().map(|row| as_json("participants", row)).collect()
    }
}

fn as_json(document: &str, value: &impl serde::Serialize) -> Result<Value, DailyError> {
    serde_json::to_value(value)
        .map_err(|error| DailyError::Malformed { document: document.to_owned(), problem: error.to_string() })
}
