//! A Daily.co that runs in the test's process: the REST protocol as its reference has it (bearer key, newest first, cursors,
//! `{"total_count","data"}`, participants under `data`, webhooks), with faults that can be switched on, and a sender of
//! signed webhook deliveries. Uses nothing of trackscribe, so that it can't repeat its mistakes; its HMAC is written out
//! by hand after RFC 2104.
//!
//! Used with `#[path = "../servers/daily.rs"] mod stub_daily;`.

#![allow(dead_code)] // Each test folder uses its own part.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The only key that the stub takes.
pub const API_KEY: &str = "stub-daily-api-key-7f3a";
/// The `hmac` of webhooks that are created without one.
pub const WEBHOOK_SECRET: &str = "c3R1Yi1kYWlseS13ZWJob29rLXNlY3JldC0wMDAwMDE=";
/// Daily's largest page.
const LARGEST_PAGE: usize = 100;

/// What the stub does instead of answering well.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 429, with this `Retry-After`.
    TooMany(Option<String>),
    /// Any status, with Daily's error body.
    Status(u16),
    /// 200 and half of a JSON document.
    Garbage,
    /// 200 and HTML, as proxies like to send.
    Html,
    /// 200 with `null` where lists should be.
    NullLists,
    /// 200 with this body.
    Says(String),
    /// A `Content-Length` that the body never reaches, then a closed connection.
    CutBody,
    /// No answer for an hour.
    Hang,
    /// 302 to somewhere else.
    Redirect(String),
    /// 200 and a body without an end.
    Endless,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// E.g. `GET`.
    pub method: String,
    /// Below the base, e.g. `/recordings`.
    pub path: String,
    /// Decoded.
    pub query: BTreeMap<String, String>,
    /// JSON, or null.
    pub body: Value,
    /// Whether the key was right.
    pub authorized: bool,
    /// When.
    pub at: Instant,
}

#[derive(Debug)]
struct Switched {
    path_part: String,
    fault: Fault,
    times: usize,
}

#[derive(Debug, Default)]
struct Account {
    /// Newest first.
    recordings: Vec<Value>,
    /// In order of joining.
    participants: HashMap<String, Vec<Value>>,
    webhooks: Vec<Value>,
    faults: Vec<Switched>,
    /// Recordings that are still in progress for so many more asks.
    unfinished: HashMap<String, usize>,
    asked: Vec<Asked>,
    made_webhooks: usize,
    probes_webhooks: bool,
    participants_newest_first: bool,
}

/// A running stub; it stops when it is dropped.
#[derive(Debug)]
pub struct StubDaily {
    /// The base of its REST API, e.g. `http://127.0.0.1:4711/v1`.
    pub url: String,
    account: Arc<Mutex<Account>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for StubDaily {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl StubDaily {
    /// An account without anything in it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let account: Arc<Mutex<Account>> = Arc::default();
        let router = Router::new().fallback(answer).with_state(account.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, account, server }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(&mut self.account.lock().unwrap())
    }

    /// Adds the recording and participants of a folder such as `fixtures/meetings/standup`. Gives the recording.
    pub fn add_folder(&self, folder: &Path) -> Value {
        let read =
            |name: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap() };
        let recording = read("recording.json");
        if let Some(meeting) = recording["mtgSessionId"].as_str() {
            let rows = read("participants.json")["data"].as_array().unwrap().clone();
            self.set_participants(meeting, rows);
        }
        self.add_recording(recording.clone());
        recording
    }

    /// Adds or replaces a recording, given as the REST API would answer it.
    pub fn add_recording(&self, recording: Value) {
        self.with(|account| {
            account.recordings.retain(|other| other["id"] != recording["id"]);
            let start = |recording: &Value| recording["start_ts"].as_f64().unwrap_or_default();
            let at = account.recordings.partition_point(|other| start(other) > start(&recording));
            account.recordings.insert(at, recording);
        });
    }

