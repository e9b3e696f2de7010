//! What a recording's track list means: which entry is whose, what it carries and about when it began.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::ids::ParticipantId;

use super::rest::{ListedTrack, Recording};
use super::track_name::{TrackKind, TrackName, last_part};

/// One entry of the list, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingTrack {
    /// As listed.
    pub key: String,
    /// Bytes, where the list says so.
    pub size: Option<u64>,
    /// What it carries.
    pub kind: TrackKind,
    /// Whose it is; unknown when the name is not in Daily's format.
    pub participant: Option<ParticipantId>,
    /// Seconds from the recording's start by the file's name: the fallback where the packets don't say.
    pub offset: Option<f64>,
    /// What people should know about how this entry was understood.
    pub note: Option<String>,
}

/// Reads the whole list, in its order. A key that is listed again is the same track: it is used once, and noted.
///
/// A name that is not in Daily's format tells no participant, and what it carries is told by the listed `type`:
/// `video` is a camera, anything else is taken for speech, so that nothing said is lost; either is of a screen where the
/// name has the word `screen`.
pub fn recording_tracks(recording: &Recording) -> Vec<RecordingTrack> {
    let mut tracks: Vec<RecordingTrack> = Vec::with_capacity(recording.tracks.len());
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for listed in &recording.tracks {
        match seen.entry(&listed.s3_key) {
            Entry::Occupied(first) => {
                let track = &mut tracks[*first.get()];
                track.note.get_or_insert_with(|| format!("track {}: listed more than once, used once", track.key));
            }
            Entry::Vacant(new) => {
                new.insert(tracks.len());
                tracks.push(understood(listed));
            }
        }
    }
    tracks
}

fn understood(listed: &ListedTrack) -> RecordingTrack {
    let (key, size) = (listed.s3_key.clone(), listed.size);
    if let Ok(name) = TrackName::from_key(&key) {
        let offset = Some(name.offset());
        return RecordingTrack { key, size, kind: name.kind, participant: Some(name.participant), offset, note: None };
    }
    let screen = last_part(&key).to_lowercase().contains("screen");
    let kind = match (listed.media_type.as_deref(), screen) {
        (Some("video"), false) => TrackKind::CamVideo,
        (Some("video"), true) => TrackKind::ScreenVideo,
        (_, false) => TrackKind::CamAudio,
        (_, true) => TrackKind::ScreenAudio,
    };
    let note =
        format!("track {key}: the name is not in Daily's format, so it is taken for {kind} of an unknown participant");
    RecordingTrack { key, size, kind, participant: None, offset: None, note: Some(note) }
}

/// When the recording began, seconds since the epoch: to the millisecond from the track names, else Daily's `start_ts`.
pub fn recording_start(recording: &Recording) -> Option<f64> {
    let named = recording.tracks.iter().filter_map(|track| TrackName::from_key(&track.s3_key).ok()).next();
    named.map(|name| name.recording_start_ms as f64 / 1000.0).or(recording.start_ts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily::parse_recording;

    #[test]
    fn an_odd_name_is_understood_by_its_type_and_noted() {
        let body = r#"{"id":"r","start_ts":5,"tracks":[{"type":"audio","s3Key":"x/guest.webm"},{"type":"video","s3Key":"x/v"},
            {"type":"audio","s3Key":"x/Screen-1"},{"s3Key":"x/what"}]}"#;
        let recording = parse_recording("r", body.as_bytes()).unwrap();
        let tracks = recording_tracks(&recording);
        let kinds: Vec<_> = tracks.iter().map(|track| track.kind).collect();
        assert_eq!(kinds, [TrackKind::CamAudio, TrackKind::CamVideo, TrackKind::ScreenAudio, TrackKind::CamAudio]);
        assert!(tracks.iter().all(|track| track.participant.is_none() && track.note.is_some()));
        assert!(tracks[0].note.as_ref().unwrap().contains("x/guest.webm"));
        assert_eq!(recording_start(&recording), Some(5.0));
    }

    #[test]
    fn a_track_that_is_listed_twice_is_one_track() {
        let body = r#"{"id":"r","tracks":[{"s3Key":"a"},{"s3Key":"b"},{"s3Key":"a"}]}"#;
        let tracks = recording_tracks(&parse_recording("r", body.as_bytes()).unwrap());
        assert_eq!(tracks.iter().map(|track| track.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_name_in_dailys_format_outweighs_the_listed_type() {
        let body = r#"{"id":"r","start_ts":1767776400,"tracks":[{"type":"video",
            "s3Key":"1767776400004-fbd5a293-a18b-442f-8912-b8e383d833a9-cam-audio-1767776400314"}]}"#;
        let recording = parse_recording("r", body.as_bytes()).unwrap();
        let track = recording_tracks(&recording).remove(0);
        assert_eq!((track.kind, track.offset), (TrackKind::CamAudio, Some(0.31)));
        assert_eq!(recording_start(&recording), Some(1_767_776_400.004));
    }
}
