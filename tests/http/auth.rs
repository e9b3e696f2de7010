//! Who may use the API.

use std::time::Duration;

use reqwest::{Method, Response};
use trackscribe::clock::{Clock as _, Timestamp};
use trackscribe::http::ApiKey;
use trackscribe::store::api_keys::{self, ApiKeyRow};

use super::support::{Server, good, joined, problem};

const PATHS: [&str; 4] = ["/v1/rooms", "/v1/meetings", "/v1/transcripts", "/v1/recordings/r/consent"];

async fn make_key(server: &Server, id: &str) -> ApiKey {
    let key = ApiKey::generate().unwrap();
    let (name, hash, created_at) = (format!("key {id}"), key.hash(), server.clock.now());
    let row = ApiKeyRow { id: id.to_owned(), name, hash, created_at, last_used_at: None, revoked_at: None };
    api_keys::create(&server.database, &row).await.unwrap();
    key
}

async fn with_key(server: &Server, key: &str) -> Response {
    server.request(Method::GET, "/v1/rooms").header("Authorization", key).send().await.unwrap()
}

async fn last_used(server: &Server) -> Option<Timestamp> {
    api_keys::list(&server.database).await.unwrap()[0].last_used_at
}

#[tokio::test]
async fn while_no_key_exists_only_who_sits_at_this_machine_is_answered() {
    let server = Server::start().await;
    for path in PATHS {
        good(server.get(path).await, 200).await;
        for (name, value) in [
            ("X-Forwarded-For", "127.0.0.1"),
            ("x-forwarded-for", ""),
            ("Forwarded", "for=127.0.0.1"),
            ("Via", "1.1 proxy"),
            ("Origin", "https://evil.example"),
            ("Host", "evil.example"),
        ] {
            let answer = server.request(Method::GET, path).header(name, value).send().await.unwrap();
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            let told = problem(answer, 401).await;
            assert!(told["detail"].as_str().unwrap().contains("trackscribe keys create"), "{told}");
        }
    }
}

#[tokio::test]
async fn webhook_and_health_answer_everyone() {
    let server = Server::start().await;
    make_key(&server, "k").await;
    good(server.deliver(&joined("e")).await, 200).await;
    for path in ["/healthz", "/readyz"] {
        let answer = server.request(Method::GET, path).header("X-Forwarded-For", "192.0.2.1").send().await.unwrap();
        good(answer, 200).await;
    }
}

#[tokio::test]
async fn once_a_key_exists_everybody_needs_one() {
    let server = Server::start().await;
    good(server.get("/v1/rooms").await, 200).await;
    let key = make_key(&server, "k").await;
    for path in PATHS {
        problem(server.get(path).await, 401).await;
    }
    let forwarded = server.request(Method::GET, "/v1/rooms").header("X-Forwarded-For", "192.0.2.1");
    good(forwarded.bearer_auth(key.reveal()).send().await.unwrap(), 200).await;
    good(with_key(&server, &format!("bearer {}", key.reveal())).await, 200).await;
    let (other, cut) = (ApiKey::generate().unwrap(), &key.reveal()[..40]);
    for wrong in [
        format!("Bearer {}", other.reveal()),
        format!("Bearer {cut}"),
        format!("Bearer {}x", key.reveal()),
        format!("Basic {}", key.reveal()),
        key.reveal().to_owned(),
        format!("Bearer {}", key.hash()),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        let told = problem(with_key(&server, &wrong).await, 401).await;
        assert!(!told.to_string().contains(cut), "{told}");
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_within_seconds_and_revoking_the_last_opens_nothing_to_others() {
    let server = Server::start().await;
    let key = format!("Bearer {}", make_key(&server, "k").await.reveal());
    good(with_key(&server, &key).await, 200).await;
    assert!(api_keys::revoke(&server.database, "k", server.clock.now()).await.unwrap());
    assert!(!api_keys::revoke(&server.database, "no such key", server.clock.now()).await.unwrap());
    server.clock.advance(Duration::from_secs(3));
    problem(with_key(&server, &key).await, 401).await;
    problem(server.get("/v1/rooms").await, 401).await;
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_a_minute() {
    let server = Server::start().await;
    let key = format!("Bearer {}", make_key(&server, "k").await.reveal());
    let first = server.clock.now();
    good(with_key(&server, &key).await, 200).await;
    assert_eq!(last_used(&server).await, Some(first));
    server.clock.advance(Duration::from_secs(59));
    good(with_key(&server, &key).await, 200).await;
    assert_eq!(last_used(&server).await, Some(first));
    server.clock.advance(Duration::from_secs(4));
    good(with_key(&server, &key).await, 200).await;
    assert_eq!(last_used(&server).await, Some(server.clock.now()));
}

#[tokio::test]
async fn only_the_hash_of_a_key_is_kept() {
    let server = Server::start().await;
    let key = make_key(&server, "k").await;
    let row = &api_keys::list(&server.database).await.unwrap()[0];
    assert!(!format!("{row:?}").contains(&key.reveal()[3..]));
    assert_eq!((row.hash.len(), row.revoked_at), (64, None));
}
