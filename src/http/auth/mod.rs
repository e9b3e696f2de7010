//! Who may use the API: whoever has a key. While no key was ever made, whoever sits at this machine.

mod key;
mod local;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

pub use key::ApiKey;

use super::Problem;
use super::server::Peer;
use crate::clock::{SharedClock, Timestamp};
use crate::store::api_keys::ApiKeyRow;
use crate::store::{Database, StoreError, api_keys};

/// How long a key that was found counts without being looked up again: as long as revoking one may take.
const FOUND_FOR: Duration = Duration::from_secs(3);
/// How exactly it is noted when a key was used.
const USED_EVERY: Duration = Duration::from_secs(60);
/// Keys remembered at once; more are simply looked up again.
const MOST_REMEMBERED: usize = 1000;

/// The door of the API.
pub(super) struct Door {
    database: Database,
    clock: SharedClock,
    /// A key was made once. It stays so: revoking the last one opens nothing.
    has_keys: AtomicBool,
    /// Keys that were found, by hash, and when.
    found: Mutex<HashMap<String, Timestamp>>,
}

impl Door {
    pub(super) fn new(database: Database, clock: SharedClock) -> Self {
        Self { database, clock, has_keys: AtomicBool::new(false), found: Mutex::default() }
    }

    async fn admit(&self, headers: &HeaderMap, peer: Option<Peer>) -> Result<(), Problem> {
        if !self.has_keys().await? {
            return if local::is_local(headers, peer.map(|peer| peer.0.ip())) { Ok(()) } else { Err(no_keys_yet()) };
        }
        let Some(key) = bearer(headers) else {
            return Err(refused("this needs an API key: send Authorization: Bearer ts_…"));
        };
        if self.knows(&key.hash()).await? { Ok(()) } else { Err(refused("this API key is not known, or was revoked")) }
    }

    async fn has_keys(&self) -> Result<bool, StoreError> {
        if self.has_keys.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let any = api_keys::any(&self.database).await?;
        self.has_keys.store(any, Ordering::Relaxed);
        Ok(any)
    }

    /// Whether a key has this hash. That is a lookup by the hash, so that its time tells nothing of other keys.
    async fn knows(&self, hash: &str) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_fresh = |at: &Timestamp| now.since(*at) < FOUND_FOR && *at <= now;
        if self.found.lock().unwrap_or_else(PoisonError::into_inner).get(hash).is_some_and(is_fresh) {
            return Ok(true);
        }
        let Some(key) = api_keys::find(&self.database, hash).await? else {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).remove(hash);
            return Ok(false);
        };
        {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.len() >= MOST_REMEMBERED {
                found.clear();
            }
            found.insert(hash.to_owned(), now);
        }
        self.note_use(&key, now).await;
        Ok(true)
    }

    /// Does not refuse anybody when it fails.
    async fn note_use(&self, key: &ApiKeyRow, now: Timestamp) {
        if key.last_used_at.is_some_and(|last| now.since(last) < USED_EVERY) {
            return;
        }
        if let Err(error) = api_keys::used(&self.database, &key.id, now).await {
            tracing::warn!(key = key.id, %error, "the use of an API key could not be noted");
        }
    }
}

/// Lets a request through, or answers 401.
pub(super) async fn admitted(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    match door.admit(request.headers(), peer).await {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let is_refusal = problem.status() == StatusCode::UNAUTHORIZED;
            let mut response = problem.into_response();
            if is_refusal {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<ApiKey> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::presented(key.trim()))
}

fn refused(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "no_api_key", detail)
}

fn no_keys_yet() -> Problem {
    refused(
        "no API key exists yet, so only requests from this machine itself are answered: \
         make one with trackscribe keys create NAME, and send Authorization: Bearer ts_…",
    )
}
