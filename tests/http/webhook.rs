//! Deliveries: who may make them, and that each is stored once before it is answered.

use std::time::Duration;

use serde_json::{Value, json};
use trackscribe::store::Database;

use super::postgres::Postgres;
use super::support::{SECRET, Server, Setup, good, joined, problem, signature};

/// Both signatures were computed by Python: `base64.b64encode(hmac.new(base64.b64decode(SECRET), TIMESTAMP + b"." + BODY,
/// hashlib.sha256).digest())`.
const READY: &str = r#"{"version":"1.0.0","type":"recording.ready-to-download","id":"rec-rtd-c3df927c","payload":{"type":"raw-tracks","recording_id":"08fa0b24-9220-44c5-846c-3f116cf8e738","room_name":"café-20260105090000","start_ts":1767603600,"status":"finished","duration":60,"s3_key":"acme/café/1767603600000","share_token":"t0ken","tracks":null},"event_ts":1767603665.25}"#;
const SIGNED: [(&str, &str); 2] = [
    ("1767603666", "bBR6MRk9o/TGbyqQ9ELTEmA9LPDCK96D03wi2lc5FPY="),
    ("1767603666250", "1k+5YVkJhL7kVZS207oEPXR9/dBlB8WRF6PJ0oqbbYs="),
];

#[tokio::test]
async fn a_signed_delivery_is_stored_without_its_token_before_it_is_answered() {
    let server = Server::start().await;
    for (timestamp, signed) in SIGNED {
        let answer = good(server.deliver_with(timestamp, signed, READY.into()).await, 200).await;
        assert_eq!(answer, json!({"status": "stored"}));
        let [[id, kind, recording, room, body]] = server.events().await.try_into().unwrap();
        assert_eq!((id.as_str(), kind.as_str()), ("rec-rtd-c3df927c", "recording.ready-to-download"));
        assert_eq!(
            (recording.as_str(), room.as_str()),
            ("08fa0b24-9220-44c5-846c-3f116cf8e738", "café-20260105090000")
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["payload"]["s3_key"], "acme/café/1767603600000");
        assert!(!body.to_string().contains("t0ken"));
    }
    tokio::time::timeout(Duration::from_secs(5), server.inbox.notified()).await.expect("the inbox is woken");
}

#[tokio::test]
async fn a_delivery_with_a_wrong_missing_or_old_signature_is_refused_and_not_stored() {
    let server = Server::start().await;
    let body = joined("e");
    let signed = |timestamp: &str| signature(SECRET, timestamp, body.as_bytes());
    let other = signature("b3RoZXI=", "1767603666", body.as_bytes());
    let cases = [
        ("1767603666", other.as_str(), "DAILY_WEBHOOK_SECRET"),
        ("1767603667", &signed("1767603666"), "does not fit"),
        ("1767603666", "", "does not fit"),
        ("1767603666", "ünsigned", "header"),
        ("1767603365", &signed("1767603365"), "within 300 s"),
        ("1767603967", &signed("1767603967"), "within 300 s"),
        ("yesterday", &signed("yesterday"), "not a time"),
    ];
    for (timestamp, signed, says) in cases {
        let told = problem(server.deliver_with(timestamp, signed, body.clone().into()).await, 401).await;
        assert!(told["detail"].as_str().unwrap().contains(says), "{timestamp} {signed}: {told}");
        assert!(!told.to_string().contains(SECRET));
    }
    let bare = server.client.post(server.url("/v1/daily/webhook")).body(body.clone()).send().await.unwrap();
    assert!(problem(bare, 401).await["detail"].as_str().unwrap().contains("x-webhook-timestamp"));
    assert!(server.events().await.is_empty());
}

#[tokio::test]
async fn a_recorded_delivery_can_not_be_replayed_later() {
    let server = Server::start().await;
    let (timestamp, signed) = SIGNED[0];
    good(server.deliver_with(timestamp, signed, READY.into()).await, 200).await;
    server.clock.advance(Duration::from_secs(301));
    problem(server.deliver_with(timestamp, signed, READY.into()).await, 401).await;
}

#[tokio::test]
async fn daily_s_test_delivery_is_answered_before_anybody_can_know_the_secret() {
    for secret in [None, Some(SECRET)] {
        let server = Server::with(Setup { secret, ..Setup::default() }).await;
        for body in [r#"{"test":"test"}"#, r#"{ "test": "test" }"#] {
            let answer = server.client.post(server.url("/v1/daily/webhook")).body(body).send().await.unwrap();
            assert_eq!(good(answer, 200).await, json!({"status": "test"}));
        }
        assert!(server.events().await.is_empty());
    }
}

#[tokio::test]
async fn without_a_secret_deliveries_are_refused_by_the_setting_s_name() {
    let server = Server::with(Setup { secret: None, ..Setup::default() }).await;
    let answer = server.deliver(&joined("e")).await;
    assert!(answer.headers().contains_key("retry-after"));
    assert!(problem(answer, 503).await["detail"].as_str().unwrap().contains("DAILY_WEBHOOK_SECRET"));
}

