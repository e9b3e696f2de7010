//! A cancelled run is over at once, and its work stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trackscribe::engine::embedded::Happening;
use trackscribe::engine::{Engine, RunStatus};
use trackscribe::speech::SpeechError;
use trackscribe::transcript::Status;

use super::house::{Bench, MadeUp, eventually, soon, words};
use super::made_meeting::MadeMeeting;
use super::records;

/// A second is what is promised; machines that do other things are given more.
const STOPPED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn e10_a_run_cancelled_while_it_listens_is_over_and_what_it_still_hears_is_dropped() {
    let (is_listening, has_stopped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (listening, stopped) = (Arc::clone(&is_listening), Arc::clone(&has_stopped));
    let speech = MadeUp::hearing("listens until told to stop", move |call, pcm, cancel| {
        listening.store(true, Ordering::SeqCst);
        while !cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(2));
        }
        stopped.store(true, Ordering::SeqCst);
        // One obeys, the other has something to say all the same.
        if call == 0 { Err(SpeechError::Cancelled) } else { Ok(words("late", 5, pcm)) }
    });
    let bench = Bench::made(&MadeMeeting::short(), speech).await;
    let engine = bench.engine().await;
    let run = bench.start(&engine).await;
    eventually(|| is_listening.load(Ordering::SeqCst)).await;

    let asked = Instant::now();
    engine.cancel(&run).await.unwrap();
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Cancelled);
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);
    eventually(|| has_stopped.load(Ordering::SeqCst)).await;
    assert!(asked.elapsed() < STOPPED, "{:?}", asked.elapsed());
    engine.shutdown().await;

    let tasks = records::task_records(bench.database()).await;
    for (name, task) in &tasks {
        assert!(["completed", "cancelled"].contains(&task.status.as_str()), "{name}: {task:?}");
        assert!(task.status == "completed" || task.output.is_none(), "{name}: {task:?}");
    }
    assert_eq!(tasks["process_tracks"].status, "cancelled");
    assert!(bench.shown().await.document.words.is_empty());
    assert_eq!(bench.leftovers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn e10_h12_u4_a_mixdown_keeps_nobody_waiting_and_stops_without_a_trace_when_cancelled() {
    // Ten hours are not mixed by the time that somebody cancels.
    let meeting = MadeMeeting { duration: Some(36_000.0), ..MadeMeeting::short() };
    let bench = Bench::made(&meeting, MadeUp::words("w", 5)).await;
    let engine = bench.engine().await;
    let mut events = engine.subscribe();
    let run = bench.start(&engine).await;
    soon(async {
        loop {
            match events.recv().await.unwrap().what {
                Happening::Progress { task, fraction, .. } if task == "mixdown_tracks" && fraction > 0.0 => break,
                _ => {}
            }
        }
    })
    .await;
    // Mixing holds all cores; what needs none goes on.
    soon(async {
        while records::task_records(bench.database()).await["identify_action_items"].status != "completed" {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert_eq!(records::task_records(bench.database()).await["mixdown_tracks"].status, "running");
    assert_eq!(bench.leftovers(), 1, "the MP3 that is being written");

    let asked = Instant::now();
    engine.cancel(&run).await.unwrap();
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Cancelled);
    // The thread that mixes holds the file.
    eventually(|| bench.leftovers() == 0).await;
    assert!(asked.elapsed() < STOPPED, "{:?}", asked.elapsed());
    assert_eq!(soon(engine.wait(&run)).await.unwrap().status, RunStatus::Cancelled);

    // The same run goes on where it was stopped, and can be stopped again.
    let heard = records::task_records(bench.database()).await["t000/transcribe_track"].tries.clone();
    engine.resume(&run).await.unwrap();
    eventually(|| bench.leftovers() == 1).await;
    assert_eq!(records::task_records(bench.database()).await["t000/transcribe_track"].tries, heard);
    assert_eq!(bench.shown().await.document.status, Status::Processing);
    engine.cancel(&run).await.unwrap();
    eventually(|| bench.leftovers() == 0).await;
    engine.shutdown().await;
}
