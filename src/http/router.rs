//! All that is answered, and what it goes through.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::{Notify, Semaphore};

use super::auth::{Door, admitted};
use super::limits::{in_time, shed};
use super::observe::observe;
use super::{ConsentDesk, Limits, Problem, Processing, ReadyCheck, api, health, webhook};
use crate::clock::SharedClock;
use crate::daily::webhook::WebhookSecret;
use crate::store::Database;

/// What answering needs.
#[derive(Clone)]
pub struct HttpState {
    /// The database.
    pub database: Database,
    /// What time it is.
    pub clock: SharedClock,
    /// What Daily signs its webhooks with; without it no delivery is taken.
    pub webhook_secret: Option<WebhookSecret>,
    /// Woken when there are new events.
    pub inbox: Arc<Notify>,
    /// Who starts runs.
    pub processing: Arc<dyn Processing>,
    /// Who takes answers about consent.
    pub consent: Arc<dyn ConsentDesk>,
    /// What `/readyz` looks at.
    pub checks: Vec<Arc<dyn ReadyCheck>>,
    /// How much is answered.
    pub limits: Limits,
}

/// Everything that is answered. Must be called on a runtime: events are stored by a task of its own, which ends with the
/// router.
pub fn router(state: HttpState) -> Router {
    let HttpState { database, clock, webhook_secret, inbox, processing, consent, checks, limits } = state;
    let room = |requests| Arc::new(Semaphore::new(requests));
    let door = Arc::new(Door::new(database.clone(), clock.clone()));

    let api = api::routes(&database, &clock, processing, consent)
        .layer(DefaultBodyLimit::max(limits.body))
        .route_layer(from_fn_with_state(door, admitted))
        .route_layer(from_fn_with_state(room(limits.api_requests), shed));
    // A pool of its own: people who read long transcripts keep no delivery waiting.
    let webhook = webhook::routes(database.fresh(None), webhook_secret, clock.clone(), inbox, &limits)
        .route_layer(from_fn_with_state(room(limits.deliveries), shed));

    Router::new()
        .merge(api)
        .merge(webhook)
        .layer(from_fn_with_state(limits.answer, in_time))
        .merge(health::routes(checks, clock))
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "bad_method", "this path does not take this method")
        })
        .layer(from_fn(observe))
}