#[tokio::test]
async fn events_of_types_that_are_not_known_or_lack_something_are_stored() {
    let server = Server::start().await;
    for body in [
        r#"{"type":"meeting.ended","id":"a"}"#,
        r#"{"type":"recording.error","id":"b","payload":null}"#,
        r#"{"type":"x"}"#,
    ] {
        good(server.deliver(body).await, 200).await;
    }
    assert_eq!(server.events().await.len(), 3);
}

#[tokio::test]
async fn a_signed_delivery_that_can_not_be_read_is_never_refused_and_noted_without_its_content() {
    let server = Server::start().await;
    let deep = format!(r#"{{"type":"x","payload":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let bodies = [
        "",
        "[]",
        "not json s3cr3t",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"x","n":1e999}"#,
        r#"{"share_token":"s3cr3t"}"#,
        &deep,
    ];
    for body in bodies {
        assert_eq!(good(server.deliver(body).await, 200).await, json!({"status": "unreadable"}), "{body}");
        good(server.deliver(body).await, 200).await;
    }
    let events = server.events().await;
    assert_eq!(events.len(), bodies.len(), "each once");
    for [id, kind, recording, room, body] in events {
        assert!(id.starts_with("blake3:") && kind == "unreadable" && recording.is_empty() && room.is_empty());
        assert!(body.contains("why") && !body.contains("s3cr3t"), "{body}");
    }
}

#[tokio::test]
async fn a_name_that_was_cut_in_the_middle_of_an_emoji_is_stored() {
    let server = Server::start().await;
    let body = r#"{"type":"participant.joined","id":"e","payload":{"room":"standup","user_name":"Bob \ud83d"}}"#;
    assert_eq!(good(server.deliver(body).await, 200).await, json!({"status": "stored"}));
    let [[id, kind, _, room, body]] = server.events().await.try_into().unwrap();
    assert_eq!((id.as_str(), kind.as_str(), room.as_str()), ("e", "participant.joined", "standup"));
    assert!(body.contains("Bob \u{fffd}"), "{body}");
}

#[tokio::test]
async fn a_body_of_up_to_a_mebibyte_is_taken_and_no_longer_one() {
    let server = Server::start().await;
    let padded = |length: usize| {
        let (front, back) = (r#"{"type":"x","id":"long","pad":""#, r#""}"#);
        format!("{front}{}{back}", "ü".repeat((length - front.len() - back.len()) / 2))
    };
    good(server.deliver(&padded(1 << 20)).await, 200).await;
    for length in [(1 << 20) + 10, 3 << 20] {
        problem(server.deliver(&padded(length)).await, 413).await;
    }
    // Without a length: in pieces.
    let pieces = futures::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let body = reqwest::Body::wrap_stream(pieces);
    let answer = server.client.post(server.url("/v1/daily/webhook")).body(body).send().await.unwrap();
    problem(answer, 413).await;
    assert_eq!(server.events().await.len(), 1);
}

async fn each_is_stored_once(server: &Server) {
    let bodies: Vec<String> = (0..300).map(|n| joined(&format!("e-{}", n % 100))).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| server.deliver(body))).await;
    for answer in answers {
        good(answer, 200).await;
    }
    let events = server.events().await;
    assert_eq!(events.len(), 100);
    assert!(events.iter().all(|[_, _, _, _, body]| body.contains("Zoë 💡")));
}

#[tokio::test]
async fn u10_repeated_deliveries_at_once_are_stored_once() {
    each_is_stored_once(&Server::start().await).await;
}

#[tokio::test]
async fn u10_repeated_deliveries_to_two_processes_on_postgresql_are_stored_once() {
    let postgres = Postgres::shared();
    let name = postgres.empty().await;
    let database = Database::open(&postgres.url(&name)).await.unwrap();
    database.migrate().await.unwrap();
    let server = |database: &Database| Server::with(Setup { database: Some(database.clone()), ..Setup::default() });
    let (one, two) = (server(&database).await, server(&database.fresh(None)).await);
    tokio::join!(each_is_stored_once(&one), each_is_stored_once(&two));
}

#[tokio::test]
async fn a_delivery_that_can_not_be_stored_is_not_answered_with_200() {
    let server = Server::start().await;
    sqlx::query("ALTER TABLE daily_events RENAME TO away").execute(server.database.pool()).await.unwrap();
    problem(server.deliver(&joined("e")).await, 500).await;
    sqlx::query("ALTER TABLE away RENAME TO daily_events").execute(server.database.pool()).await.unwrap();
    good(server.deliver(&joined("e")).await, 200).await;
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_told_as_something_that_passes() {
    let server = Server::start().await;
    let lock = server.database.fresh(None).begin_write().await.unwrap();
    let (body, other) = (joined("waits"), joined("waits too"));
    let (first, second, ()) = tokio::join!(server.deliver(&body), server.deliver(&other), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        lock.rollback().await.unwrap();
    });
    good(first, 200).await;
    good(second, 200).await;
    assert_eq!(server.events().await.len(), 2);
}
