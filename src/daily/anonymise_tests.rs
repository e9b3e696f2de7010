//! Nothing of whom it was about is left, and all else is.

use proptest::prelude::*;

use super::*;
use crate::daily::{TrackKind, parse_participants, parse_recording, recording_start, recording_tracks};

const SEED: Uuid = Uuid::from_u128(7);

#[test]
fn speakers_get_letters_in_the_order_they_joined_and_the_same_name_the_same_letter() {
    let rows = r#"[{"participant_id":"s1","user_id":"u1","user_name":"Zoe","join_time":1},
        {"participant_id":"s2","user_id":"s2","user_name":"Ann","join_time":2},
        {"participant_id":"s3","user_id":null,"user_name":" Zoe ","join_time":3},
        {"participant_id":"s4","user_id":"u1","user_name":null,"join_time":0},
        {"participant_id":"s5","user_id":"","user_name":"  ","join_time":null}]"#;
    let rows = parse_participants("p", rows.as_bytes()).unwrap();
    let swapped = Anonymiser::new(SEED).participants(&rows).unwrap();
    let names: Vec<_> = swapped.iter().map(|row| row.user_name.as_deref()).collect();
    assert_eq!(names, [Some("Speaker A"), Some("Speaker B"), Some("Speaker A"), None, Some("")]);
    assert_eq!(swapped[0].user_id, swapped[3].user_id, "one person stays one");
    assert_eq!(
        swapped[1].user_id.as_deref(),
        Some(swapped[1].participant_id.as_str()),
        "a session's own id stays that"
    );
    assert_eq!((swapped[2].user_id.as_deref(), swapped[4].user_id.as_deref()), (None, Some("")));
}

#[test]
fn letters_go_on_after_z() {
    let made: Vec<String> = [0, 1, 25, 26, 27, 51, 52, 701, 702].into_iter().map(letters).collect();
    assert_eq!(made, ["A", "B", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]);
}

#[test]
fn keys_keep_their_times_kind_and_extension() {
    let id = "bd299753-a767-4796-b3f7-78aaf6fa5db8";
    let mut anonymiser = Anonymiser::new(SEED);
    for extension in ["", ".webm", ".WEBM"] {
        let key = anonymiser.key(&format!("acme/board/1767603600250-{id}-screen-audio-1767603601370{extension}"));
        let name = TrackName::from_key(&key).unwrap();
        assert_eq!((name.offset(), name.kind), (1.12, TrackKind::ScreenAudio));
        assert!(key.starts_with("domain/room/17") && key.ends_with(extension) && !key.contains(id), "{key}");
    }
    let odd = anonymiser.key("acme/board/Alice's Screen.webm");
    assert_eq!(odd, "domain/room/screen-001.webm");
    assert_eq!(anonymiser.key("acme/board/Alice's Screen.webm"), odd);
    assert_eq!(anonymiser.key("acme/board/m.webm"), "domain/room/track-002.webm");
    assert_eq!(anonymiser.key("acme/board/Bob"), "domain/room/track-003");
}

#[test]
fn events_keep_who_when_and_which_track_and_lose_what_was_written() {
    let original = json!({"events": [
        {"ts": 1767603600.25, "type": "track-added", "participant_id": "s1",
            "data": {"trackSessionNum": 1, "kind": "audio", "trackType": "cam-audio", "displayName": "Zoe", "paused": false}},
        {"ts": 1767603601, "type": "recording-media-started", "participant_id": "s1",
            "data": {"trackSessionNum": 1, "uri": "acme/board/x", "mediaStartTime": 1767603601.5, "contentType": "audio/webm"}},
        {"ts": 1767603602, "type": "chat-message", "participant_id": "s1", "data": {"text": "Zoe: hi", "kind": "Zoe"}},
        {"type": "Zoe said", "data": {}}, 7, null
    ]});
    let mut anonymiser = Anonymiser::new(SEED);
    let swapped = anonymiser.events(&original).unwrap();
    let session = anonymiser.id("s1");
    assert_eq!(
        swapped,
        json!({"events": [
            {"ts": 1767603600.25, "type": "track-added", "participant_id": session,
                "data": {"trackSessionNum": 1, "kind": "audio", "trackType": "cam-audio", "displayName": "Speaker A", "paused": false}},
            {"ts": 1767603601, "type": "recording-media-started", "participant_id": session,
                "data": {"trackSessionNum": 1, "uri": "domain/room/track-001", "mediaStartTime": 1767603601.5, "contentType": "audio/webm"}},
            {"ts": 1767603602, "type": "chat-message", "participant_id": session, "data": {}},
        ]})
    );
    assert_eq!(anonymiser.events(&json!([])), None);
}

/// Words that occur nowhere else: what is looked for must not be there by chance.
fn word() -> impl Strategy<Value = String> {
    "Qx[a-z]{6,12}"
}

