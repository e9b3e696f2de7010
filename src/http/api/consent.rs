//! `/v1/recordings/{id}/consent` and `/v1/meetings/{id}/consent`: whose voice may be kept. A denial deletes audio at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::http::extract::{Body, Named};
use crate::http::{AudioFate, ConsentDesk, ConsentScope, Problem};
use crate::ids::{MeetingId, RecordingId};

/// People in one request.
const MOST_PEOPLE: usize = 1000;
/// Ids of people are no longer.
const LONGEST_SUBJECT: usize = 200;

type Desk = Arc<dyn ConsentDesk>;
type Answers = BTreeMap<String, bool>;

pub(super) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/v1/recordings/{id}/consent", get(of_recording).put(for_recording))
        .route("/v1/meetings/{id}/consent", get(of_meeting).put(for_meeting))
        .with_state(desk)
}

async fn of_recording(State(desk): State<Desk>, Named(id): Named<RecordingId>) -> Result<Json<Answers>, Problem> {
    desk.answers(&ConsentScope::Recording(id)).await.map(Json)
}

async fn of_meeting(State(desk): State<Desk>, Named(id): Named<MeetingId>) -> Result<Json<Answers>, Problem> {
    desk.answers(&ConsentScope::Meeting(id)).await.map(Json)
}

async fn for_recording(
    State(desk): State<Desk>,
    Named(id): Named<RecordingId>,
    Body(answers): Body<Answers>,
) -> Result<Json<Value>, Problem> {
    record(desk, ConsentScope::Recording(id), answers).await
}

async fn for_meeting(
    State(desk): State<Desk>,
    Named(id): Named<MeetingId>,
    Body(answers): Body<Answers>,
) -> Result<Json<Value>, Problem> {
    record(desk, ConsentScope::Meeting(id), answers).await
}

async fn record(desk: Desk, scope: ConsentScope, answers: Answers) -> Result<Json<Value>, Problem> {
    let is_subject = |text: &String| {
        (1..=LONGEST_SUBJECT).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
    };
    if answers.is_empty() || answers.len() > MOST_PEOPLE || !answers.keys().all(is_subject) {
        let expected = r#"{"<user id or participant id>": false}"#;
        return Err(Problem::invalid(format!("the body must be {expected}, for 1 to {MOST_PEOPLE} people")));
    }
    let task = tokio::spawn(async move {
        let fates = desk.record(&scope, answers).await?;
        let recordings: BTreeMap<&str, AudioFate> = fates.iter().map(|(id, fate)| (id.as_str(), *fate)).collect();
        Ok(json!({"answers": desk.answers(&scope).await?, "audio": recordings}))
    });
    // Whoever asked may hang up; a deletion that was begun goes on.
    task.await.unwrap_or_else(|_| Err(Problem::internal())).map(Json)
}
