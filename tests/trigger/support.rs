//! A store, a Daily and an engine that do as a test says, and everything that starts runs joined to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use trackscribe::clock::{Clock, ManualClock, SharedClock, Timestamp};
use trackscribe::consent::{Consent, DELETE_AUDIO};
use trackscribe::daily::{DailyError, DailySource, ParticipantRow, Recording, RecordingPage, RecordingQuery};
use trackscribe::engine::{Engine, EngineError, RunFailure, RunOutcome, RunStatus, StartOptions};
use trackscribe::failure::FailureClass;
use trackscribe::ids::{MeetingId, RecordingId, RunId, TranscriptId};
use trackscribe::notify::{DELETE_OBJECT, Deliver, ObjectDeletions, Outbox};
use trackscribe::storage::{LocalFolder, Storage};
use trackscribe::store::daily_events::{self, DailyEventRow};
use trackscribe::store::run_requests::{self, RunRequestRow};
use trackscribe::store::transcripts;
use trackscribe::store::{Database, TranscriptRow, TranscriptWriter};
use trackscribe::trigger::{Inbox, Intake, Poller, Reconciler, RoomPolicy, Trigger, TriggerParts};

use crate::postgres::Postgres;

/// Makes two tests of each of these, one on SQLite and one on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::support::Scene::on_sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::support::Scene::on_postgres().await).await;
            })+
        }
    };
}

/// 2026-01-05 09:00 UTC.
pub const START: i64 = 1_767_603_600;

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

pub fn id(text: &str) -> RecordingId {
    text.parse().unwrap()
}

/// A finished raw-tracks recording as Daily lists it.
pub fn recording(id: &str, room: &str, start: i64, duration: u64) -> Value {
    json!({
        "id": id, "room_name": room, "start_ts": start, "status": "finished", "type": null, "duration": duration,
        "s3": {"bucket_name": "b"}, "tracks": [{"type": "audio", "s3Key": track_key(start, "cam-audio"), "size": 9}],
        "mtgSessionId": format!("meeting-of-{id}"),
    })
}

/// The key of a track of a recording that began then.
pub fn track_key(start: i64, kind: &str) -> String {
    format!("team/standup/{start}000-11111111-1111-4111-8111-111111111111-{kind}-{start}250")
}

/// Everything joined.
pub struct Scene {
    pub database: Database,
    pub clock: ManualClock,
    pub daily: Arc<ListedDaily>,
    pub engine: Arc<ScriptedEngine>,
    pub originals: LocalFolder,
    pub derived: LocalFolder,
    _folder: TempDir,
}