    /// Adds `count` finished recordings of one track, a minute apart, the newest beginning at `newest_start` (seconds).
    /// Gives their ids, newest first.
    pub fn add_made_up(&self, count: usize, newest_start: u64, room: &str) -> Vec<String> {
        let made: Vec<Value> =
            (0..count).map(|nth| made_up_recording(nth, newest_start - 60 * nth as u64, room)).collect();
        let ids = made.iter().map(|recording| recording["id"].as_str().unwrap().to_owned()).collect();
        for recording in made {
            self.add_recording(recording);
        }
        ids
    }

    /// Takes a recording away: it is 404 from now on.
    pub fn remove_recording(&self, id: &str) {
        self.with(|account| account.recordings.retain(|recording| recording["id"] != id));
    }

    /// Who was in a meeting session, in order of joining.
    pub fn set_participants(&self, meeting: &str, rows: Vec<Value>) {
        self.with(|account| account.participants.insert(meeting.to_owned(), rows));
    }

    /// Participants are listed from the latest to the earliest.
    pub fn list_participants_newest_first(&self) {
        self.with(|account| account.participants_newest_first = true);
    }

    /// The next `times` requests whose path contains `path_part` meet `fault`. Several faults are met in the order given.
    pub fn fault(&self, path_part: &str, fault: Fault, times: usize) {
        self.with(|account| account.faults.push(Switched { path_part: path_part.to_owned(), fault, times }));
    }

    /// No more faults.
    pub fn mend(&self) {
        self.with(|account| account.faults.clear());
    }

    /// A recording is `in-progress`, without duration and tracks, for the next `asks` that show it.
    pub fn not_finished_for(&self, id: &str, asks: usize) {
        self.with(|account| account.unfinished.insert(id.to_owned(), asks));
    }

    /// Creating or changing a webhook first posts `{"test":"test"}` to its URL and wants a 200, as the real one does.
    pub fn probe_webhooks(&self) {
        self.with(|account| account.probes_webhooks = true);
    }

    /// All subscriptions, with their `hmac`.
    pub fn webhooks(&self) -> Vec<Value> {
        self.with(|account| account.webhooks.clone())
    }

    /// Daily gave up on a subscription.
    pub fn fail_webhook(&self, uuid: &str) {
        self.with(|account| {
            for webhook in account.webhooks.iter_mut().filter(|webhook| webhook["uuid"] == uuid) {
                webhook["state"] = json!("FAILED");
                webhook["failedCount"] = json!(3);
            }
        });
    }

    /// All requests so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.with(|account| account.asked.clone())
    }

    /// How many requests had a path that contains `path_part`.
    pub fn times_asked(&self, path_part: &str) -> usize {
        self.with(|account| account.asked.iter().filter(|asked| asked.path.contains(path_part)).count())
    }
}

/// The `nth` made-up recording: finished, raw tracks, one microphone.
pub fn made_up_recording(nth: usize, start: u64, room: &str) -> Value {
    let id = format!("00000000-0000-4000-8000-{nth:012x}");
    let key = format!("stub-domain/{room}/{start}000-11111111-1111-4111-8111-{nth:012x}-cam-audio-{start}250");
    json!({
        "id": id, "room_name": room, "start_ts": start, "status": "finished", "type": null, "max_participants": 1,
        "duration": 60, "s3": {"bucket_name": "stub-bucket", "bucket_region": "us-west-2"}, "s3key": null,
        "tracks": [{"type": "audio", "s3Key": key, "size": 1000}],
        "mtgSessionId": format!("22222222-2222-4222-8222-{nth:012x}"),
    })
}

