//! Whether the program lives (`/healthz`) and what it can do (`/readyz`), each dependency by its name.
//!
//! Only what nothing works without makes `/readyz` answer 503: while storage or Daily is down, webhooks must still come
//! in, and a balancer that took every process out would lose them. For the same reason nobody who asks waits for a
//! dependency that hangs: a probe gives up after a second, and then takes the process out too.

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

use super::looks::{Looked, Looks};
use crate::clock::SharedClock;
use crate::secret::redacted;
use crate::store::{Database, rooms};

/// How long what was found counts for a dependency that nothing works without.
const FRESH_IF_NEEDED: Duration = Duration::from_secs(5);
/// The same for all others.
const FRESH: Duration = Duration::from_secs(15);

/// Something that the program depends on.
#[async_trait]
pub trait ReadyCheck: Send + Sync + 'static {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Whether nothing works without it.
    fn is_needed(&self) -> bool {
        false
    }

    /// How long what was found counts: it is looked at no more often.
    fn fresh_for(&self) -> Duration {
        if self.is_needed() { FRESH_IF_NEEDED } else { FRESH }
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
    looks: Vec<Looks>,
    clock: SharedClock,
}

pub(super) fn routes(checks: Vec<Arc<dyn ReadyCheck>>, clock: SharedClock) -> Router {
    readiness(checks, clock).route("/healthz", get(alive))
}

/// `/readyz` alone.
pub(super) fn readiness(checks: Vec<Arc<dyn ReadyCheck>>, clock: SharedClock) -> Router {
    let health = Arc::new(Health { looks: checks.into_iter().map(Looks::new).collect(), clock });
    Router::new().route("/readyz", get(ready)).with_state(health)
}

async fn alive() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let now = health.clock.now();
    let looked = join_all(health.looks.iter().map(|looks| looks.known(now))).await;
    let (mut word, mut status, mut shown) = ("ok", StatusCode::OK, Map::new());
    for (looks, found) in health.looks.iter().zip(looked) {
        if found.is_err() && looks.check().is_needed() {
            (word, status) = ("unavailable", StatusCode::SERVICE_UNAVAILABLE);
        } else if found.is_err() && status == StatusCode::OK {
            word = "degraded";
        }
        shown.insert(looks.check().name().to_owned(), told(found));
    }
    (status, Json(json!({"status": word, "checks": shown}))).into_response()
}

fn told(found: Looked) -> Value {
    match found {
        Ok(note) => json!({"ok": true, "note": redacted(&note)}),
        Err(problem) => json!({"ok": false, "problem": redacted(&problem)}),
    }
}
