//! How much is answered at once, how large and for how long. Who comes on top is told to come again: a queue that
//! nobody sees grows until everything is late.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::Problem;

/// How much is taken from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Requests to the API at once.
    pub api_requests: usize,
    /// Webhook deliveries at once.
    pub deliveries: usize,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// From a request's head to its answer.
    pub answer: Duration,
    /// For a request's head to arrive.
    pub head: Duration,
    /// For requests under way when the program stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            api_requests: 64,
            deliveries: 512,
            // Below the 1024 open files that many systems allow.
            connections: 768,
            answer: Duration::from_secs(30),
            head: Duration::from_secs(30),
            drain: Duration::from_secs(35),
        }
    }
}

/// Lets a request in when there is room.
pub(super) async fn shed(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = room.try_acquire_owned() else {
        return Problem::unavailable("busy", "too many requests at once").into_response();
    };
    next.run(request).await
}

/// Gives a request's answer this long.
pub(super) async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the answer was not ready, or the request not whole, within {limit:?}");
            Problem::unavailable("too_slow", detail).into_response()
        }
    }
}
