//! The pipeline's house with parts that do as a test says.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use trackscribe::clock::{Clock, Timestamp};
use trackscribe::daily::RecordedFolder;
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::engine::{Engine, RunOutcome, StartOptions};
use trackscribe::ids::{RunId, TranscriptId};
use trackscribe::language::ExtractiveBackend;
use trackscribe::pipeline::{
    CpuBudget, DIARIZATION_PIPELINE, PipelineHouse, PipelineInput, PipelineSettings, RecordedObjects, registry,
};
use trackscribe::results::{Shown, transcript_document};
use trackscribe::speech::{
    DetectedLanguage, HeardWord, PackedSeconds, Recognition, Recognizer, SpeechError, WhisperModel,
};
use trackscribe::storage::{LocalFolder, ObjectKey, ObjectReader, Storage, StorageError};
use trackscribe::store::{Database, consents};
use trackscribe::workflow::{Definitions, default_pool_sizes};

use super::made_meeting::MadeMeeting;

pub const CORES: usize = 2;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A folder of its own with a meeting, a store, storage and everything else that runs need.
pub struct Bench {
    pub folder: TempDir,
    pub recorded: RecordedFolder,
    pub storage: LocalFolder,
    pub house: PipelineHouse,
    pub transcript: TranscriptId,
}

impl Bench {
    /// For a meeting that was recorded, with the speech model that knows its words.
    pub async fn recorded(meeting: &str) -> Self {
        let recorded = RecordedFolder::open(&fixtures().join("meetings").join(meeting)).unwrap();
        let model = WhisperModel::load(&fixtures().join("model/ggml-fixture.en-q8_0.bin"), 1).unwrap();
        Self::new(tempfile::tempdir().unwrap(), recorded, Arc::new(model)).await
    }

    /// For a meeting that is made up, in which `speech` hears what it likes.
    pub async fn made(meeting: &MadeMeeting, speech: Arc<dyn Recognizer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorded = meeting.write(&folder.path().join("meeting"), "made/up/");
        Self::new(folder, recorded, speech).await
    }

    pub async fn new(folder: TempDir, recorded: RecordedFolder, speech: Arc<dyn Recognizer>) -> Self {
        let database = Database::open_file(&folder.path().join("store.db")).await.unwrap();
        database.migrate().await.unwrap();
        let storage = LocalFolder::open(folder.path().join("objects")).unwrap();
        let house = PipelineHouse {
            database,
            storage: Arc::new(storage.clone()),
            originals: Arc::new(RecordedObjects::new(recorded.clone())),
            daily: Arc::new(recorded.clone()),
            speech,
            language: Arc::new(ExtractiveBackend),
            cpu: CpuBudget::new(CORES),
            settings: Arc::new(PipelineSettings {
                speech_language: "auto".to_owned(),
                speech_threads: 1,
                names: Default::default(),
                scratch: storage.scratch(),
            }),
        };
        let transcript = "0192f3a0-0000-7000-8000-000000000001".parse().unwrap();
        Self { folder, recorded, storage, house, transcript }
    }

    pub fn database(&self) -> &Database {
        &self.house.database
    }

    pub async fn engine(&self) -> EmbeddedEngine {
        let definitions = Definitions::embedded(default_pool_sizes(CORES, 1)).unwrap();
        let registry = registry(self.house.clone(), definitions).unwrap();
        EmbeddedEngine::open(&self.house.database, registry, Arc::new(HastyClock::new())).await.unwrap()
    }

    pub fn input(&self) -> PipelineInput {
        PipelineInput::new(self.transcript.clone(), self.recorded.only_recording().id.clone(), None)
    }

    pub async fn start(&self, engine: &EmbeddedEngine) -> RunId {
        let input = serde_json::to_value(self.input()).unwrap();
        engine.start(DIARIZATION_PIPELINE, input, StartOptions::default()).await.unwrap()
    }

    /// One run to its end.
    pub async fn run(&self) -> (RunId, RunOutcome) {
        let engine = self.engine().await;
        let run = self.start(&engine).await;
        let outcome = soon(engine.wait(&run)).await.unwrap();
        engine.shutdown().await;
        (run, outcome)
    }

    /// What readers see.
    pub async fn shown(&self) -> Shown {
        transcript_document(self.database(), &self.transcript).await.unwrap()
    }

    /// A participant's answer to whether audio may be kept.
    pub async fn consent(&self, subject: &str, allowed: bool) {
        deny_or_allow(self.database(), &self.recorded, subject, allowed).await;
    }

    /// The keys of everything derived, without the transcript's prefix.
    pub async fn objects(&self) -> Vec<String> {
        let prefix = self.house.prefix(&self.transcript);
        let keys = self.storage.list(&prefix).await.unwrap();
        keys.iter().map(|key| key.as_str().strip_prefix(&prefix).unwrap().to_owned()).collect()
    }

    /// Files that are neither objects nor anybody's any more.
    pub fn leftovers(&self) -> usize {
        std::fs::read_dir(self.storage.scratch()).unwrap().count()
    }
}

pub async fn deny_or_allow(database: &Database, recorded: &RecordedFolder, subject: &str, allowed: bool) {
    let now = Timestamp::from_micros(1);
    consents::put(database, &recorded.only_recording().id, [(subject, allowed)], now).await.unwrap();
}

