//! The pages of a process that only executes runs: whether it lives and is ready, and its numbers. No API, no webhook.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::observe::observe;
use super::{Limits, Problem, ReadyCheck, health, server};
use crate::clock::SharedClock;

/// What a worker says of itself.
pub trait WorkerReport: Send + Sync + 'static {
    /// Streams, current tasks and counts; part of `/healthz`.
    fn health(&self) -> Value;

    /// Numbers in Prometheus' text form.
    fn metrics(&self) -> String;
}

/// What a worker's pages need.
pub struct WorkerPages {
    /// What `/readyz` looks at.
    pub checks: Vec<Arc<dyn ReadyCheck>>,
    /// What the others show.
    pub report: Arc<dyn WorkerReport>,
    /// What time it is.
    pub clock: SharedClock,
}

/// Answers requests on `listener` until `stop`.
pub async fn serve_pages(listener: TcpListener, pages: WorkerPages, stop: CancellationToken) {
    server::answer(listener, router(pages), Limits::default(), stop).await;
}

fn router(pages: WorkerPages) -> Router {
    let WorkerPages { checks, report, clock } = pages;
    Router::new()
        .route("/healthz", get(alive))
        .route("/metrics", get(metrics))
        .with_state(report)
        .merge(health::readiness(checks, clock))
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .layer(from_fn(observe))
}

async fn alive(State(report): State<Arc<dyn WorkerReport>>) -> Response {
    let mut shown = json!({"status": "ok"});
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, report.health()) {
        shown.extend(more);
    }
    Json(shown).into_response()
}

async fn metrics(State(report): State<Arc<dyn WorkerReport>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], report.metrics()).into_response()
}
