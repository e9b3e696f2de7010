//! Failures on the way: what may pass is tried again and costs nothing, what stays is said and costs no more than it must.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::json;
use trackscribe::engine::{Engine, RunStatus};
use trackscribe::failure::FailureClass;
use trackscribe::speech::SpeechError;
use trackscribe::store::transcripts;
use trackscribe::transcript::Status;

use super::house::{Asked, Bench, MadeUp, Watched, lasting_failure, output, passing_failure, soon, words};
use super::made_meeting::{MadeMeeting, MadeTrack};
use super::records::{self, TaskRecord};

fn outcomes(task: &TaskRecord) -> Vec<&str> {
    task.tries.iter().map(|one| one.outcome.as_deref().unwrap_or("under way")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn h3_whoever_is_told_is_told_the_duration_though_daily_does_not_know_it() {
    for (by_daily, expected) in [(None, 6.5), (Some(60.0), 60.0)] {
        let meeting = MadeMeeting { duration: by_daily, ..MadeMeeting::short() };
        let bench = Bench::made(&meeting, MadeUp::words("w", 5)).await;
        let (run, outcome) = bench.run().await;
        assert_eq!(output(&outcome, "finalize")["duration"].as_f64(), Some(expected));
        assert_eq!(bench.shown().await.document.duration, expected);
        let sql = "SELECT body FROM results WHERE run_id = $1 AND kind = 'webhook_payload'";
        let told: String =
            sqlx::query_scalar(sql).bind(run.to_string()).fetch_one(bench.database().pool()).await.unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert!(told.to_string().contains(&format!("\"duration\":{}", json!(expected))), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_a_track_that_can_not_be_read_is_marked_and_costs_the_others_nothing() {
    let mut meeting = MadeMeeting::short();
    let garbage = Some(b"this was never a recording".to_vec());
    meeting.tracks.push(MadeTrack { garbage, ..MadeTrack::speaking(3, "Cleo", 900, 4) });
    let bench = Bench::made(&meeting, MadeUp::words("w", 5)).await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    assert_eq!(output(&outcome, "process_tracks")["incomplete_tracks"], json!(1));
    let document = bench.shown().await.document;
    assert_eq!(document.participants.len(), 3, "the speaker did not vanish");
    assert_eq!(document.words.len(), 10);
    assert_eq!(document.incomplete_tracks.len(), 1);
    assert!(document.incomplete_tracks[0].track.contains(&meeting.tracks[2].file_name()[..20]));
    assert_eq!(records::task_records(bench.database()).await["t002/pad_track"].tries.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_h9_a_failure_that_passes_loses_no_speaker_and_never_shows_as_an_error() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 5)).await;
    let (failures, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (database, transcript, statuses) = (bench.database().clone(), bench.transcript.clone(), Arc::clone(&seen));
    let failed = Arc::clone(&failures);
    bench.house.originals = Watched::new(Arc::clone(&bench.house.originals), move |asked, key| {
        let (database, transcript) = (database.clone(), transcript.clone());
        let (failed, statuses) = (Arc::clone(&failed), Arc::clone(&statuses));
        async move {
            if asked != Asked::Open || !key.contains("000000000002-cam") {
                return Ok(());
            }
            let row = transcripts::read(&database, &transcript).await.unwrap().unwrap();
            statuses.lock().unwrap().push(row.status);
            if failed.fetch_add(1, Ordering::SeqCst) < 3 { Err(passing_failure(&key)) } else { Ok(()) }
        }
    });
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    assert_eq!(*seen.lock().unwrap(), ["processing"; 4]);
    let tasks = records::task_records(bench.database()).await;
    assert_eq!(outcomes(&tasks["t001/pad_track"]), ["failed", "failed", "failed", "completed"]);
    assert_eq!(outcomes(&tasks["process_tracks"]), ["completed"]);
    assert_eq!(tasks["mark_failed"].tries, []);
    let document = bench.shown().await.document;
    assert_eq!((document.status, document.words.len()), (Status::Ended, 10));
    assert!(document.incomplete_tracks.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_h9_a_failure_that_stays_fails_the_run_by_name_and_the_same_run_can_go_on() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 5)).await;
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    bench.house.originals = Watched::new(Arc::clone(&bench.house.originals), move |asked, key| {
        let fails = asked == Asked::Open && key.contains("000000000002-cam") && broken.load(Ordering::SeqCst);
        async move { if fails { Err(passing_failure(&key)) } else { Ok(()) } }
    });
    let engine = bench.engine().await;
    let run = bench.start(&engine).await;
    let outcome = soon(engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.status, RunStatus::Failed);
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.task.as_deref(), Some("process_tracks[t001]/pad_track"));
    assert_eq!(failure.class, FailureClass::Retryable);
    let row = transcripts::read(bench.database(), &bench.transcript).await.unwrap().unwrap();
    assert_eq!((row.status.as_str(), row.failure.unwrap().task), ("error", failure.task.unwrap()));
    let before = records::task_records(bench.database()).await;
    assert_eq!(before["t001/pad_track"].tries.len(), 5);
    assert_eq!(outcomes(&before["mark_failed"]), ["completed"]);

    is_broken.store(false, Ordering::SeqCst);
    engine.resume(&run).await.unwrap();
    let outcome = soon(engine.wait(&run)).await.unwrap();
    engine.shutdown().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    let after = records::task_records(bench.database()).await;
    for task in ["get_recording", "get_participants", "t000/pad_track", "t000/transcribe_track"] {
        assert_eq!(before[task].tries, after[task].tries, "{task} ran again");
    }
    let document = bench.shown().await.document;
    assert_eq!((document.status, document.words.len()), (Status::Ended, 10));
    let row = transcripts::read(bench.database(), &bench.transcript).await.unwrap().unwrap();
    assert!(row.failure.is_none(), "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn u24_a_failure_after_the_end_does_not_take_the_end_back() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 5)).await;
    bench.consent("user-Ann", false).await;
    bench.house.storage = Watched::new(Arc::clone(&bench.house.storage), |asked, key| async move {
        if asked == Asked::List { Err(lasting_failure(&key)) } else { Ok(()) }
    });
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Failed);
    assert_eq!(outcome.failure.unwrap().task.as_deref(), Some("cleanup_consent"));
    let marked = records::task_records(bench.database()).await["mark_failed"].output.clone().unwrap();
    assert!(marked.contains("\"marked\":false"), "{marked}");
    let document = bench.shown().await.document;
    assert_eq!((document.status, document.words.len()), (Status::Ended, 10));
}

/// Lets callers through when as many as it waits for are there.
#[derive(Default)]
struct Meeting {
    there: Mutex<usize>,
    more: Condvar,
}

impl Meeting {
    fn of(&self, people: usize) -> bool {
        let mut there = self.there.lock().unwrap();
        *there += 1;
        self.more.notify_all();
        let (_there, timeout) =
            self.more.wait_timeout_while(there, Duration::from_secs(60), |there| *there < people).unwrap();
        !timeout.timed_out()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_children_overlap_in_time() {
    let meeting = Arc::new(Meeting::default());
    let met = Arc::clone(&meeting);
    let speech = MadeUp::hearing("two at once", move |_, pcm, _| {
        if met.of(2) { Ok(words("w", 5, pcm)) } else { Err(SpeechError::Recognition("nobody else came".to_owned())) }
    });
    let bench = Bench::made(&MadeMeeting::short(), speech).await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    let tasks = records::task_records(bench.database()).await;
    let span = |task: &str| {
        let [one] = &tasks[task].tries[..] else { panic!("{:?}", tasks[task]) };
        (one.started_at.unwrap(), one.finished_at.unwrap())
    };
    let (first, second) = (span("t000/transcribe_track"), span("t001/transcribe_track"));
    assert!(first.0.max(second.0) < first.1.min(second.1), "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h14_h24_the_same_input_gives_the_same_bytes_and_no_address_is_stored() {
    let mut made = Vec::new();
    for _ in 0..2 {
        let bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 30)).await;
        let (_, outcome) = bench.run().await;
        assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
        // Looks for addresses in each.
        made.push((records::outputs(bench.database()).await, records::made_rows(bench.database()).await));
    }
    assert_eq!(made[0].0.len(), 13 + 4);
    assert_eq!(made[0], made[1]);
}
