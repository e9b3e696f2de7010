//! What a delivery says.
//!
//! Shapes are those of Daily's webhook reference as it was read in 2026, taken with patience, because it and what comes
//! over the wire differ: `participant.*` name the room `room`, `recording.started` names none, `recording.error` tells an
//! instance id but not always a recording id, and numbers may be text. An event that is not understood is still an event:
//! refusing it would only make Daily repeat it, and give up on us after three times. So is a body that can't be read.

use serde::Deserialize as _;
use serde_json::{Map, Value, json as made};

use super::field::{id, number, text, time};
use crate::clock::Timestamp;
use crate::daily::stored_json::without_secrets;
use crate::daily::{ListedTrack, json};
use crate::ids::{MeetingId, ParticipantId, RecordingId};
use crate::secret::redacted;

/// Ids that are longer are replaced by a hash of the body.
const LONGEST_ID: usize = 200;
/// The type of what can't be read.
const UNREADABLE: &str = "unreadable";

/// A delivery's content.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// `{"test":"test"}`, which Daily sends when a subscription is made or changed: answer 200, do nothing.
    Test,
    /// Something happened.
    Event(Box<WebhookEvent>),
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookEvent {
    /// Daily's id, the same for each delivery of the event; of an event without one, `blake3:` and its body's hash.
    pub id: String,
    /// Daily's word for what happened, e.g. `recording.ready-to-download`.
    pub kind: String,
    /// What happened.
    pub what: Happening,
    /// The recording it is about, where it says so.
    pub recording: Option<RecordingId>,
    /// The room it is about, where it says so.
    pub room_name: Option<String>,
    /// Daily's meeting session, where it says so.
    pub meeting: Option<MeetingId>,
    /// When Daily sent it first, where it says so.
    pub sent_at: Option<Timestamp>,
    /// The body to store: the same JSON without tokens, secrets and query strings.
    pub body: String,
}

/// What happened, as far as we need to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// Somebody came into a room.
    ParticipantJoined(Presence),
    /// Somebody left a room.
    ParticipantLeft(Presence),
    /// A recording began.
    RecordingStarted(StartedRecording),
    /// A recording is complete and its files are in the bucket.
    RecordingReady(ReadyRecording),
    /// A recording went wrong.
    RecordingError(RecordingFault),
    /// A type that we did not ask for.
    Other,
    /// One of our types, without something that it must have: which.
    Unusable(&'static str),
}

/// One stay of one session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Presence {
    /// The session, which the REST API calls `participant_id`.
    pub session: Option<ParticipantId>,
    /// The person's id in the application that made the room.
    pub user_id: Option<String>,
    /// The display name.
    pub user_name: Option<String>,
    /// When it began.
    pub joined_at: Option<Timestamp>,
    /// Seconds; of a stay that is over.
    pub duration: Option<f64>,
}

/// A recording that began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartedRecording {
    /// The instance, by which a later `recording.error` may name this recording.
    pub instance_id: Option<String>,
    /// The session that started it.
    pub started_by: Option<ParticipantId>,
    /// When.
    pub started_at: Option<Timestamp>,
}

/// A recording that is complete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadyRecording {
    /// `cloud`, `cloud-audio-only` or `raw-tracks`.
    pub declared_type: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Seconds.
    pub duration: Option<f64>,
    /// The most participants at once.
    pub max_participants: Option<f64>,
    /// The one file's key, or the tracks' prefix.
    pub s3_key: Option<String>,
    /// Empty where Daily may not look into the bucket any more.
    pub tracks: Vec<ListedTrack>,
}

/// A recording that went wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordingFault {
    /// The instance, see [`StartedRecording::instance_id`].
    pub instance_id: Option<String>,
    /// Daily's words, without query strings.
    pub message: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// Why a body is no event. Nothing of the body is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook's body is no event: {0}")]
pub struct UnreadableBody(String);

