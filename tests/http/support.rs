//! A server on a port of its own, with a real database, and who signs deliveries as Daily does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpSocket;
use tokio::sync::Notify as Wake;
use tokio_util::sync::CancellationToken;
use trackscribe::clock::{Clock as _, ManualClock, Timestamp};
use trackscribe::http::{
    AudioFate, ConsentDesk, ConsentScope, DatabaseReady, HttpState, Limits, Notify, Problem, ProcessRefusal,
    Processing, ReadyCheck, RunAsked, serve,
};
use trackscribe::ids::{RecordingId, TranscriptId};
use trackscribe::store::Database;

/// Base64 of `trackscribe-serve-test-secret`.
pub const SECRET: &str = "dHJhY2tzY3JpYmUtc2VydmUtdGVzdC1zZWNyZXQ=";
/// 2026-01-05T09:01:06Z: what time it is at first.
pub const NOW: Timestamp = Timestamp::from_micros(1_767_603_666_000_000);

/// What a server is started with.
pub struct Setup {
    pub secret: Option<&'static str>,
    pub limits: Limits,
    pub checks: Vec<Arc<dyn ReadyCheck>>,
    pub database: Option<Database>,
    /// Bytes that the system takes of an answer before anybody has read of it.
    pub send_buffer: Option<u32>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { secret: Some(SECRET), limits: Limits::default(), checks: Vec::new(), database: None, send_buffer: None }
    }
}

