//! Somebody says no: before, while or after audio is made, it ends gone, and the text stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use trackscribe::engine::RunStatus;
use trackscribe::notify::Deletions;
use trackscribe::pipeline::RecordedObjects;
use trackscribe::storage::LocalFolder;
use trackscribe::store::outbox;
use trackscribe::transcript::Status;

use super::house::{Asked, Bench, MadeUp, Watched, deny_or_allow, lasting_failure, output, passing_failure};
use super::made_meeting::MadeMeeting;
use super::records;

/// A bench in which Ann takes her consent back the first time that storage is asked this.
async fn denied_when(asked: Asked, about: &'static str) -> (Bench, Arc<Mutex<Vec<String>>>) {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 20)).await;
    bench.consent("user-Ann", true).await;
    let (database, recorded) = (bench.database().clone(), bench.recorded.clone());
    let put: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&put);
    bench.house.storage = Watched::new(Arc::clone(&bench.house.storage), move |what, key| {
        let (database, recorded) = (database.clone(), recorded.clone());
        if what == Asked::Put {
            seen.lock().unwrap().push(key.clone());
        }
        async move {
            if what == asked && key.contains(about) {
                deny_or_allow(&database, &recorded, "user-Ann", false).await;
            }
            Ok(())
        }
    });
    (bench, put)
}

async fn assert_only_text_is_left(bench: &Bench) {
    assert_eq!(bench.objects().await, [] as [String; 0]);
    assert_eq!(bench.leftovers(), 0);
    let shown = bench.shown().await;
    assert!(shown.document.audio.is_none() && shown.waveform.is_none());
    assert_eq!((shown.document.status, shown.document.words.len()), (Status::Ended, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_consent_taken_back_while_mixing_keeps_the_mixdown_from_being_stored() {
    let (bench, put) = denied_when(Asked::Size, "/mix/").await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    assert_eq!(output(&outcome, "mixdown_tracks")["state"], "consent_denied");
    assert!(put.lock().unwrap().iter().all(|key| key.contains("/aligned/")), "{put:?}");
    assert_eq!(output(&outcome, "cleanup_consent")["derived"], json!(2));
    assert_only_text_is_left(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_consent_taken_back_after_mixing_deletes_what_is_there_when_nobody_needs_it() {
    let (bench, put) = denied_when(Asked::Open, "/mix/").await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    assert_eq!(output(&outcome, "mixdown_tracks")["state"], "mixed");
    assert_eq!(put.lock().unwrap().len(), 4);
    assert_eq!(output(&outcome, "cleanup_consent")["derived"], json!(4));
    assert_only_text_is_left(&bench).await;
    let tasks = records::task_records(bench.database()).await;
    let began = tasks["cleanup_consent"].tries[0].started_at.unwrap();
    for task in ["mixdown_tracks", "generate_waveform", "t000/transcribe_track", "t001/transcribe_track"] {
        assert!(tasks[task].tries[0].finished_at.unwrap() <= began, "{task}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_u3_consent_denied_from_the_start_deletes_originals_of_every_kind() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 20)).await;
    bench.consent("user-Bert", false).await;
    // A place where originals may be deleted, with more of the recording in it than speech.
    let bucket = LocalFolder::open(bench.folder.path().join("bucket")).unwrap();
    let folder = bench.folder.path().join("bucket/made/up");
    std::fs::create_dir_all(&folder).unwrap();
    for track in &bench.recorded.only_recording().tracks {
        let name = track.s3_key.rsplit('/').next().unwrap();
        std::fs::copy(bench.recorded.track_file(&track.s3_key).unwrap(), folder.join(name)).unwrap();
    }
    bench.house.originals = Arc::new(bucket);
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    assert_eq!(output(&outcome, "cleanup_consent")["originals"], json!(2));
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    assert_only_text_is_left(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_a_deletion_that_fails_blocks_nobody_and_is_made_later() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 20)).await;
    bench.consent("user-Ann", false).await;
    bench.house.storage = Watched::new(Arc::clone(&bench.house.storage), |asked, key| async move {
        if asked == Asked::Delete && key.contains("/aligned/") { Err(passing_failure(&key)) } else { Ok(()) }
    });
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    let cleaned = output(&outcome, "cleanup_consent");
    assert_eq!((&cleaned["waiting"], &cleaned["originals_left"]), (&json!(2), &json!(2)));
    assert_eq!(output(&outcome, "send_webhook")["state"], "not_configured");
    let waiting = outbox::waiting(bench.database(), &bench.transcript).await.unwrap();
    assert_eq!(waiting.len(), 2);
    assert!(waiting.iter().all(|row| row.payload.contains("/aligned/") && row.tries == 1), "{waiting:?}");
    assert!(bench.shown().await.document.audio.is_none());

    let originals = RecordedObjects::new(bench.recorded.clone());
    let deletions = Deletions { database: bench.database(), originals: &originals, derived: &bench.storage };
    assert_eq!(deletions.try_again(&bench.transcript).await.unwrap(), 0);
    assert_only_text_is_left(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_what_a_failed_mixdown_was_writing_is_removed() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 5)).await;
    let reached = Arc::new(AtomicBool::new(false));
    let mixed = Arc::clone(&reached);
    bench.house.storage = Watched::new(Arc::clone(&bench.house.storage), move |asked, key| {
        let fails = asked == Asked::Put && key.contains("/mix/");
        mixed.fetch_or(fails, Ordering::SeqCst);
        async move { if fails { Err(lasting_failure(&key)) } else { Ok(()) } }
    });
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.failure.unwrap().task.as_deref(), Some("mixdown_tracks"));
    assert!(reached.load(Ordering::SeqCst));
    assert_eq!(bench.leftovers(), 0);
}
