//! Daily's REST API: recordings and who took part.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::http::{Call, DailyTimeouts, Http};
use super::rest::{parse_json, parse_participants, parse_recording, participant_values};
use super::stored_json::without_secrets;
use super::{
    DailyError, DailySource, LARGEST_PAGE, ParticipantRow, RateLimiter, Recording, RecordingPage, RecordingQuery,
    parse_recordings,
};
use crate::clock::Timestamp;
use crate::ids::{MeetingId, RecordingId};
use crate::secret::Secret;

/// A client of one Daily domain. Cloning it is cheap and shares its connections.
///
/// Each of its operations lasts at most [`DailyTimeouts::operation`] and one request more, whatever Daily does; what can't
/// be had by then is a retryable error.
#[derive(Clone)]
pub struct DailyClient {
    pub(super) http: Http,
}

impl DailyClient {
    /// A client of the API at `base`, e.g. `https://api.daily.co/v1`. All clients of a process share one `limiter`.
    ///
    /// # Errors
    /// [`DailyError::Setting`] when the address or key can't be used.
    pub fn new(
        base: &Url,
        key: Secret,
        limiter: Arc<RateLimiter>,
        timeouts: DailyTimeouts,
    ) -> Result<Self, DailyError> {
        Ok(Self { http: Http::new(base, key, limiter, timeouts)? })
    }

    async fn participant_pages(&self, meeting: &MeetingId) -> Result<Vec<Value>, DailyError> {
        let deadline = self.http.deadline();
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        // Daily keeps no session of a meeting that lasted less than ten seconds: then nobody's name is known.
        let first = self.participant_page(meeting, None, deadline).await?;
        // Daily does not say in which order it lists. From a full page we go on in both directions: one of them brings
        // nothing new, and nobody is lost.
        let is_full = first.len() >= LARGEST_PAGE;
        let ends = Ends::of(&first);
        take_new(first, &mut seen, &mut rows);
        if is_full {
            self.go_on(meeting, "joined_after", ends.latest, deadline, &mut seen, &mut rows).await?;
            self.go_on(meeting, "joined_before", ends.earliest, deadline, &mut seen, &mut rows).await?;
        }
        Ok(rows)
    }

    /// Pages in one direction, until one is short, empty, 404 or brings nothing new.
    async fn go_on(
        &self,
        meeting: &MeetingId,
        direction: &'static str,
        from: Option<String>,
        deadline: Timestamp,
        seen: &mut HashSet<String>,
        rows: &mut Vec<Value>,
    ) -> Result<(), DailyError> {
        let mut cursor = from;
        while let Some(from) = cursor.take() {
            let page = self.participant_page(meeting, Some((direction, &from)), deadline).await?;
            let ends = Ends::of(&page);
            let is_full = page.len() >= LARGEST_PAGE;
            if take_new(page, seen, rows) && is_full {
                cursor = if direction == "joined_after" { ends.latest } else { ends.earliest };
            }
        }
        Ok(())
    }

    /// A page past the end may be 404, which is an empty one.
    async fn participant_page(
        &self,
        meeting: &MeetingId,
        cursor: Option<(&'static str, &str)>,
        deadline: Timestamp,
    ) -> Result<Vec<Value>, DailyError> {
        let mut call = Call::get(&["meetings", meeting.as_str(), "participants"]).with("limit", LARGEST_PAGE);
        if let Some((direction, from)) = cursor {
            call = call.with(direction, from);
        }
        match self.http.ask(&call, deadline, participant_values).await {
            Err(DailyError::Status { status: 404, .. }) => Ok(Vec::new()),
            other => other,
        }
    }
}

/// The sessions that joined first and last on a page.
struct Ends {
    earliest: Option<String>,
    latest: Option<String>,
}

impl Ends {
    fn of(page: &[Value]) -> Self {
        let joined = |row: &&Value| row.get("join_time").and_then(Value::as_f64).unwrap_or(f64::NEG_INFINITY);
        let session = |row: &Value| row.get("participant_id").and_then(Value::as_str).map(str::to_owned);
        let by_time = |a: &&Value, b: &&Value| joined(a).total_cmp(&joined(b));
        Self {
            earliest: page.iter().min_by(by_time).and_then(session),
            latest: page.iter().max_by(by_time).and_then(session),
        }
    }
}

/// Keeps rows that were on no page before; says whether there were any.
fn take_new(page: Vec<Value>, seen: &mut HashSet<String>, rows: &mut Vec<Value>) -> bool {
    let before = rows.len();
    rows.extend(page.into_iter().filter(|row| seen.insert(row.to_string())));
    rows.len() > before
}

/// A 404 is a thing that is not there, whatever its path.
pub(super) fn not_there<T>(answer: Result<T, DailyError>, what: &'static str, id: &str) -> Result<T, DailyError> {
    answer.map_err(|error| match error {
        DailyError::Status { status: 404, .. } => DailyError::Unknown { what, id: id.to_owned() },
        other => other,
    })
}

#[async_trait]
impl DailySource for DailyClient {
    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError> {
        let call = Call::get(&["recordings", id.as_str()]);
        not_there(self.http.ask(&call, self.http.deadline(), parse_recording).await, "recording", id.as_str())
    }

    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
        let rows = Value::Array(self.participant_pages(meeting).await?);
        parse_participants("participants", rows.to_string().as_bytes())
    }

    async fn list(&self, query: &RecordingQuery) -> Result<RecordingPage, DailyError> {
        let mut call = Call::get(&["recordings"]).with("limit", query.page_size());
        if let Some(room) = &query.room_name {
            call = call.with("room_name", room);
        }
        if let Some(id) = &query.starting_after {
            call = call.with("starting_after", id);
        }
        if let Some(id) = &query.ending_before {
            call = call.with("ending_before", id);
        }
        self.http.ask(&call, self.http.deadline(), parse_recordings).await
    }

    async fn recording_body(&self, id: &RecordingId) -> Result<Value, DailyError> {
        let call = Call::get(&["recordings", id.as_str()]);
        let asked = self.http.ask(&call, self.http.deadline(), |document, body| {
            parse_recording(document, body)?;
            parse_json(document, body)
        });
        let mut body = not_there(asked.await, "recording", id.as_str())?;
        if body.get("id").is_none()
            && let Some(data) = body.get_mut("data")
        {
            body = data.take();
        }
        Ok(without_secrets(body))
    }

    async fn participant_bodies(&self, meeting: &MeetingId) -> Result<Vec<Value>, DailyError> {
        Ok(self.participant_pages(meeting).await?.into_iter().map(without_secrets).collect())
    }
}
