//! What every request gets: an id, a line in the log, and an answer even when its handler panics.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tracing::Instrument as _;

use super::Problem;
use super::server::Peer;

/// The header that carries a request's id, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of others are not taken over.
const LONGEST_ID: usize = 64;

/// Answers, whatever happens, and logs it: no query strings, which may hold secrets, and no bodies.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let peer = request.extensions().get::<Peer>().map(|peer| tracing::field::display(peer.0.ip()));
    let span = tracing::info_span!("request", id);
    async move {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let mut response = answer.unwrap_or_else(|_| {
            tracing::error!("the handler panicked");
            Problem::internal().into_response()
        });
        let (status, milliseconds) = (response.status().as_u16(), milliseconds(started.elapsed()));
        // Asked for every few seconds by whoever watches.
        if path == "/healthz" || path == "/readyz" {
            tracing::debug!(%method, path, status, milliseconds, peer, "answered");
        } else {
            tracing::info!(%method, path, status, milliseconds, peer, "answered");
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
    .instrument(span)
    .await
}

/// To three decimals, for people.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// The id that somebody in front of us gave, where it is one; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(is_plain).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_without_noise() {
        assert_eq!(milliseconds(Duration::from_nanos(710_555)).to_string(), "0.71");
        assert_eq!(milliseconds(Duration::from_micros(12_345)).to_string(), "12.345");
    }

    #[test]
    fn only_a_plain_id_is_taken_over() {
        let with = |id: &'static [u8]| {
            let value = HeaderValue::from_bytes(id).unwrap();
            request_id(&HeaderMap::from_iter([(REQUEST_ID, value)]))
        };
        assert_eq!(with(b"trace-1.2_x"), "trace-1.2_x");
        for odd in [b"".as_slice(), b"a b", b"\xff", b"a\"b", &[b'x'; 65]] {
            assert_eq!(with(odd).len(), 36, "{odd:?}");
        }
    }
}