/// A server that answers.
pub struct Server {
    pub address: SocketAddr,
    pub database: Database,
    pub clock: ManualClock,
    pub inbox: Arc<Wake>,
    pub desk: Arc<Desk>,
    pub client: reqwest::Client,
    pub stop: CancellationToken,
    pub stopped: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match setup.database {
            Some(database) => database,
            None => {
                let database = Database::open_file(&folder.path().join("store.db")).await.unwrap();
                database.migrate().await.unwrap();
                database
            }
        };
        let (clock, inbox, desk) = (ManualClock::at(NOW), Arc::new(Wake::new()), Arc::new(Desk::default()));
        let mut checks: Vec<Arc<dyn ReadyCheck>> = vec![Arc::new(DatabaseReady(database.clone()))];
        checks.extend(setup.checks);
        let state = HttpState {
            database: database.clone(),
            clock: Arc::new(clock.clone()),
            webhook_secret: setup.secret.map(|secret| secret.parse().unwrap()),
            inbox: inbox.clone(),
            processing: desk.clone(),
            consent: desk.clone(),
            checks,
            limits: setup.limits,
        };
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = setup.send_buffer {
            socket.set_send_buffer_size(bytes).unwrap();
        }
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = tokio::spawn(serve(listener, state, stop.clone()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { address, database, clock, inbox, desk, client, stop, stopped, _folder: folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Response {
        self.request(Method::PUT, path).json(&body).send().await.unwrap()
    }

    /// Delivers as Daily does, signed now.
    pub async fn deliver(&self, body: &str) -> Response {
        let timestamp = (self.clock.now().as_micros() / 1_000_000).to_string();
        let signature = signature(SECRET, &timestamp, body.as_bytes());
        self.deliver_with(&timestamp, &signature, body.as_bytes().to_vec()).await
    }

    pub async fn deliver_with(&self, timestamp: &str, signature: &str, body: Vec<u8>) -> Response {
        self.request(Method::POST, "/v1/daily/webhook")
            .header("X-Webhook-Timestamp", timestamp.as_bytes())
            .header("X-Webhook-Signature", signature.as_bytes())
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Id, type, recording, room and body of all stored events, by id.
    pub async fn events(&self) -> Vec<[String; 5]> {
        use sqlx::Row as _;
        let sql = "SELECT id, kind, recording_id, room_name, body FROM daily_events ORDER BY id";
        let rows = sqlx::query(sql).fetch_all(self.database.pool()).await.unwrap();
        let text = |row: &sqlx::any::AnyRow, at: usize| row.get::<Option<String>, _>(at).unwrap_or_default();
        rows.iter().map(|row| [0, 1, 2, 3, 4].map(|at| text(row, at))).collect()
    }
}

/// An answer that must be a problem of this status; its JSON.
pub async fn problem(response: Response, status: u16) -> Value {
    let told = response.headers().clone();
    assert_eq!(response.status().as_u16(), status, "{response:?}");
    let text = response.text().await.unwrap();
    assert_eq!(told["content-type"], "application/problem+json", "{text}");
    assert!(told.contains_key("x-request-id"));
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((problem["status"].as_u64(), &problem["type"]), (Some(status.into()), &json!("about:blank")));
    assert!(problem["title"].is_string() && problem["detail"].is_string() && problem["code"].is_string(), "{problem}");
    problem
}

/// An answer's JSON; it must be a good one.
pub async fn good(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status, "{:?}: {}", response.status(), response.text().await.unwrap());
    response.json().await.unwrap()
}

/// RFC 2104 by the letter, and not with the program's own crate.
pub fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut key = STANDARD.decode(secret).unwrap();
    if key.len() > 64 {
        key = Sha256::digest(&key).to_vec();
    }
    key.resize(64, 0);
    let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect::<Vec<_>>();
    let inner = Sha256::digest([&padded(0x36), timestamp.as_bytes(), b".", body].concat());
    STANDARD.encode(Sha256::digest([padded(0x5c), inner.to_vec()].concat()))
}

pub fn joined(id: &str) -> String {
    json!({
        "version": "1.0.0", "type": "participant.joined", "id": id, "event_ts": 1767603665.25,
        "payload": {"room": "standup-20260105090000", "session_id": "s-1", "user_name": "Zoë 💡", "joined_at": 1767603665.1},
    })
    .to_string()
}

/// Stands where the trigger and the keepers of consent stand: remembers what it was asked, and refuses as it is told.
#[derive(Default)]
pub struct Desk {
    pub asked: Mutex<Vec<(TranscriptId, Notify)>>,
    pub refusal: Mutex<Option<ProcessRefusal>>,
    pub answers: Mutex<BTreeMap<String, BTreeMap<String, bool>>>,
    /// What a request waits for, when it is to be a slow one.
    pub slow: Mutex<Option<Arc<Wake>>>,
    pub panics: Mutex<bool>,
}

fn place(scope: &ConsentScope) -> String {
    match scope {
        ConsentScope::Recording(id) => format!("recording {id}"),
        ConsentScope::Meeting(id) => format!("meeting {id}"),
    }
}

#[async_trait]
impl Processing for Desk {
    async fn process(&self, transcript: &TranscriptId, notify: Notify) -> Result<RunAsked, ProcessRefusal> {
        let slow = self.slow.lock().unwrap().clone();
        self.asked.lock().unwrap().push((transcript.clone(), notify));
        if let Some(slow) = slow {
            slow.notified().await;
        }
        assert!(!*self.panics.lock().unwrap(), "as it was told");
        match self.refusal.lock().unwrap().clone() {
            Some(refusal) => Err(refusal),
            None => Ok(RunAsked { request: "request-1".to_owned(), run: Some("run-1".parse().unwrap()) }),
        }
    }
}

#[async_trait]
impl ConsentDesk for Desk {
    async fn answers(&self, scope: &ConsentScope) -> Result<BTreeMap<String, bool>, Problem> {
        Ok(self.answers.lock().unwrap().get(&place(scope)).cloned().unwrap_or_default())
    }

    async fn record(
        &self,
        scope: &ConsentScope,
        answers: BTreeMap<String, bool>,
    ) -> Result<BTreeMap<RecordingId, AudioFate>, Problem> {
        let fate = if answers.values().all(|allowed| *allowed) { AudioFate::Kept } else { AudioFate::Deleted };
        self.answers.lock().unwrap().entry(place(scope)).or_default().extend(answers);
        Ok(match scope {
            ConsentScope::Recording(id) => BTreeMap::from([(id.clone(), fate)]),
            ConsentScope::Meeting(_) => BTreeMap::new(),
        })
    }
}
