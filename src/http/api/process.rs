//! `POST /v1/transcripts/{id}/process`: make the transcript anew.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::extract::{MaybeBody, Named};
use crate::http::{Notify, Problem, ProcessRefusal, Processing};
use crate::ids::TranscriptId;

pub(super) fn routes(processing: Arc<dyn Processing>) -> Router {
    Router::new().route("/v1/transcripts/{id}/process", post(process)).with_state(processing)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProcessFields {
    #[serde(default)]
    notify: Notify,
}

async fn process(
    State(processing): State<Arc<dyn Processing>>,
    Named(id): Named<TranscriptId>,
    MaybeBody(fields): MaybeBody<ProcessFields>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let notify = fields.unwrap_or_default().notify;
    let asked = processing.process(&id, notify).await.map_err(|refusal| problem(&id, refusal))?;
    let body = json!({"transcript_id": id, "run_id": asked.run, "request_id": asked.request});
    Ok((StatusCode::ACCEPTED, Json(body)))
}

fn problem(id: &TranscriptId, refusal: ProcessRefusal) -> Problem {
    match refusal {
        ProcessRefusal::NoTranscript => Problem::not_found(format!("there is no transcript {id}")),
        ProcessRefusal::Running { run } => {
            let detail = "a run is already under way: wait for it, or cancel it first";
            Problem::conflict("already_running", detail).with("run_id", run.map(String::from))
        }
        ProcessRefusal::AudioDeleted { at } => {
            let detail =
                format!("the audio was deleted at {at}, because consent was denied; the transcript stays as it is");
            Problem::new(StatusCode::GONE, "audio_deleted", detail).with("deleted_at", at.to_string())
        }
        ProcessRefusal::RecordingDeleted { at } => {
            let detail = format!("the recording was deleted at {at}; the transcript stays as it is");
            Problem::new(StatusCode::GONE, "recording_deleted", detail).with("deleted_at", at.to_string())
        }
        ProcessRefusal::Failed(problem) => problem,
    }
}
