//! Storage is away for three hours while recordings arrive: the real pipeline on the embedded engine, real speech on short
//! tracks, and a clock that moves only while nobody works.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use trackscribe::daily::DailySource as _;
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::language::ExtractiveBackend;
use trackscribe::pipeline::{CpuBudget, PipelineHouse, PipelineSettings, registry};
use trackscribe::speech::{DetectedLanguage, Recognition, Recognizer, SpeechError, WhisperModel};
use trackscribe::storage::{LocalFolder, Storage, StorageError};
use trackscribe::store::run_requests::RequestState;
use trackscribe::trigger::{Inbox, Reconciler, RoomPolicy};
use trackscribe::workflow::{Definitions, default_pool_sizes};

use crate::house::{Asked, CORES, Watched, fixtures};
use crate::made_meeting::{MadeMeeting, MadeTrack};
use crate::support::{Scene, hours, seconds};

on_both_databases!(storage_down_for_three_hours_loses_no_recording_and_makes_nothing_twice);

const RECORDINGS: usize = 20;
/// They are at work when storage goes away; the others come while it is.
const BEFORE: usize = 3;

/// Storage that can be away, and counts what is put into it.
#[derive(Default)]
struct Weather {
    is_away: AtomicBool,
    /// After so many puts it goes away.
    lasts: AtomicUsize,
    puts: Mutex<BTreeMap<String, usize>>,
    refused: AtomicUsize,
}

impl Weather {
    fn over(self: &Arc<Self>, place: &LocalFolder) -> Arc<dyn Storage> {
        let this = Arc::clone(self);
        Watched::new(Arc::new(place.clone()), move |asked, key| {
            let answer = this.answer(asked, key);
            async move { answer }
        })
    }

