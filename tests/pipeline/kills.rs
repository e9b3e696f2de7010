//! The program itself, killed at any moment and started again: the result is the one of a run that nobody disturbed,
//! completed tasks are not run again, and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use trackscribe::clock::Timestamp;
use trackscribe::ids::TranscriptId;
use trackscribe::store::{Database, transcripts};

use super::house::fixtures;
use super::made_meeting::{MadeMeeting, MadeTrack};
use super::records::{self, TaskRecord};

/// Kills at random moments, each of a run of its own.
const KILLS: usize = 20;
/// Programs at once.
const AT_ONCE: usize = 2;

/// The program at work on a meeting.
struct Replay<'a> {
    meeting: &'a Path,
    out: PathBuf,
}

impl Replay<'_> {
    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_trackscribe"))
            .arg("replay")
            .arg(self.meeting)
            .arg("--model")
            .arg(fixtures().join("model/ggml-fixture.en-q8_0.bin"))
            .arg("--out")
            .arg(&self.out)
            .env("CPU_THREADS", "2")
            .env("SPEECH_THREADS", "1")
            .env("SPEECH_LANGUAGE", "en")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn to_its_end(&self) {
        let output = self.start().wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn store(&self) -> PathBuf {
        self.out.join(".trackscribe/store.db")
    }

    /// The store as it lies; none before the program made one.
    async fn database(&self) -> Option<Database> {
        if !self.store().exists() {
            return None;
        }
        let database = Database::open_file(&self.store()).await.unwrap();
        // A program that was killed in its first moment left no tables.
        let tables: Result<i64, _> =
            sqlx::query_scalar("SELECT COUNT(*) FROM transcripts").fetch_one(database.pool()).await;
        tables.is_ok().then_some(database)
    }

    async fn tasks(&self) -> BTreeMap<String, TaskRecord> {
        match self.database().await {
            Some(database) => {
                let tasks = records::task_records(&database).await;
                database.close().await;
                tasks
            }
            None => BTreeMap::new(),
        }
    }

    async fn made(&self) -> Made {
        let database = self.database().await.unwrap();
        let mut files = records::files(&database, &self.out).await;
        // Has moments in it; its rows are compared below.
        files.retain(|name, _| !name.starts_with(".trackscribe/store.db"));
        let mut outputs = records::outputs(&database).await;
        for name in ["send_webhook", "post_zulip"] {
            // Holds the hash of a message that names the transcript.
            outputs.remove(name).unwrap();
        }
        let made = Made { files, outputs, rows: records::made_rows(&database).await };
        database.close().await;
        made
    }
}

/// Everything that came of a replay.
struct Made {
    files: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    rows: BTreeMap<String, Vec<String>>,
}

impl Made {
    fn assert_same(&self, other: &Self, what: &str) {
        assert_eq!(different(&self.files, &other.files), [] as [&String; 0], "{what}");
        assert_eq!(different(&self.outputs, &other.outputs), [] as [&String; 0], "{what}");
        for (table, rows) in &self.rows {
            assert_eq!(rows, &other.rows[table], "{what}: {table}");
        }
    }
}

/// What the two do not have in common, by name.
fn different<'a>(one: &'a BTreeMap<String, String>, other: &'a BTreeMap<String, String>) -> Vec<&'a String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).collect()
}

/// A meeting with a re-joining speaker, a silent one and a track shorter than a word.
fn short_meeting(folder: &TempDir) -> PathBuf {
    let (from, to) = (fixtures().join("meetings/edge"), folder.path().join("meeting"));
    std::fs::create_dir(&to).unwrap();
    let grace = "-fbd5a293-";
    for file in std::fs::read_dir(&from).unwrap().map(|file| file.unwrap()) {
        let name = file.file_name().into_string().unwrap();
        if name.ends_with(".webm") && !name.contains(grace) || name == "participants.json" {
            std::fs::copy(file.path(), to.join(name)).unwrap();
        }
    }
    let mut recording: Value = serde_json::from_slice(&std::fs::read(from.join("recording.json")).unwrap()).unwrap();
    recording["tracks"].as_array_mut().unwrap().retain(|track| !track["s3Key"].as_str().unwrap().contains(grace));
    std::fs::write(to.join("recording.json"), recording.to_string()).unwrap();
    to
}

