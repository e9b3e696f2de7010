//! Whether the program lives (`/healthz`) and what it can do (`/readyz`), each dependency by its name.
//!
//! Only what nothing works without makes `/readyz` answer 503: while storage or Daily is down, webhooks must still come
//! in, and a balancer that took every process out would lose them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::clock::{SharedClock, Timestamp};
use crate::secret::redacted;
use crate::store::{Database, rooms};

/// How long an answer counts, so that asking often costs nothing.
const FRESH: Duration = Duration::from_secs(5);
/// How long one dependency may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something that the program depends on.
#[async_trait]
pub trait ReadyCheck: Send + Sync + 'static {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Whether nothing works without it.
    fn is_needed(&self) -> bool {
        false
    }

    /// Looks at it: a word on how it is.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    async fn check(&self) -> Result<String, String>;
}

/// The database answers.
pub struct DatabaseReady(pub Database);

#[async_trait]
impl ReadyCheck for DatabaseReady {
    fn name(&self) -> &'static str {
        "database"
    }

    fn is_needed(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        // Also sees a schema that is not there.
        match rooms::any(&self.0).await {
            Ok(_) => Ok("answers".to_owned()),
            Err(error) => {
                tracing::warn!(error = redacted(&format!("{error:?}")), "the database does not answer");
                Err("does not answer".to_owned())
            }
        }
    }
}

struct Health {
    checks: Vec<Arc<dyn ReadyCheck>>,
    clock: SharedClock,
    /// Held while it is looked: who comes meanwhile gets the same answer.
    last: Mutex<Option<(Timestamp, StatusCode, Value)>>,
}

pub(super) fn routes(checks: Vec<Arc<dyn ReadyCheck>>, clock: SharedClock) -> Router {
    readiness(checks, clock).route("/healthz", get(alive))
}

/// `/readyz` alone.
pub(super) fn readiness(checks: Vec<Arc<dyn ReadyCheck>>, clock: SharedClock) -> Router {
    let health = Arc::new(Health { checks, clock, last: Mutex::new(None) });
    Router::new().route("/readyz", get(ready)).with_state(health)
}

async fn alive() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let mut last = health.last.lock().await;
    let now = health.clock.now();
    let answer = match &*last {
        Some((at, status, body)) if now.since(*at) < FRESH && *at <= now => (*status, body.clone()),
        _ => {
            let (status, body) = look(&health.checks).await;
            *last = Some((now, status, body.clone()));
            (status, body)
        }
    };
    (answer.0, Json(answer.1)).into_response()
}

async fn look(checks: &[Arc<dyn ReadyCheck>]) -> (StatusCode, Value) {
    let looked = join_all(checks.iter().map(|check| async move {
        match tokio::time::timeout(PATIENCE, check.check()).await {
            Ok(found) => found,
            Err(_) => Err(format!("did not answer within {} s", PATIENCE.as_secs())),
        }
    }))
    .await;
    let (mut word, mut status, mut shown) = ("ok", StatusCode::OK, Map::new());
    for (check, found) in checks.iter().zip(looked) {
        if found.is_err() && check.is_needed() {
            (word, status) = ("unavailable", StatusCode::SERVICE_UNAVAILABLE);
        } else if found.is_err() && status == StatusCode::OK {
            word = "degraded";
        }
        let told = match found {
            Ok(note) => json!({"ok": true, "note": redacted(&note)}),
            Err(problem) => json!({"ok": false, "problem": redacted(&problem)}),
        };
        shown.insert(check.name().to_owned(), told);
    }
    (status, json!({"status": word, "checks": shown}))
}