async fn answer(
    State(account): State<Arc<Mutex<Account>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix("/v1").unwrap_or(uri.path()).to_owned();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let authorized = headers.get(header::AUTHORIZATION).is_some_and(|value| *value == *format!("Bearer {API_KEY}"));
    let (fault, probe) = {
        let mut account = account.lock().unwrap();
        account.asked.push(Asked {
            method: method.to_string(),
            path: path.clone(),
            query: query.clone(),
            body: body.clone(),
            authorized,
            at: Instant::now(),
        });
        let changes_webhooks = method == Method::POST && path.starts_with("/webhooks");
        (take_fault(&mut account, &path), account.probes_webhooks && changes_webhooks)
    };
    if let Some(fault) = fault {
        return faulty(fault, &path).await;
    }
    if !headers.contains_key(header::AUTHORIZATION) {
        return problem(400, "authorization-header-error", "missing Authorization header");
    }
    if !authorized {
        return problem(401, "authentication-error", "");
    }
    if probe {
        let url = body["url"].as_str().unwrap_or_default();
        let probed = post(url, &[("content-type", "application/json")], br#"{"test":"test"}"#).await;
        if !matches!(probed, Ok((200, _))) {
            return problem(400, "invalid-request-error", "non-200 status code returned from webhook endpoint");
        }
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut account = account.lock().unwrap();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["recordings"]) => list_recordings(&mut account, &query),
        ("GET", ["recordings", id]) => match account.recordings.iter().find(|found| found["id"] == *id).cloned() {
            Some(recording) => ok(as_far_as_it_is(&mut account, recording)),
            None => problem(404, "not-found", &format!("recording {id} not found")),
        },
        ("GET", ["meetings", id, "participants"]) => list_participants(&account, id, &query),
        ("GET", ["webhooks"]) => ok(Value::from(account.webhooks.clone())),
        ("POST", ["webhooks"]) => create_webhook(&mut account, &body),
        (verb @ ("GET" | "POST" | "DELETE"), ["webhooks", uuid]) => one_webhook(&mut account, verb, uuid, &body),
        _ => problem(404, "not-found", "no such path"),
    }
}

fn take_fault(account: &mut Account, path: &str) -> Option<Fault> {
    let at = account.faults.iter().position(|switched| switched.times > 0 && path.contains(&switched.path_part))?;
    account.faults[at].times -= 1;
    Some(account.faults[at].fault.clone())
}

async fn faulty(fault: Fault, path: &str) -> Response {
    match fault {
        Fault::TooMany(retry_after) => {
            let mut response = problem(429, "rate-limit-error", "slow down");
            if let Some(wait) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, wait.parse().unwrap());
            }
            response
        }
        Fault::Status(status) => problem(status, "server-error", "see https://status.daily.co/x?token=s3cr3t"),
        Fault::Garbage => (StatusCode::OK, r#"{"total_count":3,"data":[{"id":"#).into_response(),
        Fault::Html => (StatusCode::OK, "<html><body>Bad gateway</body></html>").into_response(),
        Fault::NullLists if path.ends_with("/participants") => ok(json!({"data": null})),
        Fault::NullLists if path == "/recordings" => ok(json!({"total_count": null, "data": null})),
        Fault::NullLists if path == "/webhooks" => ok(Value::Null),
        Fault::NullLists => ok(json!({"id": path.rsplit('/').next(), "tracks": null, "duration": null, "s3": null})),
        Fault::Says(body) => (StatusCode::OK, body).into_response(),
        Fault::CutBody => {
            let pieces = futures::stream::iter([
                Ok::<_, std::io::Error>(Bytes::from_static(b"{\"data\":")),
                Err(std::io::Error::other("cut")),
            ]);
            Body::from_stream(pieces).into_response()
        }
        Fault::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK.into_response()
        }
        Fault::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Fault::Endless => {
            let piece = Bytes::from(vec![b' '; 1 << 20]);
            let pieces = futures::stream::iter(std::iter::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())));
            Body::from_stream(pieces).into_response()
        }
    }
}