proptest! {
    #[test]
    fn nothing_of_the_original_is_left_and_all_else_is_read_the_same(
        (recording_id, meeting, room, domain, bucket) in (word(), word(), word(), word(), word()),
        people in prop::collection::vec((word(), word(), any::<u128>(), any::<bool>()), 1..6),
        odd in prop::collection::vec((word(), any::<bool>(), any::<bool>()), 0..4),
    ) {
        let sessions: Vec<String> = people.iter().map(|(_, _, id, _)| Uuid::from_u128(*id).to_string()).collect();
        let mut tracks: Vec<Value> = sessions.iter().enumerate().map(|(nth, id)| {
            let kind = ["cam-audio", "cam-video", "screen-audio"][nth % 3];
            json!({"type": "audio", "size": nth, "s3Key": format!("{domain}/{room}/1767603600250-{id}-{kind}-{}", 1767603601000_u64 + nth as u64)})
        }).collect();
        tracks.extend(odd.iter().map(|(name, screen, webm)| {
            let (screen, webm) = (if *screen { "-Screen" } else { "" }, if *webm { ".webm" } else { "" });
            json!({"type": "audio", "s3Key": format!("{domain}/{room}/{name}{screen}{webm}")})
        }));
        let body = json!({
            "id": recording_id, "room_name": format!("{room}-20260105090000"), "start_ts": 1767603600, "status": "finished",
            "duration": 77, "s3": {"bucket_name": bucket, "endpoint": format!("https://{domain}.example")},
            "s3key": format!("{domain}/{room}/1767603600250"), "tracks": tracks, "mtgSessionId": meeting,
        });
        let rows: Vec<Value> = people.iter().zip(&sessions).map(|((name, user, _, has_user), session)| {
            json!({"user_id": has_user.then_some(user), "participant_id": session, "user_name": name, "join_time": 1.5, "duration": 2})
        }).collect();
        let events = json!({"events": people.iter().zip(&sessions).map(|((name, user, ..), session)| json!({
            "ts": 1.5, "type": "track-added", "participant_id": session, (name.as_str()): name,
            "data": {"displayName": name, "kind": name, "user": user, "uri": format!("{domain}/{room}/{name}"), "text": name},
        })).collect::<Vec<_>>()});
        let recording = parse_recording("r", body.to_string().as_bytes()).unwrap();
        let rows = parse_participants("p", Value::from(rows).to_string().as_bytes()).unwrap();

        let mut anonymiser = Anonymiser::new(SEED);
        let new_rows = anonymiser.participants(&rows).unwrap();
        let new_recording = anonymiser.recording(&recording).unwrap();
        let new_events = anonymiser.events(&events).unwrap();
        let all = format!("{}{}{new_events}", serde_json::to_string(&new_recording).unwrap(), serde_json::to_string(&new_rows).unwrap());
        prop_assert!(!all.contains("Qx"), "{all}");
        for session in &sessions {
            prop_assert!(!all.contains(session.as_str()), "{all}");
        }

        prop_assert_eq!(recording_start(&new_recording), recording_start(&recording));
        prop_assert_eq!((new_recording.duration, new_recording.kind()), (recording.duration, recording.kind()));
        let (old, new) = (recording_tracks(&recording), recording_tracks(&new_recording));
        prop_assert_eq!(old.len(), new.len());
        let session_of = |id: &ParticipantId| rows.iter().position(|row| row.participant_id == *id);
        let new_session_of = |id: &ParticipantId| new_rows.iter().position(|row| row.participant_id == *id);
        for (old, new) in old.iter().zip(&new) {
            prop_assert_eq!((old.kind, old.offset, old.size, old.note.is_some()), (new.kind, new.offset, new.size, new.note.is_some()));
            prop_assert_eq!(old.participant.as_ref().and_then(session_of), new.participant.as_ref().and_then(new_session_of));
        }
        for (old, new) in rows.iter().zip(&new_rows) {
            prop_assert_eq!((old.user_id.is_some(), old.join_time, old.duration), (new.user_id.is_some(), new.join_time, new.duration));
            let same = |rows: &[ParticipantRow], row: &ParticipantRow| rows.iter().map(|other| other.user_name == row.user_name).collect::<Vec<_>>();
            prop_assert_eq!(same(&rows, old), same(&new_rows, new));
        }
    }

    #[test]
    fn no_events_make_it_panic(kind in ".{0,10}", key in ".{0,20}", name in ".{0,10}") {
        let mut anonymiser = Anonymiser::new(SEED);
        let _ = anonymiser.key(&key);
        let _ = anonymiser.events(&json!({"events": [{"type": kind, "data": {"uri": key, "displayName": name}}]}));
    }
}