/// Reads a body whose signature was verified.
///
/// # Errors
/// [`UnreadableBody`] for what is no JSON object with a `type`. Events that lack anything else are events.
pub fn parse(body: &[u8]) -> Result<Delivery, UnreadableBody> {
    let bad = |why: String| UnreadableBody(why);
    // The error tells line and column, never the text.
    let value = json::read(body).map_err(|error| bad(format!("not JSON: {error}")))?;
    if !value.is_object() {
        return Err(bad("not a JSON object".to_owned()));
    }
    let Some(kind) = text(&value, "type") else {
        return if value.get("test").is_some() { Ok(Delivery::Test) } else { Err(bad("type: missing".to_owned())) };
    };
    let empty = Value::Object(Map::new());
    let payload = value.get("payload").filter(|payload| payload.is_object()).unwrap_or(&empty);
    let recording: Option<RecordingId> = id(payload, "recording_id");
    let room_name = text(payload, "room_name").or_else(|| text(payload, "room"));
    let what = happening(&kind, payload, recording.is_some(), room_name.is_some());
    Ok(Delivery::Event(Box::new(WebhookEvent {
        id: event_id(&value, body),
        what,
        recording,
        room_name,
        meeting: id(payload, "mtgSessionId").or_else(|| id(payload, "meeting_id")),
        sent_at: time(&value, "event_ts"),
        kind,
        body: without_secrets(value).to_string(),
    })))
}

/// The event that stands for a signed body which can't be read: of a type that nothing is made of. The body itself is not
/// kept, because secrets can't be found in it.
pub fn unreadable(body: &[u8], why: &UnreadableBody) -> WebhookEvent {
    WebhookEvent {
        id: body_id(body),
        kind: UNREADABLE.to_owned(),
        what: Happening::Other,
        recording: None,
        room_name: None,
        meeting: None,
        sent_at: None,
        body: made!({"type": UNREADABLE, "why": why.0, "bytes": body.len()}).to_string(),
    }
}

fn event_id(event: &Value, body: &[u8]) -> String {
    let given = event.get("id").and_then(Value::as_str);
    match given.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control)) {
        Some(id) => id.to_owned(),
        None => body_id(body),
    }
}

fn body_id(body: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(body).to_hex())
}

fn happening(kind: &str, payload: &Value, has_recording: bool, has_room: bool) -> Happening {
    let presence = || Presence {
        session: id(payload, "session_id").or_else(|| id(payload, "participant_id")),
        user_id: text(payload, "user_id"),
        user_name: text(payload, "user_name"),
        joined_at: time(payload, "joined_at"),
        duration: number(payload, "duration"),
    };
    match kind {
        "participant.joined" => Happening::ParticipantJoined(presence()),
        "participant.left" => Happening::ParticipantLeft(presence()),
        "recording.started" if !has_recording => Happening::Unusable("payload.recording_id"),
        "recording.started" => Happening::RecordingStarted(StartedRecording {
            instance_id: text(payload, "instance_id"),
            started_by: id(payload, "started_by"),
            started_at: time(payload, "start_ts"),
        }),
        "recording.ready-to-download" if !has_recording => Happening::Unusable("payload.recording_id"),
        "recording.ready-to-download" => Happening::RecordingReady(ReadyRecording {
            declared_type: text(payload, "type"),
            started_at: time(payload, "start_ts"),
            duration: number(payload, "duration"),
            max_participants: number(payload, "max_participants"),
            s3_key: text(payload, "s3_key"),
            tracks: tracks(payload),
        }),
        "recording.error" => {
            let instance_id = text(payload, "instance_id");
            if !has_recording && instance_id.is_none() && !has_room {
                return Happening::Unusable("payload.recording_id");
            }
            Happening::RecordingError(RecordingFault {
                instance_id,
                message: text(payload, "error_msg").map(|message| redacted(&message)),
                at: time(payload, "timestamp"),
            })
        }
        _ => Happening::Other,
    }
}

/// Entries that can't be read are left out: the list that counts is asked of the REST API.
fn tracks(payload: &Value) -> Vec<ListedTrack> {
    let listed = payload.get("tracks").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    listed.iter().filter_map(|track| ListedTrack::deserialize(track).ok()).collect()
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
