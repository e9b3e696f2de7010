//! The same recording with nobody in it: names, ids, room, domain and bucket swapped for others, the same everywhere, so
//! that it is transcribed as before and can be given away. What is said in the tracks stays as it is.
//!
//! Only fields that we know come out. A field that Daily adds one day is lost rather than leaked.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ParticipantRow, Recording, S3Place, TrackName, last_part};
use crate::ids::{InvalidId, MeetingId, ParticipantId, RecordingId};

/// Fields of an event's data that say nothing of anybody. Chat messages have none of them.
const HARMLESS: [&str; 6] = ["trackSessionNum", "kind", "trackType", "paused", "mediaStartTime", "contentType"];

/// Swaps what tells who was there. One anonymiser is for one recording.
#[derive(Debug)]
pub struct Anonymiser {
    /// Whoever does not know it can't tell which id became which.
    seed: Uuid,
    /// By the original name.
    names: BTreeMap<String, String>,
    /// By the original key; only keys that are not named as Daily names tracks.
    odd_keys: BTreeMap<String, String>,
}

impl Anonymiser {
    /// A new one. The same `seed` swaps ids the same way; a random one can't be traced back.
    pub fn new(seed: Uuid) -> Self {
        Self { seed, names: BTreeMap::new(), odd_keys: BTreeMap::new() }
    }

    /// Another id for this one. Ids that were equal stay equal.
    fn id(&self, original: &str) -> String {
        Uuid::new_v5(&self.seed, original.as_bytes()).to_string()
    }

    /// `Speaker A` for the first name that is met, and so on. A name of nothing but spaces stays none.
    fn name(&mut self, original: &str) -> String {
        let name = original.trim();
        if name.is_empty() {
            return String::new();
        }
        let next = self.names.len();
        self.names.entry(name.to_owned()).or_insert_with(|| format!("Speaker {}", letters(next))).clone()
    }

    /// The recording. Call this or [`Self::participants`] first, in any order.
    ///
    /// # Errors
    /// Never for ids that were ids before.
    pub fn recording(&mut self, original: &Recording) -> Result<Recording, InvalidId> {
        let tracks = original.tracks.iter().map(|track| {
            let s3_key = self.key(&track.s3_key);
            super::ListedTrack { media_type: word(track.media_type.as_ref()), s3_key, size: track.size }
        });
        Ok(Recording {
            tracks: tracks.collect(),
            id: self.id(original.id.as_str()).parse::<RecordingId>()?,
            room_name: original.room_name.as_ref().map(|_| "room".to_owned()),
            start_ts: original.start_ts,
            status: word(original.status.as_ref()),
            declared_type: word(original.declared_type.as_ref()),
            max_participants: original.max_participants,
            duration: original.duration,
            s3: original.s3.as_ref().map(|_| S3Place { bucket_name: Some("bucket".to_owned()), ..S3Place::default() }),
            s3key: original.s3key.as_ref().map(|key| self.key(key)),
            meeting_id: match &original.meeting_id {
                Some(meeting) => Some(self.id(meeting.as_str()).parse::<MeetingId>()?),
                None => None,
            },
        })
    }

    /// Who took part. Names get their letters in the order of joining, so that whatever is sorted by name stays in order.
    ///
    /// # Errors
    /// Never for ids that were ids before.
    pub fn participants(&mut self, original: &[ParticipantRow]) -> Result<Vec<ParticipantRow>, InvalidId> {
        let mut in_order: Vec<&ParticipantRow> = original.iter().collect();
        in_order.sort_by(|a, b| {
            let joined = |row: &ParticipantRow| row.join_time.unwrap_or(f64::NEG_INFINITY);
            joined(a)
                .total_cmp(&joined(b))
                .then_with(|| a.user_name.cmp(&b.user_name))
                .then_with(|| a.user_id.cmp(&b.user_id))
        });
        for name in in_order.iter().filter_map(|row| row.user_name.as_deref()) {
            self.name(name);
        }
        original
            .iter()
            .map(|row| {
                Ok(ParticipantRow {
                    user_id: row
                        .user_id
                        .as_deref()
                        .map(|id| if id.trim().is_empty() { String::new() } else { self.id(id) }),
                    participant_id: self.id(row.participant_id.as_str()).parse::<ParticipantId>()?,
                    user_name: row.user_name.as_deref().map(|name| self.name(name)),
                    join_time: row.join_time,
                    duration: row.duration,
                })
            })
            .collect()
    }

