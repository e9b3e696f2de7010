//! PostgreSQL, S3, Daily, and as many `trackscribe serve` as a test wants.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sqlx::postgres::PgPool;
use tempfile::TempDir;

#[path = "../../examples/make_recording.rs"]
mod make_recording;

#[path = "../servers/daily.rs"]
pub mod daily;
#[path = "../servers/postgres.rs"]
pub mod postgres;
#[path = "../servers/s3.rs"]
pub mod s3;

use self::daily::{StubDaily, WEBHOOK_SECRET};
use self::postgres::Postgres;
use self::s3::S3Server;

/// Machines that run tests are busy, and these run whole meetings.
const PATIENCE: Duration = Duration::from_secs(300);
/// Where Daily puts recordings.
pub const RECORDINGS: &str = "daily-recordings";
/// Where our objects go.
pub const TRANSCRIPTS: &str = "transcripts";

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Everything that the service talks to.
pub struct World {
    pub postgres: Postgres,
    pub database: String,
    pub s3: S3Server,
    pub daily: StubDaily,
    pub folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let postgres = Postgres::start_new();
        let database = postgres.empty().await;
        let s3 = S3Server::start(&[RECORDINGS, TRANSCRIPTS]);
        Self { postgres, database, s3, daily: StubDaily::start().await, folder: tempfile::tempdir().unwrap() }
    }

    /// Daily has recorded a fixture meeting: it is in its list, and its tracks in the bucket. Gives the recording.
    pub fn record(&self, meeting: &str) -> Value {
        self.recorded(&fixtures().join("meetings").join(meeting), None)
    }

    /// The same; it began just now.
    pub fn record_now(&self, meeting: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.recorded(&fixtures().join("meetings").join(meeting), Some(now))
    }

    /// Daily has recorded somebody who talks for minutes.
    pub fn record_long(&self, minutes: u64) -> Value {
        let folder = self.folder.path().join("long");
        make_recording::make(&fixtures().join("meetings/standup"), &folder, 1, minutes).unwrap();
        self.recorded(&folder, None)
    }

    /// Daily has recorded many meetings of a minute in which everybody talks.
    pub fn record_many(&self, meetings: usize, tracks: usize) -> Vec<Value> {
        let folder = self.folder.path().join("many");
        make_recording::make(&fixtures().join("meetings/standup"), &folder, tracks, 1).unwrap();
        let recording = self.recorded(&folder, None);
        let another = |nth: usize| {
            let mut another = recording.clone();
            another["id"] = format!("{nth:08}-0000-4000-8000-000000000000").into();
            self.daily.add_recording(another.clone());
            another
        };
        (0..meetings).map(another).collect()
    }

    fn recorded(&self, folder: &Path, start: Option<Duration>) -> Value {
        let read = |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap() };
        let mut recording = read("recording.json");
        if let Some(start) = start {
            recording["start_ts"] = start.as_secs_f64().into();
        }
        for track in recording["tracks"].as_array_mut().unwrap() {
            let (place, name) = track["s3Key"].as_str().unwrap().rsplit_once('/').unwrap();
            let key = format!("{place}/{}", start.map_or_else(|| name.to_owned(), |start| begun_at(name, start)));
            let target = self.s3.folder(RECORDINGS).join(&key);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(folder.join(name), target).unwrap();
            track["s3Key"] = key.into();
        }
        let people = read("participants.json")["data"].as_array().unwrap().clone();
        self.daily.set_participants(recording["mtgSessionId"].as_str().unwrap(), people);
        self.daily.add_recording(recording.clone());
        recording
    }

    /// What `serve` is told by its environment.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::from([
            ("DATABASE_URL".to_owned(), self.postgres.url(&self.database)),
            ("STORAGE_URL".to_owned(), format!("s3://{TRANSCRIPTS}/team")),
            ("DAILY_STORAGE_URL".to_owned(), format!("s3://{RECORDINGS}")),
            ("DAILY_API_URL".to_owned(), self.daily.url.clone()),
            ("DAILY_API_KEY".to_owned(), daily::API_KEY.to_owned()),
            ("DAILY_WEBHOOK_SECRET".to_owned(), WEBHOOK_SECRET.to_owned()),
            ("POLL_INTERVAL".to_owned(), "off".to_owned()),
            (
                "SPEECH_MODEL".to_owned(),
                fixtures().join("model/ggml-fixture.en-q8_0.bin").to_string_lossy().into_owned(),
            ),
            ("RUST_LOG".to_owned(), "info,trackscribe=debug,trackscribe::http::observe=warn".to_owned()),
        ]);
        settings.extend(self.s3.settings("STORAGE_"));
        settings.extend(self.s3.settings("DAILY_STORAGE_"));
        settings
    }

    /// A process that answers.
    pub async fn serve(&self) -> Service {
        self.serve_with(&self.settings()).await
    }

    /// One with other settings.
    pub async fn serve_with(&self, settings: &BTreeMap<String, String>) -> Service {
        // So that its clients of http:// addresses can be made at all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut service = Service::spawn(&self.folder, settings, &["serve"]);
        service.answers("/healthz").await;
        service
    }

    /// A `trackscribe worker` that takes tasks.
    pub async fn work_with(&self, settings: &BTreeMap<String, String>, arguments: &[&str]) -> Service {
        let mut worker = self.spawn_worker(settings, arguments);
        worker.answers("/readyz").await;
        worker
    }

    /// A `trackscribe worker` that may never take any.
    pub fn spawn_worker(&self, settings: &BTreeMap<String, String>, arguments: &[&str]) -> Service {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Service::spawn(&self.folder, settings, &[&["worker"], arguments].concat())
    }

    /// Our own look into the database.
    pub async fn look(&self) -> PgPool {
        PgPool::connect(&self.postgres.url(&self.database)).await.unwrap()
    }

    /// How many rows a query counts.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let pool = self.look().await;
        let count = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
        pool.close().await;
        count
    }
}

