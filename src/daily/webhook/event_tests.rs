//! Events in Daily's own shapes and in broken ones.

use proptest::prelude::*;

use super::*;

fn event(body: &str) -> WebhookEvent {
    match parse(body.as_bytes()) {
        Ok(Delivery::Event(event)) => *event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_test_delivery_is_told_apart() {
    assert_eq!(parse(br#"{"test":"test"}"#), Ok(Delivery::Test));
    assert_eq!(parse(br#" { "test" : true } "#), Ok(Delivery::Test));
}

#[test]
fn a_participant_event_names_its_room_and_session() {
    let read = event(
        r#"{"version":"1.0.0","type":"participant.left","id":"ptcpt-left-1-2","payload":{"room":"standup-20260105090000",
        "user_id":null,"user_name":"Alice","session_id":"0c0d2dda-f21d-4cf9-ab56-86bf3c407ffa","joined_at":1708972279.96,
        "duration":23,"will_eject_at":null,"owner":false,"permissions":{"canSend":true}},"event_ts":1708972302.986}"#,
    );
    assert_eq!((read.id.as_str(), read.kind.as_str()), ("ptcpt-left-1-2", "participant.left"));
    assert_eq!((read.room_name.as_deref(), read.recording), (Some("standup-20260105090000"), None));
    assert_eq!(read.sent_at.unwrap().to_string(), "2024-02-26T18:31:42.986Z");
    let Happening::ParticipantLeft(stay) = read.what else { panic!("{:?}", read.what) };
    assert_eq!(stay.session.unwrap().as_str(), "0c0d2dda-f21d-4cf9-ab56-86bf3c407ffa");
    assert_eq!((stay.user_id, stay.user_name.as_deref(), stay.duration), (None, Some("Alice"), Some(23.0)));
}

#[test]
fn a_started_recording_is_known_by_id_and_instance_and_names_no_room() {
    let read = event(
        r#"{"type":"recording.started","id":"rec-sta-1","payload":{"action":"start-cloud-recording","recording_id":"r-1",
        "layout":{"preset":"raw-tracks"},"started_by":"p-1","instance_id":"i-1","start_ts":1692124183},"event_ts":1692124183}"#,
    );
    assert_eq!((read.recording.unwrap().as_str(), read.room_name), ("r-1", None));
    let Happening::RecordingStarted(started) = read.what else { panic!("{:?}", read.what) };
    assert_eq!(started.instance_id.as_deref(), Some("i-1"));
    assert_eq!(started.started_at.unwrap().as_micros(), 1_692_124_183_000_000);
}

#[test]
fn a_ready_recording_is_read_with_nulls_and_keeps_no_token() {
    let read = event(
        r#"{"type":"recording.ready-to-download","id":"rec-rtd-1","payload":{"type":"raw-tracks","recording_id":"r-1",
        "room_name":"standup","start_ts":1692124183,"status":"finished","duration":null,"s3_key":"d/standup/1",
        "share_token":"s3cr3t","accessToken":"s3cr3t","tracks":null,
        "download_link":"https://bucket/x?X-Amz-Signature=s3cr3t"},"event_ts":1692124399}"#,
    );
    let Happening::RecordingReady(ready) = &read.what else { panic!("{:?}", read.what) };
    assert_eq!((ready.declared_type.as_deref(), ready.duration), (Some("raw-tracks"), None));
    assert!(ready.tracks.is_empty());
    assert!(!read.body.contains("s3cr3t") && !read.body.contains("X-Amz"), "{}", read.body);
    assert!(read.body.contains(r#""s3_key":"d/standup/1""#));
    let read = event(
        r#"{"type":"recording.ready-to-download","payload":{"recording_id":"r","tracks":[null,{"s3Key":"a","size":3},7]}}"#,
    );
    let Happening::RecordingReady(ready) = read.what else { panic!("{:?}", read.what) };
    assert_eq!(ready.tracks.len(), 1);
}

#[test]
fn an_error_may_name_only_the_instance_and_its_time_may_be_text() {
    let read = event(
        r#"{"type":"recording.error","id":"rec-err-1","payload":{"action":"cloud-recording-error",
        "error_msg":"PUT https://b/k?X-Amz-Date=1 failed","instance_id":"i-1","room_name":"standup","timestamp":"1693402871"},
        "event_ts":1693402871.203}"#,
    );
    assert_eq!(read.recording, None);
    let Happening::RecordingError(fault) = read.what else { panic!("{:?}", read.what) };
    assert_eq!(fault.message.as_deref(), Some("PUT https://b/k?… failed"));
    assert_eq!(fault.at.unwrap().as_micros(), 1_693_402_871_000_000);
}