impl Scene {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&format!("sqlite://{}/store.db", folder.path().display())).await.unwrap();
        database.migrate().await.unwrap();
        Self::on(database, folder)
    }

    pub async fn on_postgres() -> Self {
        let server = Postgres::shared();
        let name = server
            .prepared(async |url| {
                let database = Database::open(&url).await.unwrap();
                database.migrate().await.unwrap();
                database.close().await;
            })
            .await;
        let database = Database::open(&server.url(&name)).await.unwrap();
        Self::on(database, tempfile::tempdir().unwrap())
    }

    pub fn on(database: Database, folder: TempDir) -> Self {
        let open = |name: &str| LocalFolder::open(folder.path().join(name)).unwrap();
        Self {
            database,
            clock: ManualClock::at(Timestamp::from_micros(START * 1_000_000)),
            daily: Arc::default(),
            engine: Arc::default(),
            originals: open("originals"),
            derived: open("derived"),
            _folder: folder,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn shared_clock(&self) -> SharedClock {
        Arc::new(self.clock.clone())
    }

    pub fn consent(&self) -> Arc<Consent> {
        self.consent_over(Arc::new(self.derived.clone()))
    }

    pub fn consent_over(&self, derived: Arc<dyn Storage>) -> Arc<Consent> {
        let originals = Arc::new(self.originals.clone());
        Arc::new(Consent::new(self.database.clone(), self.shared_clock(), originals, derived))
    }

    /// A trigger with a pool of its own, as another process has it.
    pub fn trigger(&self) -> Trigger {
        self.trigger_on(self.engine.clone())
    }

    pub fn trigger_on(&self, engine: Arc<dyn Engine>) -> Trigger {
        self.trigger_of("none", engine)
    }

    /// One of another provider.
    pub fn trigger_of(&self, provider: &str, engine: Arc<dyn Engine>) -> Trigger {
        Trigger::new(TriggerParts {
            database: self.database.fresh(None),
            engine,
            provider: provider.to_owned(),
            consent: self.consent(),
            clock: self.shared_clock(),
        })
    }

    pub fn intake(&self, trigger: Trigger, rooms: RoomPolicy) -> Intake {
        Intake { trigger, database: self.database.fresh(None), rooms }
    }

    pub fn inbox(&self) -> Inbox {
        self.inbox_for(RoomPolicy::Unsaid)
    }

    pub fn inbox_for(&self, rooms: RoomPolicy) -> Inbox {
        let intake = self.intake(self.trigger(), rooms);
        Inbox::new(intake, self.daily.clone(), self.shared_clock())
    }

    pub fn poller(&self) -> Poller {
        self.poller_for(RoomPolicy::Unsaid)
    }

    pub fn poller_for(&self, rooms: RoomPolicy) -> Poller {
        let intake = self.intake(self.trigger(), rooms);
        Poller { intake, daily: self.daily.clone(), clock: self.shared_clock() }
    }

    pub fn reconciler(&self) -> Reconciler {
        Reconciler::new(self.trigger())
    }

    pub fn outbox(&self) -> Outbox {
        let deletions: Arc<dyn Deliver> = Arc::new(ObjectDeletions {
            originals: Arc::new(self.originals.clone()),
            derived: Arc::new(self.derived.clone()),
        });
        let audio: Arc<dyn Deliver> = self.consent();
        Outbox::new(self.database.clone(), self.shared_clock(), [(DELETE_OBJECT, deletions), (DELETE_AUDIO, audio)])
    }

    /// A delivery comes in and is stored, as the HTTP face stores it.
    pub async fn delivered(&self, event: &str, kind: &str, payload: Value) {
        let body = json!({"version": "1.0.0", "type": kind, "id": event, "payload": payload, "event_ts": START});
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        let row = DailyEventRow {
            id: event.to_owned(),
            kind: kind.to_owned(),
            recording: text("recording_id").map(id),
            room_name: text("room_name").map(str::to_owned),
            body: body.to_string(),
            tries: 0,
            received_at: self.now(),
        };
        daily_events::put(&self.database, &[row]).await.unwrap();
    }

    /// Daily says that a recording is ready.
    pub async fn ready(&self, event: &str, recording: &str, room: &str) {
        let payload = json!({
            "type": "raw-tracks", "recording_id": recording, "room_name": room, "start_ts": START, "status": "finished",
            "duration": 60, "s3_key": format!("team/standup/{START}000"), "tracks": null,
        });
        self.delivered(event, "recording.ready-to-download", payload).await;
    }

    /// What became of a delivery: its state and note.
    pub async fn note(&self, event: &str) -> (String, String) {
        use sqlx::Row as _;
        let row = sqlx::query("SELECT state, COALESCE(note, '') AS note FROM daily_events WHERE id = $1")
            .bind(event.to_owned())
            .fetch_one(self.database.pool())
            .await
            .unwrap();
        (row.get("state"), row.get("note"))
    }

    pub async fn requests(&self, recording: &str) -> Vec<RunRequestRow> {
        run_requests::of_recording(&self.database, &id(recording)).await.unwrap()
    }

    /// A recording's only transcript.
    pub async fn transcript(&self, recording: &str) -> TranscriptRow {
        let mut rows = transcripts::of_recording(&self.database, &id(recording)).await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    pub fn writer(&self, transcript: &TranscriptId, run: &RunId) -> TranscriptWriter {
        TranscriptWriter::new(self.database.clone(), transcript.clone(), run.clone())
    }

    /// A run's first step, as the pipeline does it.
    pub async fn begins(&self, recording: &str, run: &RunId) -> TranscriptWriter {
        let row = self.transcript(recording).await;
        let writer = self.writer(&row.id, run);
        writer.claim(self.now()).await.unwrap();
        writer.change_status(&row.status, "processing", None, self.now()).await.unwrap();
        writer
    }

    /// A run from its first step to a finished transcript.
    pub async fn completes(&self, recording: &str, run: &RunId) {
        self.begins(recording, run).await.publish(self.now()).await.unwrap();
        self.engine.end(run, RunStatus::Completed, None);
    }

    /// A run dies of something, and its on-failure task says so.
    pub async fn dies(&self, recording: &str, run: &RunId, class: FailureClass) {
        let writer = self.begins(recording, run).await;
        let failure = Some(("pad_track", class, "no answer"));
        writer.change_status("processing", "error", failure, self.now()).await.unwrap();
        let failure = RunFailure { task: Some("pad_track".to_owned()), class, message: "no answer".to_owned() };
        self.engine.end(run, RunStatus::Failed, Some(failure));
    }

    pub async fn put(&self, place: &LocalFolder, key: &str) {
        place.put_bytes(&key.parse().unwrap(), b"x").await.unwrap();
    }

    /// All keys in a place.
    pub async fn keys(&self, place: &LocalFolder) -> Vec<String> {
        place.list("").await.unwrap().iter().map(ToString::to_string).collect()
    }
}

/// An account that lists what a test gave it.
#[derive(Default)]
pub struct ListedDaily {
    recordings: Mutex<Vec<Recording>>,
    participants: Mutex<BTreeMap<MeetingId, Vec<ParticipantRow>>>,
    down: Mutex<bool>,
    lists: Mutex<Lists>,
    troubles: Mutex<BTreeMap<RecordingId, Trouble>>,
    /// Pages and recordings that were asked for.
    pub asked: Mutex<usize>,
}

/// How the list is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lists {
    /// As it is, without a total.
    #[default]
    All,
    /// Null in place of a list.
    Null,
    /// The first so many, and the total of all.
    BreakingOffAfter(usize),
    /// Nobody's recordings, though each can be asked for.
    Nothing,
}

/// How one recording is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// With this status.
    Status(u16),
    /// By a panic of whoever reads it.
    Panic,
}

