//! Tasks that run twice, retries and second runs: nothing is there twice, nothing is heard twice, and readers never see
//! less than they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trackscribe::engine::{Engine, RunStatus};
use trackscribe::speech::SpeechError;
use trackscribe::transcript::Status;

use super::house::{Bench, MadeUp, eventually, soon, words};
use super::made_meeting::{MadeMeeting, MadeTrack};
use super::records;

#[tokio::test(flavor = "multi_thread")]
async fn u17_u18_every_task_may_run_twice() {
    let bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 30)).await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    let database = bench.database();
    let before = (
        records::outputs(database).await,
        records::made_rows(database).await,
        records::files(database, &bench.folder.path().join("objects")).await,
    );
    // As if every task's end had been lost on the way to the store.
    for sql in [
        "UPDATE task_runs SET status = 'pending', output = NULL, finished_at = NULL WHERE on_failure = 0",
        "UPDATE runs SET status = 'running', finished_at = NULL",
    ] {
        sqlx::query(sql).execute(database.pool()).await.unwrap();
    }
    let engine = bench.engine().await;
    let sql = "SELECT id FROM runs WHERE parent_run IS NULL";
    let run: String = sqlx::query_scalar(sql).fetch_one(database.pool()).await.unwrap();
    let outcome = soon(engine.wait(&run.parse().unwrap())).await.unwrap();
    engine.shutdown().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    for (name, task) in records::task_records(database).await {
        assert_eq!(task.tries.len(), if name == "mark_failed" { 0 } else { 2 }, "{name}");
    }
    let after = (
        records::outputs(database).await,
        records::made_rows(database).await,
        records::files(database, &bench.folder.path().join("objects")).await,
    );
    assert_eq!(before.0, after.0);
    assert_eq!(before.1, after.1);
    assert_eq!(before.2, after.2);
    assert_eq!(bench.shown().await.document.status, Status::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_window_is_heard_again_and_no_other() {
    let speech = MadeUp::hearing("fails once", |call, pcm, _| match call {
        3 => Err(SpeechError::Recognition("no memory".to_owned())),
        _ => Ok(words("w", 10, pcm)),
    });
    let track = MadeTrack::speaking(1, "Ann", 400, 300);
    let bench = Bench::made(&MadeMeeting { duration: None, tracks: vec![track] }, speech.clone()).await;
    let (_, outcome) = bench.run().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    let windows = bench.shown().await.document.words.len() / 10;
    assert!(windows > 4, "{windows} windows");
    let listened = speech.listened.lock().unwrap().clone();
    assert_eq!(listened.len(), windows + 1);
    assert_eq!(listened[3], listened[4], "the failed one");
}

#[tokio::test(flavor = "multi_thread")]
async fn u21_readers_keep_what_they_saw_until_a_new_run_has_it_all() {
    let mut bench = Bench::made(&MadeMeeting::short(), MadeUp::words("old", 12)).await;
    let (first, _) = bench.run().await;
    let before = bench.shown().await;
    assert!(before.document.words.iter().all(|word| word.text.starts_with("old")));

    // Another recogniser, which begins to hear and then waits.
    let (is_listening, may_go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (listening, go_on) = (Arc::clone(&is_listening), Arc::clone(&may_go_on));
    bench.house.speech = MadeUp::hearing("another", move |call, pcm, cancel| {
        while call > 0 && !go_on.load(Ordering::SeqCst) {
            listening.store(true, Ordering::SeqCst);
            if cancel.is_cancelled() {
                return Err(SpeechError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(words("new", 12, pcm))
    });
    let engine = bench.engine().await;
    let second = bench.start(&engine).await;
    assert_ne!(first, second);
    eventually(|| is_listening.load(Ordering::SeqCst)).await;
    let during = bench.shown().await;
    assert_eq!(during.document.status, Status::Processing);
    assert_eq!(during.document.words, before.document.words);
    assert_eq!(during.document.topics, before.document.topics);
    assert_eq!(during.document.title, before.document.title);
    assert_eq!(during.document.audio, before.document.audio);
    assert!(during.waveform.is_some());

    may_go_on.store(true, Ordering::SeqCst);
    assert_eq!(soon(engine.wait(&second)).await.unwrap().status, RunStatus::Completed);
    engine.shutdown().await;
    let after = bench.shown().await.document;
    assert_eq!((after.status, after.words.len()), (Status::Ended, before.document.words.len()));
    assert!(after.words.iter().all(|word| word.text.starts_with("new")));
    assert_eq!(after.audio, before.document.audio, "the same tracks make the same mixdown, which is made once");
    assert_eq!(bench.objects().await.len(), 4, "two aligned tracks, a mixdown and its peaks");
}

#[tokio::test(flavor = "multi_thread")]
async fn u10_two_runs_of_one_transcript_take_turns() {
    let bench = Bench::made(&MadeMeeting::short(), MadeUp::words("w", 5)).await;
    let engine = bench.engine().await;
    let (first, second) = (bench.start(&engine).await, bench.start(&engine).await);
    for run in [&first, &second] {
        assert_eq!(soon(engine.wait(run)).await.unwrap().status, RunStatus::Completed);
    }
    engine.shutdown().await;
    let sql = "SELECT started_at, finished_at FROM runs WHERE parent_run IS NULL ORDER BY started_at";
    let spans: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(bench.database().pool()).await.unwrap();
    let [one, other] = spans[..] else { panic!("{spans:?}") };
    assert!(one.1 <= other.0, "{one:?} {other:?}");
}