#[test]
fn types_we_did_not_ask_for_and_events_without_what_they_need_are_still_events() {
    assert_eq!(event(r#"{"type":"meeting.ended","id":"x"}"#).what, Happening::Other);
    for kind in ["recording.started", "recording.ready-to-download", "recording.error"] {
        for payload in
            ["null", "[]", "{}", r#"{"recording_id":null}"#, r#"{"recording_id":7}"#, r#"{"recording_id":""}"#]
        {
            let read = event(&format!(r#"{{"type":"{kind}","payload":{payload}}}"#));
            assert_eq!(read.what, Happening::Unusable("payload.recording_id"), "{kind} {payload}");
        }
    }
}

#[test]
fn an_event_without_a_usable_id_is_known_by_its_body() {
    let without = r#"{"type":"x","payload":{}}"#;
    assert_eq!(event(without).id, event(without).id);
    assert!(event(without).id.starts_with("blake3:"));
    assert_ne!(event(without).id, event(r#"{"type":"x","payload":{} }"#).id);
    for id in ["7", "null", r#""""#, r#""a\u0000b""#, &format!("{:?}", "x".repeat(201))] {
        assert!(event(&format!(r#"{{"type":"x","id":{id}}}"#)).id.starts_with("blake3:"), "{id}");
    }
}

#[test]
fn control_characters_never_reach_a_name() {
    let read = event(r#"{"type":"participant.joined\u0000","payload":{"room":"a\u0000b\n","recording_id":"r\u0000"}}"#);
    assert_eq!((read.kind.as_str(), read.room_name.as_deref()), ("participant.joined", Some("ab")));
    assert_eq!(read.recording, None);
    assert!(!read.body.contains('\0'));
}

#[test]
fn what_is_no_event_is_refused_without_quoting_it() {
    for body in
        ["", "{", "[]", "7", "null", r#"{"type":7}"#, r#"{"payload":{"share_token":"s3cr3t"}}"#, r#"{"type":"s3cr3t"#]
    {
        let error = parse(body.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    let deep = "[".repeat(100_000);
    assert!(parse(deep.as_bytes()).is_err());
}

#[test]
fn what_can_not_be_read_becomes_an_event_of_which_nothing_is_made() {
    for body in ["", "not json s3cr3t", r#"{"share_token":"s3cr3t"}"#] {
        let made = unreadable(body.as_bytes(), &parse(body.as_bytes()).unwrap_err());
        let read = event(&made.body);
        assert_eq!((read.kind.as_str(), read.what), ("unreadable", Happening::Other));
        assert!(made.id.starts_with("blake3:") && !made.body.contains("s3cr3t"), "{}", made.body);
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(Value::from("https://h/p?secret=s3cr3t")),
    ];
    let name = prop_oneof![
        "recording_id|room_name|room|start_ts|duration|tracks|event_ts|session_id|share_token|my_Secret_x|s3Key|.{0,4}"
    ];
    leaf.prop_recursive(3, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = parse(&body);
    }

    #[test]
    fn any_payload_of_any_type_is_an_event_that_keeps_no_secret(
        kind in r"participant\.joined|participant\.left|recording\.started|recording\.ready-to-download|recording\.error|x",
        payload in json(),
        when in json(),
    ) {
        let body = serde_json::json!({"type": kind, "id": "e", "payload": payload, "event_ts": when}).to_string();
        let read = event(&body);
        prop_assert_eq!((read.id.as_str(), read.kind), ("e", kind));
        prop_assert!(!read.body.contains("share_token") && !read.body.contains("my_Secret") && !read.body.contains("s3cr3t"));
        prop_assert!(serde_json::from_str::<Value>(&read.body).is_ok());
    }
}
