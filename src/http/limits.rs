//! How much is answered at once, how large and for how long. Who comes on top is told to come again: a queue that
//! nobody sees grows until everything is late.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
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
    /// From a request's head to its answer; and, while that is sent, for the other end to take some of it.
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
            // With what comes after it less than the 30 s that Kubernetes gives a process.
            drain: Duration::from_secs(20),
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
    let awaited = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| Body::new(WatchedBody { body, awaited: Arc::clone(&awaited) }));
    let too_late = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => return response,
        Err(_) if awaited.load(Ordering::Relaxed) => {
            let detail = format!("the request's body was not whole within {limit:?}");
            Problem::new(StatusCode::REQUEST_TIMEOUT, "slow_body", detail)
        }
        Err(_) => Problem::unavailable("too_slow", format!("the answer was not ready within {limit:?}")),
    };
    too_late.into_response()
}

/// A request's body, and whether somebody waits for more of it.
struct WatchedBody {
    body: Body,
    awaited: Arc<AtomicBool>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.awaited.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
