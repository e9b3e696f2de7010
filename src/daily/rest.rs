//! The bodies of Daily's REST answers, in Daily's own shapes and with Daily's own looseness: fields that are null, left
//! out or not in the reference, numbers with and without a fraction, lists bare or under `data`. What we can't do
//! without is required, and its absence is an error that names the field.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::{MeetingId, ParticipantId, RecordingId};

use super::{DailyError, json};

/// `GET /recordings/:id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Daily's id.
    pub id: RecordingId,
    /// The room's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_name: Option<String>,
    /// When the recording began, seconds since the epoch, mostly whole.
    #[serde(default)]
    pub start_ts: Option<f64>,
    /// `in-progress` or `finished`.
    #[serde(default)]
    pub status: Option<String>,
    /// `cloud` or `raw-tracks`; null in practice, see [`Recording::kind`].
    #[serde(default, rename = "type")]
    pub declared_type: Option<String>,
    /// The most participants at once.
    #[serde(default)]
    pub max_participants: Option<f64>,
    /// Seconds; null while Daily still works on the recording.
    #[serde(default)]
    pub duration: Option<f64>,
    /// The bucket.
    #[serde(default)]
    pub s3: Option<S3Place>,
    /// The key of a cloud recording's one file.
    #[serde(default)]
    pub s3key: Option<String>,
    /// One per participant, source and stay.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub tracks: Vec<ListedTrack>,
    /// The meeting session that was recorded.
    #[serde(default, rename = "mtgSessionId")]
    pub meeting_id: Option<MeetingId>,
}

/// The bucket that holds a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Place {
    /// The bucket's name.
    #[serde(default)]
    pub bucket_name: Option<String>,
    /// E.g. `us-west-2`.
    #[serde(default)]
    pub bucket_region: Option<String>,
    /// The recording's key or prefix.
    #[serde(default)]
    pub key: Option<String>,
    /// A custom endpoint.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// One file of a raw-tracks recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTrack {
    /// `audio` or `video`.
    #[serde(default, rename = "type")]
    pub media_type: Option<String>,
    /// The object's key.
    #[serde(rename = "s3Key")]
    pub s3_key: String,
    /// Bytes.
    #[serde(default)]
    pub size: Option<u64>,
}

/// What kind of recording this is. The list of tracks decides, not the declared type, which Daily leaves null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingKind {
    /// One file per participant.
    RawTracks,
    /// One file of everybody.
    Cloud,
    /// No file at all.
    Failed,
}

impl Recording {
    /// See [`RecordingKind`].
    pub fn kind(&self) -> RecordingKind {
        if !self.tracks.is_empty() {
            RecordingKind::RawTracks
        } else if self.s3key.as_deref().is_some_and(|key| !key.is_empty()) {
            RecordingKind::Cloud
        } else {
            RecordingKind::Failed
        }
    }

    /// Whether Daily says that it still records. Nothing said is finished: recorded folders may leave it out.
    pub fn is_in_progress(&self) -> bool {
        self.status.as_deref() == Some("in-progress")
    }

    /// A retryable error while Daily still records (H21).
    pub fn require_finished(&self) -> Result<(), DailyError> {
        if self.is_in_progress() {
            return Err(DailyError::NotFinished { id: self.id.to_string() });
        }
        Ok(())
    }

    /// A retryable error while neither tracks nor a file are listed. For Daily's own answers: they leave both out for a while
    /// after the recording is over (H21). What a recorded folder leaves out stays left out.
    pub fn require_listed(&self) -> Result<(), DailyError> {
        if self.kind() == RecordingKind::Failed {
            return Err(DailyError::NothingListed { id: self.id.to_string() });
        }
        Ok(())
    }

    /// An error unless this is a raw-tracks recording.
    pub fn require_raw_tracks(&self) -> Result<(), DailyError> {
        let why = match self.kind() {
            RecordingKind::RawTracks => return Ok(()),
            RecordingKind::Cloud => "it is one file of everybody (a cloud recording)",
            RecordingKind::Failed => "it lists no tracks and no file, so recording failed",
        };
        Err(DailyError::NotRawTracks { id: self.id.to_string(), why })
    }
}

