//! `POST /v1/daily/webhook`: answered once the event is stored, and never later than that. What follows from it is the
//! inbox's business, which is woken.
//!
//! Daily gives a subscription up after three answers in a row that are not 2xx, so nothing is refused that Daily signed:
//! events that are not understood are stored too, and of bodies that can't be read, that they came.

mod body;
mod writer;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, body::Body};
use serde_json::json;
use tokio::sync::Notify;

use self::body::BodyReader;
use self::writer::EventWriter;
use super::{Limits, Problem};
use crate::clock::SharedClock;
use crate::config::names::DAILY_WEBHOOK_SECRET;
use crate::daily::webhook::{
    Delivery, SIGNATURE_HEADER, TIMESTAMP_HEADER, WINDOW, WebhookError, WebhookSecret, parse, unreadable, verify,
};
use crate::store::Database;
use crate::store::daily_events::DailyEventRow;

/// A test delivery is no longer: longer bodies are not even looked at before their signature is.
const LONGEST_TEST: usize = 64;

/// What the webhook needs.
struct Webhook {
    secret: Option<WebhookSecret>,
    clock: SharedClock,
    bodies: BodyReader,
    writer: EventWriter,
}

pub(super) fn routes(
    database: Database,
    secret: Option<WebhookSecret>,
    clock: SharedClock,
    inbox: Arc<Notify>,
    limits: &Limits,
) -> Router {
    let writer = EventWriter::start(database, inbox);
    let webhook = Webhook { secret, clock, bodies: BodyReader::new(limits.body), writer };
    Router::new().route("/v1/daily/webhook", post(receive)).with_state(Arc::new(webhook))
}

async fn receive(State(webhook): State<Arc<Webhook>>, request: Request<Body>) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = webhook.bodies.read(&parts.headers, body).await?;
    // Sent while the subscription is being made, before anybody can know its secret. It has no effect.
    if body.len() <= LONGEST_TEST && parse(&body) == Ok(Delivery::Test) {
        return Ok(taken("test"));
    }
    let Some(secret) = &webhook.secret else {
        let detail = format!("{DAILY_WEBHOOK_SECRET} is not set here, so no delivery can be checked");
        return Err(Problem::unavailable("no_secret", detail));
    };
    let now = webhook.clock.now();
    let (timestamp, signature) = (text(&parts.headers, TIMESTAMP_HEADER)?, text(&parts.headers, SIGNATURE_HEADER)?);
    verify(secret, timestamp, signature, &body, now)?;
    let (event, status) = match parse(&body) {
        Ok(Delivery::Test) => return Ok(taken("test")),
        Ok(Delivery::Event(event)) => (*event, "stored"),
        Err(why) => {
            tracing::warn!(%why, bytes = body.len(), "Daily delivered something that can't be read: nothing is made of it");
            (unreadable(&body, &why), "unreadable")
        }
    };
    drop(body);
    let row = DailyEventRow {
        id: event.id,
        kind: event.kind,
        recording: event.recording,
        room_name: event.room_name,
        body: event.body,
        tries: 0,
        received_at: now,
    };
    webhook.writer.store(row).await?;
    Ok(taken(status))
}

fn taken(status: &str) -> Response {
    (StatusCode::OK, Json(json!({"status": status}))).into_response()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Problem> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| unsigned(format!("the header {name} is missing or no text")))
}

fn unsigned(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "bad_signature", detail)
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match &error {
            WebhookError::Stale { .. } => {
                let window = WINDOW.as_secs();
                unsigned(format!("{error} Deliveries are taken within {window} s of their signing"))
            }
            WebhookError::BadSecret(_) | WebhookError::BadTimestamp | WebhookError::WrongSignature => {
                unsigned(error.to_string())
            }
        }
    }
}