/// A running `trackscribe serve`, or `worker`.
pub struct Service {
    child: Child,
    pub base: String,
    log: PathBuf,
    /// What requests are sent with, where the API asks for one.
    pub key: Option<String>,
}

impl Service {
    fn spawn(folder: &TempDir, settings: &BTreeMap<String, String>, arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = folder.path().join(format!("{}-{port}.log", arguments[0]));
        let file = File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_trackscribe"))
            .args(arguments)
            .args(["--bind", &format!("127.0.0.1:{port}")])
            // Not the tests' own: there may be a .env, and AWS's.
            .current_dir(folder.path())
            .env_clear()
            .envs(settings)
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, base: format!("http://127.0.0.1:{port}"), log, key: None }
    }

    /// Waits until a page says that all is well.
    pub async fn answers(&mut self, page: &str) {
        let start = std::time::Instant::now();
        while self.get(page).await.is_none_or(|(status, _)| status != 200) {
            self.check();
            assert!(start.elapsed() < PATIENCE, "{page} does not answer with 200");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it ends by itself, for its exit code.
    pub async fn code(&mut self) -> Option<i32> {
        let start = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// Panics with its log when it has ended by itself.
    fn check(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("it ended with {status}:\n{}", tail(&self.log()));
        }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.base)).timeout(PATIENCE);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// A GET's status and JSON.
    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let answer = self.request(reqwest::Method::GET, path).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// A PUT's status and JSON.
    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.request(reqwest::Method::PUT, path).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// A POST's status and JSON.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.request(reqwest::Method::POST, path).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Where Daily delivers.
    pub fn webhook(&self) -> String {
        format!("{}/v1/daily/webhook", self.base)
    }

    /// Daily says that a recording is ready; 200 is expected.
    pub async fn deliver_ready(&self, event: &str, recording: &Value) {
        let event = daily::ready_event(event, recording);
        let (status, body) = daily::deliver(&self.webhook(), WEBHOOK_SECRET, &now(), &event).await.unwrap();
        assert_eq!(status, 200, "{body}");
    }

    /// The list's entry of a recording's only transcript, once there is one.
    pub async fn item(&self, recording: &Value) -> Option<Value> {
        let id = recording["id"].as_str().unwrap();
        let (status, list) = self.get(&format!("/v1/transcripts?recording_id={id}")).await?;
        if status == 503 {
            // The database was restarted a moment ago.
            return None;
        }
        assert_eq!(status, 200, "{list}");
        let items = list["items"].as_array().unwrap();
        assert!(items.len() <= 1, "{list}");
        items.first().cloned()
    }

    /// The transcript of a recording once it has ended.
    pub async fn ended(&mut self, recording: &Value) -> Value {
        let item = self.with_status(recording, "ended").await;
        let (status, transcript) =
            self.get(&format!("/v1/transcripts/{}", item["id"].as_str().unwrap())).await.unwrap();
        assert_eq!(status, 200, "{transcript}");
        transcript
    }

    /// The list's entry of a recording's transcript once it has this status.
    pub async fn with_status(&mut self, recording: &Value, status: &str) -> Value {
        let start = std::time::Instant::now();
        loop {
            self.check();
            let item = self.item(recording).await;
            if let Some(item) = item.filter(|item| item["status"] == status) {
                return item;
            }
            assert!(start.elapsed() < PATIENCE, "no {status} transcript: {:?}", self.item(recording).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether it says that it executes the runs.
    pub async fn executes(&self) -> bool {
        let ready = self.get("/readyz").await;
        ready.is_some_and(|(_, ready)| {
            ready["checks"]["engine"]["note"].as_str().is_some_and(|note| note.contains("this process executes"))
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("── {}\n{}", self.log.display(), tail(&self.log()));
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// A track's file name, `START-SESSION-TYPE-TRACKSTART.webm` in milliseconds, as if its recording had begun at `start`.
fn begun_at(name: &str, start: Duration) -> String {
    let (began, rest) = name.split_once('-').unwrap();
    let (who, track_began) = rest.rsplit_once('-').unwrap();
    let track_began = track_began.strip_suffix(".webm").unwrap();
    let lead = track_began.parse::<u128>().unwrap() - began.parse::<u128>().unwrap();
    format!("{}-{who}-{}.webm", start.as_millis(), start.as_millis() + lead)
}

/// Now, as Daily writes it into `X-Webhook-Timestamp`.
pub fn now() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string()
}

/// Waits for something to be there.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The words that were said in a fixture meeting, and those of a transcript, both as `who: word` in order of time, without
/// case and punctuation.
pub fn words_said(meeting: &str) -> Vec<String> {
    let truth = fs::read(fixtures().join("meetings").join(meeting).join("truth.json")).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();
    let name = |speaker: &Value| {
        let found = truth["speakers"].as_array().unwrap().iter().find(|who| who["index"] == *speaker).unwrap();
        found["user_name"].as_str().unwrap().to_owned()
    };
    by_speaker(truth["words"].as_array().unwrap().iter().map(|word| (name(&word["speaker"]), word)))
}

/// See [`words_said`].
pub fn words_heard(transcript: &Value) -> Vec<String> {
    let participants = transcript["participants"].as_array().unwrap();
    by_speaker(transcript["words"].as_array().unwrap().iter().map(|word| {
        let who = participants.iter().find(|who| who["speaker"] == word["speaker"]);
        (who.and_then(|who| who["name"].as_str()).unwrap_or("?").to_owned(), word)
    }))
}

/// One speaker after the other, because people talk at once.
fn by_speaker<'a>(words: impl Iterator<Item = (String, &'a Value)>) -> Vec<String> {
    let mut words: Vec<(String, f64, String)> = words
        .map(|(who, word)| {
            let text = word["text"].as_str().unwrap().to_lowercase();
            let text = text.chars().filter(|c| c.is_alphanumeric()).collect();
            (who, word["start"].as_f64().unwrap(), text)
        })
        .collect();
    words.sort_by(|a, b| (&a.0, a.1).partial_cmp(&(&b.0, b.1)).unwrap());
    words.into_iter().map(|(who, _, text)| format!("{who}: {text}")).collect()
}
