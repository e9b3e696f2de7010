//! Values that databases treat differently: absent ones, zero characters, large numbers, fractions.

use trackscribe::failure::FailureClass;
use trackscribe::ids::{RunId, TranscriptId};
use trackscribe::store::results::{self, SegmentRow};
use trackscribe::store::runs::{AttemptEnd, AttemptOutcome, LogLine, RunFilter, RunStore, StoredFailure, TaskEnd};
use trackscribe::store::{TranscriptWriter, outbox, speech_windows, transcripts};

use crate::support::{Place, new_attempt, new_run, only_task, second};

async fn zero_characters_from_outside_stop_nothing(place: Place) {
    let database = place.database().await;
    let store = RunStore::new(database.clone());
    let run = new_run();
    store.create(&run).await.unwrap();
    let task = only_task(&store, &run.id).await;
    let attempt = new_attempt(&task);
    assert_eq!(store.begin_attempt(&attempt).await.unwrap(), Some(1));
    let said = "a\0b".to_owned();
    let line = LogLine { number: 0, logged_at: second(1), level: "info".to_owned(), line: said.clone() };
    store.append_log(&attempt.id, &[line]).await.unwrap();
    assert_eq!(store.log(&attempt.id).await.unwrap()[0].line, "a\u{fffd}b");
    let failure = StoredFailure { task: None, class: FailureClass::Permanent, message: said.clone() };
    let end = AttemptEnd {
        attempt: attempt.id,
        task_run: task,
        outcome: AttemptOutcome::Failed,
        failure: Some(failure),
        task: TaskEnd::Failed,
        finished_at: second(3),
    };
    assert!(store.end_attempt(&end).await.unwrap());
    assert!(!store.end_attempt(&end).await.unwrap(), "once");
    let id = TranscriptId::generate();
    transcripts::create(&database, &id, &"rec".parse().unwrap(), second(1)).await.unwrap();
    let writer = TranscriptWriter::new(database.clone(), id.clone(), run.id.clone());
    writer.claim(second(2)).await.unwrap();
    let told = Some(("pad_track", FailureClass::Permanent, said.as_str()));
    assert!(writer.change_status("idle", "error", told, second(3)).await.unwrap());
    let words = serde_json::to_string(&[said.as_str()]).unwrap();
    let segment = SegmentRow { speaker: 0, start: 0.1, end: 1.0 / 3.0, text: said.clone(), words };
    results::put_segments(&writer, &[segment.clone(), segment]).await.unwrap();
    let read = results::segments(&database, &run.id).await.unwrap();
    assert_eq!((read.len(), read[0].start, read[0].end), (2, 0.1, 1.0 / 3.0));
    assert_eq!(serde_json::from_str::<Vec<String>>(&read[0].words).unwrap(), std::slice::from_ref(&said));
    results::put(&writer, "title", &said).await.unwrap();
    results::put(&writer, "title", &said).await.unwrap();
    assert_eq!(results::read::<String>(&database, &run.id, "title").await.unwrap(), Some(said.clone()));
    let row = outbox::OutboxRow {
        id: "effect".to_owned(),
        transcript: id.clone(),
        kind: "delete_object".to_owned(),
        payload: "{}".to_owned(),
        tries: 1,
        last_error: Some(said),
    };
    outbox::put(&database, &row, second(9), second(1)).await.unwrap();
    outbox::put(&database, &row, second(9), second(1)).await.unwrap();
    assert_eq!(outbox::waiting(&database, &id).await.unwrap().len(), 1);
}

async fn what_is_absent_stays_absent_and_large_numbers_stay_large(place: Place) {
    let database = place.database().await;
    let store = RunStore::new(database.clone());
    let run = new_run();
    store.create(&run).await.unwrap();
    let record = store.run(&run.id).await.unwrap().unwrap();
    assert_eq!((record.parent_run, record.dedupe_key, record.failure), (None, None, None));
    assert_eq!((record.started_at, record.priority, record.resumed), (None, 2, 0));
    assert_eq!(store.metadata(&run.id).await.unwrap()["room"], "7");
    assert_eq!(store.list(&RunFilter::default(), u32::MAX).await.unwrap().len(), 1);
    speech_windows::keep(&database, "work", 5_000_000_000, "{}", second(8_000_000_000)).await.unwrap();
    speech_windows::keep(&database, "work", 5_000_000_000, "{}", second(8_000_000_000)).await.unwrap();
    assert_eq!(speech_windows::all(&database, "work").await.unwrap(), [(5_000_000_000, "{}".to_owned())]);
    assert_eq!(speech_windows::read(&database, "work", 1).await.unwrap(), None);
    assert_eq!(store.run(&RunId::generate()).await.unwrap(), None);
}

on_both_databases! {
    zero_characters_from_outside_stop_nothing,
    what_is_absent_stays_absent_and_large_numbers_stay_large,
}
