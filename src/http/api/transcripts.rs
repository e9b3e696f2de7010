//! `/v1/transcripts`: the list, and one of them whole.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Data;
use super::paging::{page, page_size};
use crate::http::Problem;
use crate::http::extract::{Fields, Named};
use crate::ids::{RecordingId, TranscriptId};
use crate::results::{ResultKind as _, TitleResult, transcript_document};
use crate::store::StoreError;
use crate::store::recording_standing::number_in_meeting;
use crate::store::transcript_list::{ListedTranscript, TranscriptFilter, list as listed};
use crate::transcript::{Status, to_json};

pub(super) fn routes(data: Data) -> Router {
    Router::new().route("/v1/transcripts", get(list)).route("/v1/transcripts/{id}", get(read)).with_state(data)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFields {
    /// Daily's id.
    recording_id: Option<RecordingId>,
    status: Option<Status>,
    limit: Option<u32>,
    /// A transcript's id, as `next` told it.
    cursor: Option<Uuid>,
}

async fn list(State(data): State<Data>, Fields(fields): Fields<ListFields>) -> Result<Json<Value>, Problem> {
    let limit = page_size(fields.limit)?;
    let after = fields.cursor.map(|cursor| TranscriptId::try_from(cursor.to_string())).transpose();
    let filter = TranscriptFilter {
        recording: fields.recording_id,
        status: fields.status.map(|status| status.as_str().to_owned()),
        after: after.map_err(|error| Problem::invalid(error.to_string()))?,
    };
    let found = listed(&data.database, &filter, TitleResult::KIND, limit + 1).await?;
    let mut numbers = BTreeMap::new();
    for transcript in found.iter().filter(|transcript| transcript.meeting_id.is_some()) {
        if let Some(recording) = &transcript.row.recording
            && let Some(number) = number_in_meeting(&data.database, recording).await?
        {
            numbers.insert(recording.clone(), number);
        }
    }
    page(found, limit, |transcript| transcript.row.id.to_string(), |transcript| Ok(item(transcript, &numbers)?))
        .map(Json)
}

fn item(transcript: ListedTranscript, numbers: &BTreeMap<RecordingId, i64>) -> Result<Value, StoreError> {
    let title = transcript.title.map(|body| {
        let read = serde_json::from_str::<TitleResult>(&body);
        read.map(|title| title.title).map_err(|error| StoreError::garbled("title", error))
    });
    let row = transcript.row;
    let number = row.recording.as_ref().and_then(|recording| numbers.get(recording));
    let failure =
        row.failure.map(|failure| json!({"task": failure.task, "class": failure.class, "message": failure.message}));
    Ok(json!({
        "id": row.id,
        "status": row.status,
        // As the transcript has it: empty until there is one.
        "title": title.transpose()?.unwrap_or_default(),
        "recording_id": row.recording,
        "room": transcript.room_name,
        "meeting_id": transcript.meeting_id,
        "number_in_meeting": number,
        "created_at": transcript.created_at.to_string(),
        "updated_at": transcript.updated_at.to_string(),
        "audio_deleted_at": row.audio_deleted_at.map(|at| at.to_string()),
        "failure": failure,
    }))
}

async fn read(State(data): State<Data>, Named(id): Named<TranscriptId>) -> Result<Response, Problem> {
    let shown = transcript_document(&data.database, &id).await?;
    // Hours of words: not for a thread that others wait on.
    let body = tokio::task::spawn_blocking(move || to_json(&shown.document)).await.map_err(|_| Problem::internal())?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