    fn answer(&self, asked: Asked, key: String) -> Result<(), StorageError> {
        if self.is_away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StorageError::Unavailable { object: format!("s3://b/{key}"), why: "503".to_owned() });
        }
        if asked == Asked::Put {
            *self.puts.lock().unwrap().entry(key).or_default() += 1;
            if self.lasts.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.is_away.store(true, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    fn mend(&self) {
        self.is_away.store(false, Ordering::SeqCst);
    }
}

/// The speech model; counts the windows that it was given.
struct Heard {
    model: WhisperModel,
    windows: AtomicUsize,
}

impl Recognizer for Heard {
    fn name(&self) -> String {
        self.model.name()
    }

    fn identity(&self) -> String {
        self.model.identity()
    }

    fn accepts(&self, language: &str) -> Result<(), SpeechError> {
        self.model.accepts(language)
    }

    fn only_language(&self) -> Option<String> {
        self.model.only_language()
    }

    fn detect_language(&self, pcm: &[f32], cancel: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        self.model.detect_language(pcm, cancel)
    }

    fn recognize(&self, pcm: &[f32], language: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError> {
        self.windows.fetch_add(1, Ordering::SeqCst);
        self.model.recognize(pcm, language, cancel)
    }
}

/// Daily has recorded two people who speak for two seconds each, in each meeting at other times.
async fn record(scene: &Scene, nth: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (session, start) = (2 * nth as u32, 300 + 20 * nth as u64);
    let tracks = vec![
        MadeTrack::speaking(session + 1, "Ann", start, 2),
        MadeTrack::speaking(session + 2, "Bert", start + 1700, 2),
    ];
    let recorded = MadeMeeting { duration: Some(6.0), tracks }.write(folder.path(), &format!("team/{nth}/"));
    let mut recording = recorded.only_recording().clone();
    let people = recorded.participants(recording.meeting_id.as_ref().unwrap()).await.unwrap();
    recording.id = format!("r{nth}").parse().unwrap();
    recording.meeting_id = format!("m{nth}").parse().ok();
    for track in &recording.tracks {
        let file = recorded.track_file(&track.s3_key).unwrap();
        scene.originals.put_file(&track.s3_key.parse().unwrap(), &file).await.unwrap();
    }
    scene.daily.add(serde_json::to_value(recording).unwrap());
    scene.daily.add_participants(&format!("m{nth}"), people);
    scene.ready(&format!("e{nth}"), &format!("r{nth}"), "standup").await;
}

async fn count(scene: &Scene, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(scene.database.pool()).await.unwrap()
}

/// Whether any task is at work. A parent of children only waits.
async fn works(scene: &Scene) -> bool {
    let sql = "SELECT COUNT(*) FROM attempts JOIN task_runs ON task_runs.id = attempts.task_run_id
         WHERE attempts.outcome IS NULL AND task_runs.task <> 'process_tracks'";
    count(scene, sql).await > 0
}

async fn over(scene: &Scene) -> usize {
    let mut over = 0;
    for nth in 0..RECORDINGS {
        let requests = scene.requests(&format!("r{nth}")).await;
        over += usize::from(requests.iter().any(|request| request.state == RequestState::Ended));
    }
    over
}

async fn storage_down_for_three_hours_loses_no_recording_and_makes_nothing_twice(scene: Scene) {
    let weather = Arc::new(Weather { lasts: AtomicUsize::new(7), ..Weather::default() });
    let model: &Path = &fixtures().join("model/ggml-fixture.en-q8_0.bin");
    let heard = Arc::new(Heard { model: WhisperModel::load(model, 1).unwrap(), windows: AtomicUsize::new(0) });
    let house = PipelineHouse {
        database: scene.database.clone(),
        storage: weather.over(&scene.derived),
        originals: weather.over(&scene.originals),
        daily: scene.daily.clone(),
        speech: heard.clone(),
        language: Arc::new(ExtractiveBackend),
        cpu: CpuBudget::new(CORES),
        settings: Arc::new(PipelineSettings {
            speech_language: "auto".to_owned(),
            speech_threads: 1,
            names: BTreeMap::new(),
            scratch: scene.derived.scratch(),
        }),
    };
    let registry = registry(house, Definitions::embedded(default_pool_sizes(CORES, 1)).unwrap()).unwrap();
    let engine = Arc::new(EmbeddedEngine::open(&scene.database, registry, scene.shared_clock()).await.unwrap());
    let trigger = scene.trigger_on(engine.clone());
    let inbox = Inbox::new(scene.intake(trigger.clone(), RoomPolicy::All), scene.daily.clone(), scene.shared_clock());
    let reconciler = Reconciler::new(trigger);

    let began = scene.now();
    let back = began.plus(hours(3));
    let mut arrived = 0;
    loop {
        let passed = scene.now().since(began);
        while arrived < RECORDINGS && passed >= seconds(600) * arrived.saturating_sub(BEFORE - 1) as u32 {
            record(&scene, arrived).await;
            arrived += 1;
        }
        if scene.now() >= back {
            weather.mend();
        }
        inbox.once().await.unwrap();
        reconciler.once().await.unwrap();
        if works(&scene).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        if scene.now() > back && over(&scene).await == RECORDINGS {
            break;
        }
        assert!(scene.now().since(back) < hours(2), "{} of {RECORDINGS} are over", over(&scene).await);
        scene.clock.advance(seconds(20));
        // Whoever waited for this moment begins.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }

    assert!(weather.refused.load(Ordering::SeqCst) > 100, "storage was away");
    let puts = weather.puts.lock().unwrap().clone();
    assert!(puts.values().all(|times| *times == 1), "{puts:?}");
    let objects: Vec<String> = puts.into_keys().collect();
    assert_eq!(objects, scene.keys(&scene.derived).await);
    // Two aligned tracks, the mixdown and its peaks.
    assert_eq!(objects.len(), 4 * RECORDINGS);
    // Everybody spoke for one window, each in a file of its own.
    assert_eq!(count(&scene, "SELECT COUNT(*) FROM speech_windows").await, 2 * RECORDINGS as i64);
    assert_eq!(heard.windows.load(Ordering::SeqCst), 2 * RECORDINGS, "a window was heard twice");

    let mut deaths = 0;
    for nth in 0..RECORDINGS {
        let recording = format!("r{nth}");
        let request = scene.requests(&recording).await.remove(0);
        assert_eq!(request.last_error, None, "{recording}");
        deaths += request.deaths;
        let row = scene.transcript(&recording).await;
        assert_eq!((row.status.as_str(), &row.published_run), ("ended", &request.run), "{recording}");
        assert_eq!((row.failure, row.current_run), (None, request.run), "{recording}");
    }
    assert!(deaths >= RECORDINGS as i64, "they died {deaths} times");
    assert_eq!(
        count(
            &scene,
            "SELECT COUNT(DISTINCT run_id) FROM segments WHERE run_id IN (SELECT published_run FROM transcripts)"
        )
        .await,
        RECORDINGS as i64
    );
    engine.shutdown().await;
}