/// Repeatable by its seed.
struct Dice(AtomicU64);

impl Dice {
    fn thrown() -> Self {
        let given = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64);
        println!("KILL_SEED={seed}");
        Self(seed.into())
    }

    /// From 0 to 1.
    fn next(&self) -> f64 {
        let step = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (step ^ (step >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// No task that had completed has another try afterwards, or another output.
fn assert_kept(before: &BTreeMap<String, TaskRecord>, after: &BTreeMap<String, TaskRecord>, what: &str) {
    for (name, task) in before.iter().filter(|(_, task)| task.status == "completed") {
        assert_eq!(task.tries, after[name].tries, "{what}: {name} was completed and ran again");
        assert_eq!(task.output, after[name].output, "{what}: {name}");
    }
}

#[test]
fn twenty_runs_killed_at_random_moments_end_as_one_that_nobody_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    let meeting = short_meeting(&folder);
    let undisturbed = Replay { meeting: &meeting, out: folder.path().join("undisturbed") };
    let begun = Instant::now();
    undisturbed.to_its_end();
    let lasts = begun.elapsed();
    let expected = block_on(undisturbed.made());

    let dice = Dice::thrown();
    let (next, hits) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = |number: usize| {
        let replay = Replay { meeting: &meeting, out: folder.path().join(format!("killed-{number}")) };
        let moment = lasts.mul_f64(dice.next());
        let mut program = replay.start();
        std::thread::sleep(moment);
        let was_over = program.try_wait().unwrap().is_some();
        program.kill().unwrap();
        program.wait().unwrap();
        let before = block_on(replay.tasks());
        let done = before.values().filter(|task| task.status == "completed").count();
        let what = format!("run {number}, killed after {moment:.2?} with {done} of {} tasks done", before.len());
        println!("{what}{}", if was_over { " (it was over)" } else { "" });
        hits.fetch_add(usize::from(!was_over), Ordering::SeqCst);

        replay.to_its_end();
        assert_kept(&before, &block_on(replay.tasks()), &what);
        block_on(replay.made()).assert_same(&expected, &what);
        std::fs::remove_dir_all(&replay.out).unwrap();
    };
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::SeqCst)).filter(|number| *number < KILLS) {
                    one(number);
                }
            });
        }
    });
    assert!(hits.into_inner() >= KILLS / 2, "the program was over before it was killed");
}

/// The names of the tasks at work.
fn under_way(replay: &Replay<'_>) -> BTreeSet<String> {
    let tasks = block_on(replay.tasks());
    let running = tasks.iter().filter(|(_, task)| task.status == "running");
    let names = running.map(|(name, _)| name.rsplit('/').next().unwrap_or(name).to_owned());
    names.filter(|name| name != "process_tracks").collect()
}

#[test]
fn a_run_killed_three_times_in_different_tasks_ends_as_one_that_nobody_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    let meeting = short_meeting(&folder);
    let undisturbed = Replay { meeting: &meeting, out: folder.path().join("undisturbed") };
    undisturbed.to_its_end();
    let expected = block_on(undisturbed.made());

    let replay = Replay { meeting: &meeting, out: folder.path().join("killed") };
    let mut met: Vec<BTreeSet<String>> = Vec::new();
    while met.len() < 3 {
        let mut program = replay.start();
        // Killed as soon as a task is under way that no kill has met.
        let is_new = |task: &String| !met.iter().any(|before| before.contains(task));
        while program.try_wait().unwrap().is_none() && !under_way(&replay).iter().any(is_new) {
            std::thread::sleep(Duration::from_millis(1));
        }
        program.kill().unwrap();
        program.wait().unwrap();
        let tasks = under_way(&replay);
        if tasks.iter().any(is_new) {
            println!("killed in {tasks:?}");
            met.push(tasks);
        } else if block_on(replay.tasks()).get("send_webhook").is_some_and(|task| task.status == "completed") {
            // Too slow in looking for tasks.
            std::fs::remove_dir_all(&replay.out).unwrap();
            met.clear();
        }
    }
    let before = block_on(replay.tasks());
    replay.to_its_end();
    let after = block_on(replay.tasks());
    assert_kept(&before, &after, "killed three times");
    let was_interrupted =
        |task: &&TaskRecord| task.tries.iter().any(|one| one.outcome.as_deref() == Some("interrupted"));
    assert!(after.values().filter(was_interrupted).count() >= 3);
    block_on(replay.made()).assert_same(&expected, "killed three times");
}