fn ok(body: Value) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn problem(status: u16, error: &str, info: &str) -> Response {
    let body = json!({"error": error, "info": info}).to_string();
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn as_far_as_it_is(account: &mut Account, mut recording: Value) -> Value {
    let id = recording["id"].as_str().unwrap_or_default();
    let Some(asks) = account.unfinished.get_mut(id).filter(|asks| **asks > 0) else { return recording };
    *asks -= 1;
    recording["status"] = json!("in-progress");
    recording["duration"] = Value::Null;
    recording["tracks"] = Value::Null;
    recording
}

fn page_size(query: &BTreeMap<String, String>) -> Option<usize> {
    match query.get("limit") {
        None => Some(LARGEST_PAGE),
        Some(limit) => limit.parse().ok().filter(|limit| *limit > 0).map(|limit: usize| limit.min(LARGEST_PAGE)),
    }
}

fn list_recordings(account: &mut Account, query: &BTreeMap<String, String>) -> Response {
    let Some(limit) = page_size(query) else { return problem(400, "invalid-request-error", "limit") };
    let of_room = |recording: &&Value| query.get("room_name").is_none_or(|room| recording["room_name"] == **room);
    let all: Vec<Value> = account.recordings.iter().filter(of_room).cloned().collect();
    let place = |id: &String| all.iter().position(|recording| recording["id"] == **id);
    let page: Vec<Value> = match (query.get("starting_after"), query.get("ending_before")) {
        (Some(id), _) => match place(id) {
            Some(at) => all.iter().skip(at + 1).take(limit).cloned().collect(),
            None => return problem(400, "invalid-request-error", "starting_after"),
        },
        (None, Some(id)) => match place(id) {
            Some(at) => all[at.saturating_sub(limit)..at].to_vec(),
            None => return problem(400, "invalid-request-error", "ending_before"),
        },
        (None, None) => all.iter().take(limit).cloned().collect(),
    };
    let page: Vec<Value> = page.into_iter().map(|recording| as_far_as_it_is(account, recording)).collect();
    ok(json!({"total_count": all.len(), "data": page}))
}

fn list_participants(account: &Account, meeting: &str, query: &BTreeMap<String, String>) -> Response {
    let Some(limit) = page_size(query) else { return problem(400, "invalid-request-error", "limit") };
    let Some(mut rows) = account.participants.get(meeting).cloned() else {
        return problem(404, "not-found", "no such meeting");
    };
    let place = |id: &String| rows.iter().rposition(|row| row["participant_id"] == **id);
    let cut = match (query.get("joined_after"), query.get("joined_before")) {
        (Some(id), _) => place(id).map(|at| at + 1..rows.len()),
        (None, Some(id)) => place(id).map(|at| 0..at),
        (None, None) => Some(0..rows.len()),
    };
    let has_cursor = query.keys().any(|name| name.starts_with("joined_"));
    let Some(cut) = cut.filter(|cut| !has_cursor || !cut.is_empty()) else {
        return problem(404, "not-found", "no more participants");
    };
    rows = rows[cut].to_vec();
    if account.participants_newest_first || query.contains_key("joined_before") {
        rows.reverse();
    }
    rows.truncate(limit);
    ok(json!({"data": rows}))
}

fn create_webhook(account: &mut Account, body: &Value) -> Response {
    if !body["url"].is_string() {
        return problem(400, "invalid-request-error", "url is required");
    }
    account.made_webhooks += 1;
    let webhook = json!({
        "uuid": format!("33333333-3333-4333-8333-{:012}", account.made_webhooks),
        "url": body["url"],
        "hmac": body["hmac"].as_str().unwrap_or(WEBHOOK_SECRET),
        "basicAuth": null,
        "retryType": body["retryType"].as_str().unwrap_or("circuit-breaker"),
        "eventTypes": body["eventTypes"],
        "state": "ACTIVE",
        "failedCount": 0,
        "lastMomentPushed": null,
        "domainId": "44444444-4444-4444-8444-444444444444",
        "createdAt": "2026-01-05T09:00:00.000Z",
        "updatedAt": "2026-01-05T09:00:00.000Z",
    });
    account.webhooks.push(webhook.clone());
    ok(webhook)
}

fn one_webhook(account: &mut Account, verb: &str, uuid: &str, body: &Value) -> Response {
    let Some(at) = account.webhooks.iter().position(|webhook| webhook["uuid"] == uuid) else {
        return problem(404, "not-found", "no such webhook");
    };
    match verb {
        "DELETE" => {
            account.webhooks.remove(at);
            ok(json!({"deleted": true}))
        }
        "POST" => {
            let webhook = &mut account.webhooks[at];
            for name in ["url", "eventTypes", "hmac", "retryType", "basicAuth"] {
                if let Some(value) = body.get(name) {
                    webhook[name] = value.clone();
                }
            }
            webhook["state"] = json!("ACTIVE");
            webhook["failedCount"] = json!(0);
            ok(webhook.clone())
        }
        _ => ok(account.webhooks[at].clone()),
    }
}

/// A `recording.ready-to-download` event about a recording, as Daily would send it.
pub fn ready_event(event_id: &str, recording: &Value) -> Value {
    json!({
        "version": "1.0.0", "type": "recording.ready-to-download", "id": event_id,
        "payload": {
            "type": "raw-tracks", "recording_id": recording["id"], "room_name": recording["room_name"],
            "start_ts": recording["start_ts"], "status": "finished", "max_participants": recording["max_participants"],
            "duration": recording["duration"], "s3_key": recording["s3key"], "share_token": "stub-share-token-9c1d",
            "tracks": recording["tracks"],
        },
        "event_ts": recording["start_ts"].as_f64().unwrap_or_default() + 100.25,
    })
}

/// A `participant.joined` event.
pub fn joined_event(event_id: &str, room: &str, session: &str, name: &str) -> Value {
    json!({
        "version": "1.0.0", "type": "participant.joined", "id": event_id,
        "payload": {"room": room, "user_id": session, "user_name": name, "session_id": session,
            "joined_at": 1708972279.96, "will_eject_at": null, "owner": false, "permissions": {"canSend": true}},
        "event_ts": 1708972279.961,
    })
}

/// What Daily puts into `X-Webhook-Signature`: base64 of HMAC-SHA256 over `timestamp + "." + body`.
pub fn sign(secret_base64: &str, timestamp: &str, body: &[u8]) -> String {
    let secret = STANDARD.decode(secret_base64).unwrap();
    let message = [timestamp.as_bytes(), b".", body].concat();
    STANDARD.encode(hmac_sha256(&secret, &message))
}

/// RFC 2104.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut padded = [0_u8; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let keyed = |with: u8, message: &[u8]| {
        let pad: Vec<u8> = padded.iter().map(|byte| byte ^ with).collect();
        Sha256::digest([&pad, message].concat()).to_vec()
    };
    keyed(0x5c, &keyed(0x36, message))
}

