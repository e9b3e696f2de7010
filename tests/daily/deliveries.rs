//! Deliveries as the stub signs them, whose HMAC is written by hand, are taken; and only those.

use proptest::prelude::*;
use trackscribe::clock::Timestamp;
use trackscribe::daily::webhook::{Delivery, Happening, WebhookError, WebhookSecret, parse, verify};

use crate::stub::{WEBHOOK_SECRET, joined_event, ready_event, sign};

const NOW: Timestamp = Timestamp::from_micros(1_767_603_600_500_000);

#[test]
fn what_daily_signs_is_taken_and_understood() {
    let secret: WebhookSecret = WEBHOOK_SECRET.parse().unwrap();
    let recording = crate::stub::made_up_recording(7, 1_767_603_500, "weekly-20260105085820");
    for event in [ready_event("e1", &recording), joined_event("e2", "weekly-20260105085820", "s", "Ann")] {
        let body = event.to_string();
        for timestamp in ["1767603600", "1767603600500", "1767603600.5"] {
            let signature = sign(WEBHOOK_SECRET, timestamp, body.as_bytes());
            assert_eq!(verify(&secret, timestamp, &signature, body.as_bytes(), NOW), Ok(()));
        }
        let Ok(Delivery::Event(read)) = parse(body.as_bytes()) else { panic!("{body}") };
        assert_eq!(read.room_name.as_deref(), Some("weekly-20260105085820"));
        assert!(!read.body.contains("share_token"));
        match read.what {
            Happening::RecordingReady(ready) => {
                assert_eq!(read.recording.unwrap().as_str(), recording["id"].as_str().unwrap());
                assert_eq!((ready.tracks.len(), ready.duration), (1, Some(60.0)));
            }
            Happening::ParticipantJoined(stay) => assert_eq!(stay.user_name.as_deref(), Some("Ann")),
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn both_computations_of_the_signature_agree_for_any_key_and_body(key in prop::collection::vec(any::<u8>(), 1..200), body: Vec<u8>) {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        let signature = sign(&key, "1767603600", &body);
        let verified = verify(&key.parse().unwrap(), "1767603600", &signature, &body, NOW);
        prop_assert_eq!(verified, Ok(()));
        let other = verify(&WEBHOOK_SECRET.parse().unwrap(), "1767603600", &signature, &body, NOW);
        prop_assert_eq!(other, Err(WebhookError::WrongSignature));
    }
}