/// What must not take long.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(240), future).await.expect("took too long")
}

/// Waits until `holds` does.
pub async fn eventually(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A clock on which twenty seconds pass in one: nobody waits long for a retry.
pub struct HastyClock(Instant);

impl HastyClock {
    const HASTE: u32 = 20;

    fn new() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000).plus(self.0.elapsed() * Self::HASTE)
    }

    async fn sleep_until(&self, until: Timestamp) {
        tokio::time::sleep(until.since(self.now()) / Self::HASTE).await;
    }
}

type Hearing = dyn Fn(usize, &[f32], &CancellationToken) -> Result<Recognition, SpeechError> + Send + Sync;

/// Hears what a test says.
pub struct MadeUp {
    identity: String,
    calls: AtomicUsize,
    /// The loudness of each window that was listened to: tells windows apart.
    pub listened: Mutex<Vec<u64>>,
    hear: Box<Hearing>,
}

impl MadeUp {
    /// Hears with `hear`, which is given the call's number from 0, the window, and the token that stops it.
    pub fn hearing(
        identity: &str,
        hear: impl Fn(usize, &[f32], &CancellationToken) -> Result<Recognition, SpeechError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let identity = identity.to_owned();
        Arc::new(Self { identity, calls: AtomicUsize::new(0), listened: Mutex::default(), hear: Box::new(hear) })
    }

    /// Hears `count` words in each window.
    pub fn words(word: &'static str, count: usize) -> Arc<Self> {
        Self::hearing(word, move |_, pcm, _| Ok(words(word, count, pcm)))
    }
}

/// As many words, spread over the window; every ninth ends a sentence.
pub fn words(word: &str, count: usize, pcm: &[f32]) -> Recognition {
    let each = pcm.len() as f64 / 16_000.0 / count.max(1) as f64;
    let words = (0..count).map(|at| HeardWord {
        text: format!("{word}{}{}", at % 211, if at % 9 == 8 { "." } else { "" }),
        start: PackedSeconds(at as f64 * each),
        end: PackedSeconds((at as f64 + 0.9) * each),
        probability: 0.75,
    });
    Recognition { words: words.collect(), dropped: Vec::new() }
}

impl Recognizer for MadeUp {
    fn name(&self) -> String {
        format!("made up ({})", self.identity)
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn accepts(&self, _: &str) -> Result<(), SpeechError> {
        Ok(())
    }

    fn only_language(&self) -> Option<String> {
        Some("en".to_owned())
    }

    fn detect_language(&self, _: &[f32], _: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        Ok(DetectedLanguage { language: "en".to_owned(), probability: 1.0 })
    }

    fn recognize(&self, pcm: &[f32], _: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let loudness: f64 = pcm.iter().map(|sample| f64::from(sample.abs())).sum();
        self.listened.lock().unwrap().push(loudness.to_bits());
        (self.hear)(call, pcm, cancel)
    }
}

/// What is asked of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Open,
    Size,
    Put,
    List,
    Delete,
}

type Hook = dyn Fn(Asked, String) -> BoxFuture<'static, Result<(), StorageError>> + Send + Sync;

/// Storage that a test may stop, delay or watch: the hook is asked first.
pub struct Watched {
    inner: Arc<dyn Storage>,
    hook: Box<Hook>,
}

impl Watched {
    pub fn new<F, Fut>(inner: Arc<dyn Storage>, hook: F) -> Arc<Self>
    where
        F: Fn(Asked, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), StorageError>> + Send + 'static,
    {
        Arc::new(Self { inner, hook: Box::new(move |asked, key| Box::pin(hook(asked, key))) })
    }
}

/// A failure of a network or disk that may pass.
pub fn passing_failure(key: &str) -> StorageError {
    StorageError::Io { key: key.to_owned(), source: std::io::ErrorKind::ConnectionReset.into() }
}

/// One that will not.
pub fn lasting_failure(key: &str) -> StorageError {
    StorageError::Io { key: key.to_owned(), source: std::io::ErrorKind::PermissionDenied.into() }
}

#[async_trait]
impl Storage for Watched {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        (self.hook)(Asked::Open, key.to_string()).await?;
        self.inner.open(key).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        (self.hook)(Asked::Size, key.to_string()).await?;
        self.inner.size(key).await
    }

    async fn put_file(&self, key: &ObjectKey, from: &Path) -> Result<(), StorageError> {
        (self.hook)(Asked::Put, key.to_string()).await?;
        self.inner.put_file(key, from).await
    }

    async fn put_bytes(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), StorageError> {
        (self.hook)(Asked::Put, key.to_string()).await?;
        self.inner.put_bytes(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        (self.hook)(Asked::List, prefix.to_owned()).await?;
        self.inner.list(prefix).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        (self.hook)(Asked::Delete, key.to_string()).await?;
        self.inner.delete(key).await
    }
}

/// The output of a completed task as JSON.
pub fn output<'a>(outcome: &'a RunOutcome, task: &str) -> &'a Value {
    outcome.output.get(task).unwrap_or_else(|| panic!("{task} has no output: {outcome:?}"))
}
