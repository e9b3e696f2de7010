//! Bodies of deliveries, read whole because the signature is over all of it: anybody may send one, so their number times
//! their size is bounded.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use bytes::BytesMut;
use futures::StreamExt as _;
use tokio::sync::Semaphore;

use crate::http::Problem;

/// Daily's events are far shorter; those of meetings with hundreds of tracks are longer.
const SMALL: usize = 64 * 1024;
/// Longer ones at once.
const LARGE_AT_ONCE: usize = 16;
/// So much more is read and thrown away, times the limit: who still sends does not read an answer.
const PATIENCE: usize = 4;

/// Reads bodies.
pub(super) struct BodyReader {
    limit: usize,
    large: Arc<Semaphore>,
}

impl BodyReader {
    /// For bodies of up to `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, large: Arc::new(Semaphore::new(LARGE_AT_ONCE)) }
    }

    /// The whole body.
    ///
    /// # Errors
    /// 413 when it is too long, 503 when too many long ones come at once, 400 when it breaks off.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.limit.saturating_mul(PATIENCE)) {
            return Err(self.too_long());
        }
        let mut pieces = body.into_data_stream();
        let (mut whole, mut length, mut place) = (BytesMut::new(), 0usize, None);
        while let Some(piece) = pieces.next().await {
            let piece =
                piece.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "broken_body", "the body broke off"))?;
            length = length.saturating_add(piece.len());
            if length > self.limit.saturating_mul(PATIENCE) {
                break;
            }
            if length > self.limit {
                whole.clear();
                continue;
            }
            if length > SMALL && place.is_none() {
                let free = self.large.clone().try_acquire_owned();
                place = Some(free.map_err(|_| Problem::unavailable("busy", "too many long deliveries at once"))?);
            }
            whole.extend_from_slice(&piece);
        }
        if length > self.limit { Err(self.too_long()) } else { Ok(whole.freeze()) }
    }

    fn too_long(&self) -> Problem {
        let detail = format!("a body may have {} bytes", self.limit);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", detail)
    }
}