#[test]
fn a_kill_in_a_long_transcription_repeats_at_most_the_window_it_met() {
    let folder = tempfile::tempdir().unwrap();
    let long = MadeMeeting { duration: None, tracks: vec![MadeTrack::speaking(1, "Ann", 400, 300)] };
    let meeting = folder.path().join("meeting");
    long.write(&meeting, "");
    let replay = Replay { meeting: &meeting, out: folder.path().join("out") };
    let mut program = replay.start();
    let windows = |sql: &'static str| {
        block_on(async {
            let Some(database) = replay.database().await else { return 0 };
            let counted = sqlx::query_scalar::<_, i64>(sql).fetch_one(database.pool()).await.unwrap();
            database.close().await;
            counted
        })
    };
    while program.try_wait().unwrap().is_none() && windows("SELECT COUNT(*) FROM speech_windows") < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    program.kill().unwrap();
    program.wait().unwrap();
    let kept = windows("SELECT COUNT(*) FROM speech_windows");
    // From here on the store itself counts each window that is kept.
    block_on(async {
        let database = replay.database().await.unwrap();
        for sql in [
            "CREATE TABLE kept_again (window_index BIGINT)",
            "CREATE TRIGGER inserted AFTER INSERT ON speech_windows BEGIN INSERT INTO kept_again VALUES (new.window_index); END",
            "CREATE TRIGGER updated AFTER UPDATE ON speech_windows BEGIN INSERT INTO kept_again VALUES (new.window_index); END",
        ] {
            sqlx::query(sql).execute(database.pool()).await.unwrap();
        }
        database.close().await;
    });
    replay.to_its_end();
    let all = windows("SELECT COUNT(*) FROM speech_windows");
    assert!(kept >= 2 && kept < all, "the kill met nothing: {kept} of {all} windows");
    assert_eq!(windows("SELECT COUNT(*) FROM kept_again"), all - kept, "windows that were kept were heard again");
    assert_eq!(windows("SELECT MIN(window_index) FROM kept_again"), kept);
}

#[test]
fn u11_a_transcript_whose_run_was_never_started_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    let meeting = folder.path().join("meeting");
    let recorded = MadeMeeting::short().write(&meeting, "");
    let replay = Replay { meeting: &meeting, out: folder.path().join("out") };
    let id: TranscriptId = "0192f3a0-0000-7000-8000-000000000001".parse().unwrap();
    block_on(async {
        let database = Database::open_file(&replay.store()).await.unwrap();
        database.migrate().await.unwrap();
        let recording = &recorded.only_recording().id;
        transcripts::create(&database, &id, recording, Timestamp::from_micros(1)).await.unwrap();
        database.close().await;
    });
    // What a program that was killed while it wrote the transcript's files left behind.
    let unfinished = replay.out.join(".trackscribe/unfinished/export-of-the-killed");
    std::fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
    std::fs::write(&unfinished, "half a transcr").unwrap();

    replay.to_its_end();
    assert!(!unfinished.exists());
    let rows = block_on(async {
        let database = replay.database().await.unwrap();
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT id, status FROM transcripts").fetch_all(database.pool()).await.unwrap();
        database.close().await;
        rows
    });
    assert_eq!(rows, [(id.to_string(), "ended".to_owned())]);
}