/// Posts one signed delivery, signed at `timestamp` (as the header shall say it). Gives status and body.
pub async fn deliver(url: &str, secret_base64: &str, timestamp: &str, event: &Value) -> std::io::Result<(u16, String)> {
    let body = event.to_string();
    let signature = sign(secret_base64, timestamp, body.as_bytes());
    let headers = [
        ("content-type", "application/json"),
        ("x-webhook-timestamp", timestamp),
        ("x-webhook-signature", signature.as_str()),
    ];
    post(url, &headers, body.as_bytes()).await
}

/// The same delivery `times` times at once, each on a connection of its own. Gives the statuses.
pub async fn deliver_at_once(url: &str, secret_base64: &str, timestamp: &str, event: &Value, times: usize) -> Vec<u16> {
    let all = (0..times).map(|_| deliver(url, secret_base64, timestamp, event));
    futures::future::join_all(all).await.into_iter().map(|answer| answer.map_or(0, |(status, _)| status)).collect()
}

/// One HTTP/1.1 POST over a connection of its own.
pub async fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> std::io::Result<(u16, String)> {
    let url = url::Url::parse(url).map_err(std::io::Error::other)?;
    let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let mut request = format!("POST {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", url.path());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(&[request.as_bytes(), body].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("no HTTP answer"))?;
    Ok((status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
}