/// One row of `GET /meetings/:id/participants`: one stay of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParticipantRow {
    /// The person's id in the application that made the room; null for guests.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The session's id.
    pub participant_id: ParticipantId,
    /// The display name.
    #[serde(default)]
    pub user_name: Option<String>,
    /// Seconds since the epoch, mostly whole.
    #[serde(default)]
    pub join_time: Option<f64>,
    /// Seconds.
    #[serde(default)]
    pub duration: Option<f64>,
}

/// Reads the body of `GET /recordings/:id`. `document` is the file's name or the request, for errors.
pub fn parse_recording(document: &str, body: &[u8]) -> Result<Recording, DailyError> {
    let mut value = parse_json(document, body)?;
    let mut prefix = "";
    if value.get("id").is_none()
        && let Some(data) = value.get_mut("data").filter(|data| data.is_object())
    {
        value = data.take();
        prefix = "data.";
    }
    typed(document, prefix, value)
}

/// Reads the body of `GET /meetings/:id/participants`: the rows are under `data`, or bare. No list is an empty one.
pub fn parse_participants(document: &str, body: &[u8]) -> Result<Vec<ParticipantRow>, DailyError> {
    match rows(document, body)? {
        (_, Value::Null) => Ok(Vec::new()),
        (prefix, rows) => typed(document, prefix, rows),
    }
}

/// The rows as they came, if they can be read as [`ParticipantRow`]s. No list is an error here: Daily's answer for now,
/// not for good, and a transcript made of it would have no names.
pub(super) fn participant_values(document: &str, body: &[u8]) -> Result<Vec<Value>, DailyError> {
    let (prefix, rows) = rows(document, body)?;
    if rows.is_null() {
        return Err(malformed(document, format!("{prefix}: null in place of a list")));
    }
    typed::<Vec<ParticipantRow>>(document, prefix, rows.clone())?;
    typed(document, prefix, rows)
}

/// The list, or null, and where it lay.
fn rows(document: &str, body: &[u8]) -> Result<(&'static str, Value), DailyError> {
    let mut value = parse_json(document, body)?;
    match value {
        Value::Array(_) => Ok(("", value)),
        Value::Object(ref mut fields) => match fields.remove("data") {
            Some(rows) => Ok(("data", rows)),
            None => Err(malformed(document, "data: missing".to_owned())),
        },
        _ => Err(malformed(document, "expected an object with a list under `data`".to_owned())),
    }
}

/// Syntax only; the error tells line and column.
pub(super) fn parse_json(document: &str, body: &[u8]) -> Result<Value, DailyError> {
    // Editors on Windows put a byte order mark in front of what they save.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    json::read(body).map_err(|error| malformed(document, format!("not JSON: {error}")))
}

/// A JSON value as `T`; an error names the field by its path, e.g. `tracks[2].s3Key: missing`.
pub(super) fn typed<T: DeserializeOwned>(document: &str, prefix: &str, value: Value) -> Result<T, DailyError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "" } else { path.as_str() };
        let message = error.inner().to_string();
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let problem = match missing {
            Some(field) => {
                let dot = if path.is_empty() && (prefix.is_empty() || prefix.ends_with('.')) { "" } else { "." };
                format!("{prefix}{path}{dot}{field}: missing")
            }
            None if prefix.is_empty() && path.is_empty() => message,
            None => format!("{prefix}{path}: {message}"),
        };
        malformed(document, problem)
    })
}

fn malformed(document: &str, problem: String) -> DailyError {
    DailyError::Malformed { document: document.to_owned(), problem }
}

fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure as _, FailureClass};

    fn recording(body: &str) -> Result<Recording, String> {
        parse_recording("recording.json", body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn nulls_missing_and_unknown_fields_are_taken_as_daily_sends_them() {
        let read = recording(
            r#"{"id":"r","type":null,"duration":null,"s3":null,"s3key":null,"start_ts":1708972279.96,"later":{"x":1},
                "tracks":[{"type":"audio","s3Key":"a/b","size":7,"new":true},{"s3Key":"a/c"}]}"#,
        )
        .unwrap();
        assert_eq!(read.kind(), RecordingKind::RawTracks);
        assert_eq!(read.start_ts, Some(1_708_972_279.96));
        assert_eq!((read.tracks[0].size, read.tracks[1].media_type.as_deref()), (Some(7), None));
        assert_eq!(recording(r#"{"data":{"id":"r"}}"#).unwrap().kind(), RecordingKind::Failed);
    }

    #[test]
    fn the_list_of_tracks_decides_what_kind_of_recording_it_is() {
        assert_eq!(recording(r#"{"id":"r","tracks":null,"s3key":"k"}"#).unwrap().kind(), RecordingKind::Cloud);
        assert_eq!(recording(r#"{"id":"r","type":"raw-tracks"}"#).unwrap().kind(), RecordingKind::Failed);
        let error = recording(r#"{"id":"r","s3key":"k"}"#).unwrap().require_raw_tracks().unwrap_err();
        assert!(error.to_string().contains("cloud recording"), "{error}");
    }

    #[test]
    fn h21_a_recording_in_progress_is_not_ready_yet_and_no_error_of_its_own() {
        let read = recording(r#"{"id":"r","status":"in-progress","duration":null,"tracks":null}"#).unwrap();
        assert_eq!(read.require_finished().unwrap_err().class(), FailureClass::Retryable);
        for finished in [r#"{"id":"r","status":"finished","duration":null}"#, r#"{"id":"r"}"#] {
            recording(finished).unwrap().require_finished().unwrap();
        }
    }

    #[test]
    fn h21_a_recording_that_lists_nothing_is_not_ready_yet() {
        let null = recording(r#"{"id":"r","status":"finished","tracks":null,"s3":null}"#).unwrap();
        assert_eq!(null.require_listed().unwrap_err().class(), FailureClass::Retryable);
        assert_eq!(null.require_raw_tracks().unwrap_err().class(), FailureClass::Permanent, "in a recorded folder");
        for listed in [r#"{"id":"r","s3key":"k"}"#, r#"{"id":"r","tracks":[{"s3Key":"k"}]}"#] {
            recording(listed).unwrap().require_listed().unwrap();
        }
    }

    #[test]
    fn a_missing_or_mistyped_field_is_named_with_its_path() {
        let table = [
            (r#"{"tracks":[]}"#, "recording.json: id: missing"),
            (
                r#"{"id":"r","tracks":[{"s3Key":"a"},{"s3Key":"b"},{"type":"audio"}]}"#,
                "recording.json: tracks[2].s3Key: missing",
            ),
            (
                r#"{"id":"r","tracks":[{"s3Key":7}]}"#,
                "recording.json: tracks[0].s3Key: invalid type: integer `7`, expected a string",
            ),
            (r#"{"id":"r","duration":"37"}"#, "recording.json: duration: invalid type: string \"37\", expected f64"),
            (r#"{"data":{"id":null}}"#, "recording.json: data.id: invalid type: null, expected a string"),
            (r#"{"id":""}"#, "recording.json: id: recording id \"\" is not usable: it is empty"),
        ];
        for (body, message) in table {
            assert_eq!(recording(body).unwrap_err(), message);
        }
    }

    #[test]
    fn a_syntax_error_tells_line_and_column() {
        let error = recording("{\n \"id\": \"r\",\n}").unwrap_err();
        assert!(error.contains("recording.json: not JSON") && error.contains("line 3 column 1"), "{error}");
    }

    #[test]
    fn participants_are_under_data_or_bare_and_may_be_null() {
        let read = |body: &str| parse_participants("participants.json", body.as_bytes()).map_err(|e| e.to_string());
        let row = r#"{"participant_id":"p","user_id":null,"join_time":1768208401.529,"duration":56}"#;
        assert_eq!(read(&format!("[{row}]")).unwrap(), read(&format!(r#"{{"data":[{row}]}}"#)).unwrap());
        assert_eq!(read(r#"{"data":null}"#).unwrap(), []);
        assert_eq!(read("{}").unwrap_err(), "participants.json: data: missing");
        assert_eq!(
            read(&format!(r#"{{"data":[{row},{{"user_name":"Bob"}}]}}"#)).unwrap_err(),
            "participants.json: data[1].participant_id: missing"
        );
        assert!(read("7").is_err());
        let values = |body: &str| participant_values("participants", body.as_bytes()).map_err(|e| e.to_string());
        assert_eq!(values(r#"{"data":[]}"#).unwrap().len(), 0);
        assert_eq!(values(&format!("[{row}]")).unwrap().len(), 1);
        assert_eq!(values(r#"{"data":null}"#).unwrap_err(), "participants: data: null in place of a list");
        assert!(values(r#"{"data":[{"user_name":"Bob"}]}"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(body: Vec<u8>) {
            let _ = parse_recording("r", &body);
            let _ = parse_participants("p", &body);
        }
    }
}