impl ListedDaily {
    /// Adds or replaces a recording.
    pub fn add(&self, recording: Value) {
        let recording: Recording = serde_json::from_value(recording).unwrap();
        let mut all = self.recordings.lock().unwrap();
        all.retain(|other| other.id != recording.id);
        all.push(recording);
        all.sort_by(|a, b| b.start_ts.unwrap_or_default().total_cmp(&a.start_ts.unwrap_or_default()));
    }

    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    pub fn set_lists(&self, lists: Lists) {
        *self.lists.lock().unwrap() = lists;
    }

    /// From now on asking for this recording meets trouble, or none any more.
    pub fn set_trouble(&self, recording: &str, trouble: Option<Trouble>) {
        let mut troubles = self.troubles.lock().unwrap();
        match trouble {
            Some(trouble) => troubles.insert(id(recording), trouble),
            None => troubles.remove(&id(recording)),
        };
    }

    /// Who took part in a meeting.
    pub fn add_participants(&self, meeting: &str, rows: Vec<ParticipantRow>) {
        self.participants.lock().unwrap().insert(meeting.parse().unwrap(), rows);
    }

    pub fn times_asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    fn ask(&self) -> Result<(), DailyError> {
        *self.asked.lock().unwrap() += 1;
        if *self.down.lock().unwrap() {
            let request = "GET /recordings".to_owned();
            return Err(DailyError::Unreachable { request, problem: "connection refused".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl DailySource for ListedDaily {
    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError> {
        self.ask()?;
        let trouble = self.troubles.lock().unwrap().get(id).copied();
        let (request, said) = (format!("GET /recordings/{id}"), String::new());
        match trouble {
            None => {}
            Some(Trouble::Panic) => panic!("nobody thought of {id}"),
            Some(Trouble::Status(404)) => {
                return Err(DailyError::Unknown { what: "recording", id: id.to_string() });
            }
            Some(Trouble::Status(status @ (401 | 403))) => {
                return Err(DailyError::KeyRefused { request, status, said });
            }
            Some(Trouble::Status(status)) => return Err(DailyError::Status { request, status, said }),
        }
        let found = self.recordings.lock().unwrap().iter().find(|recording| recording.id == *id).cloned();
        found.ok_or_else(|| DailyError::Unknown { what: "recording", id: id.to_string() })
    }

    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
        Ok(self.participants.lock().unwrap().get(meeting).cloned().unwrap_or_default())
    }

    async fn list(&self, query: &RecordingQuery) -> Result<RecordingPage, DailyError> {
        self.ask()?;
        let all = self.recordings.lock().unwrap();
        let (most, total_count) = match *self.lists.lock().unwrap() {
            Lists::All => (all.len(), None),
            Lists::Null => return Ok(RecordingPage { is_null: true, ..RecordingPage::default() }),
            Lists::BreakingOffAfter(most) => (most, Some(all.len() as u64)),
            Lists::Nothing => (0, None),
        };
        let all = &all[..most.min(all.len())];
        let from = match &query.starting_after {
            Some(after) => all.iter().position(|recording| recording.id == *after).unwrap() + 1,
            None => 0,
        };
        let recordings: Vec<Recording> = all[from..].iter().take(query.page_size()).cloned().collect();
        Ok(RecordingPage {
            entries: recordings.len(),
            last: recordings.last().map(|recording| recording.id.clone()),
            recordings,
            total_count,
            ..RecordingPage::default()
        })
    }
}

struct ScriptedRun {
    id: RunId,
    options: StartOptions,
    input: Value,
    workflow: String,
    outcome: RunOutcome,
}

/// An engine whose runs go as a test says.
#[derive(Default)]
pub struct ScriptedEngine {
    runs: Mutex<Vec<ScriptedRun>>,
    down: Mutex<bool>,
    loses_answers: Mutex<bool>,
    refuses: Mutex<bool>,
}

impl ScriptedEngine {
    /// Nobody is there.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    /// Runs are started, and nobody hears of it.
    pub fn lose_answers(&self, loses: bool) {
        *self.loses_answers.lock().unwrap() = loses;
    }

    /// No such workflow here.
    pub fn refuse(&self) {
        *self.refuses.lock().unwrap() = true;
    }

    /// All runs ever started, in order.
    pub fn runs(&self) -> Vec<RunId> {
        self.runs.lock().unwrap().iter().map(|run| run.id.clone()).collect()
    }

    /// What the last run was started with.
    pub fn last(&self) -> (String, Value, StartOptions) {
        let runs = self.runs.lock().unwrap();
        let last = runs.last().unwrap();
        (last.workflow.clone(), last.input.clone(), last.options.clone())
    }

    pub fn end(&self, run: &RunId, status: RunStatus, failure: Option<RunFailure>) {
        let mut runs = self.runs.lock().unwrap();
        let run = runs.iter_mut().find(|known| known.id == *run).unwrap();
        run.outcome = RunOutcome { status, failure, output: Map::new() };
    }

    pub fn forget(&self, run: &RunId) {
        self.runs.lock().unwrap().retain(|known| known.id != *run);
    }

    fn reached(&self) -> Result<(), EngineError> {
        if *self.down.lock().unwrap() {
            let message = "connection refused".to_owned();
            return Err(EngineError::Backend { class: FailureClass::Retryable, message });
        }
        Ok(())
    }

    fn outcome(&self, run: &RunId) -> Result<RunOutcome, EngineError> {
        self.reached()?;
        let runs = self.runs.lock().unwrap();
        let found = runs.iter().find(|known| known.id == *run);
        found.map(|found| found.outcome.clone()).ok_or_else(|| EngineError::UnknownRun(run.clone()))
    }
}

#[async_trait]
impl Engine for ScriptedEngine {
    async fn start(&self, workflow: &str, input: Value, options: StartOptions) -> Result<RunId, EngineError> {
        self.reached()?;
        if *self.refuses.lock().unwrap() {
            return Err(EngineError::UnknownWorkflow { name: workflow.to_owned(), known: Vec::new() });
        }
        let mut runs = self.runs.lock().unwrap();
        let same = |run: &&ScriptedRun| run.options.dedupe_key == options.dedupe_key && run.outcome.status.is_active();
        if let Some(same) = runs.iter().find(same) {
            return Ok(same.id.clone());
        }
        let id = RunId::generate();
        let outcome = RunOutcome { status: RunStatus::Running, failure: None, output: Map::new() };
        runs.push(ScriptedRun { id: id.clone(), options, input, workflow: workflow.to_owned(), outcome });
        if *self.loses_answers.lock().unwrap() {
            let message = "connection reset".to_owned();
            return Err(EngineError::Backend { class: FailureClass::Retryable, message });
        }
        Ok(id)
    }

    async fn status(&self, run: &RunId) -> Result<RunStatus, EngineError> {
        Ok(self.outcome(run)?.status)
    }

    async fn cancel(&self, run: &RunId) -> Result<(), EngineError> {
        self.outcome(run)?;
        self.end(run, RunStatus::Cancelled, None);
        Ok(())
    }

    async fn resume(&self, run: &RunId) -> Result<(), EngineError> {
        self.outcome(run).map(drop)
    }

    async fn wait(&self, run: &RunId) -> Result<RunOutcome, EngineError> {
        loop {
            let outcome = self.outcome(run)?;
            if !outcome.status.is_active() {
                return Ok(outcome);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The words of a map of metadata.
pub fn words(metadata: &BTreeMap<String, String>, name: &str) -> String {
    metadata.get(name).cloned().unwrap_or_default()
}