    /// The key of a track or of the recording's other files. Times, kind and extension stay, for they are what a key is
    /// read for; so does the word `screen` in a name that is not in Daily's format.
    pub fn key(&mut self, original: &str) -> String {
        let file = original.rsplit('/').next().unwrap_or(original);
        let extension = file.strip_prefix(last_part(original)).unwrap_or_default();
        if let Ok(name) = TrackName::from_key(original)
            && let Ok(participant) = self.id(name.participant.as_str()).parse()
        {
            return format!("domain/room/{}{extension}", TrackName { participant, ..name });
        }
        let next = self.odd_keys.len() + 1;
        let kind = if last_part(original).to_lowercase().contains("screen") { "screen" } else { "track" };
        let odd = self.odd_keys.entry(original.to_owned());
        odd.or_insert_with(|| format!("domain/room/{kind}-{next:03}{extension}")).clone()
    }

    /// The events JSON: who, when and which track stay, in other names; what was written in the chat goes. `None` for what
    /// is not of that shape.
    pub fn events(&mut self, original: &Value) -> Option<Value> {
        let events = original.get("events")?.as_array()?;
        let events: Vec<Value> = events.iter().filter_map(|event| self.event(event.as_object()?)).collect();
        Some(json!({ "events": events }))
    }

    fn event(&mut self, original: &Map<String, Value>) -> Option<Value> {
        let kind = original.get("type")?.as_str()?;
        // A type is a word of Daily's; anything else could be anybody's.
        if kind.len() > 60 || !kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            return None;
        }
        let mut event = Map::new();
        event.insert("type".to_owned(), json!(kind));
        if let Some(at) = original.get("ts").filter(|at| at.is_number()) {
            event.insert("ts".to_owned(), at.clone());
        }
        if let Some(id) = original.get("participant_id").and_then(Value::as_str) {
            event.insert("participant_id".to_owned(), json!(self.id(id)));
        }
        if let Some(Value::Object(data)) = original.get("data") {
            event.insert("data".to_owned(), Value::Object(self.event_data(data)));
        }
        Some(Value::Object(event))
    }

    fn event_data(&mut self, original: &Map<String, Value>) -> Map<String, Value> {
        let mut data = Map::new();
        for (name, value) in original {
            let swapped = match (name.as_str(), value) {
                ("displayName", Value::String(text)) => json!(self.name(text)),
                ("uri", Value::String(key)) => json!(self.key(key)),
                (harmless, Value::Number(_) | Value::Bool(_)) if HARMLESS.contains(&harmless) => value.clone(),
                (harmless, Value::String(word)) if HARMLESS.contains(&harmless) && is_word(word) => value.clone(),
                _ => continue,
            };
            data.insert(name.clone(), swapped);
        }
        data
    }
}

/// Daily's own words for types and states. Other text could be anybody's.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 15] = [
        "audio",
        "video",
        "audio/webm",
        "video/webm",
        "audio/opus",
        "video/vp8",
        "video/h264",
        "cam-audio",
        "cam-video",
        "screen-audio",
        "screen-video",
        "raw-tracks",
        "cloud",
        "finished",
        "in-progress",
    ];
    WORDS.contains(&text)
}

fn word(text: Option<&String>) -> Option<String> {
    text.filter(|text| is_word(text)).cloned()
}

/// A to Z, then AA and so on.
fn letters(number: usize) -> String {
    let last = char::from(b'A' + (number % 26) as u8);
    match number / 26 {
        0 => last.to_string(),
        more => letters(more - 1) + &last.to_string(),
    }
}

#[cfg(test)]
#[path = "anonymise_tests.rs"]
mod tests;
