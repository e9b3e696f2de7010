//! Who may write to a transcript.

use trackscribe::clock::Timestamp;
use trackscribe::failure::FailureClass;
use trackscribe::ids::{RunId, TranscriptId};
use trackscribe::store::transcripts::{create, read};
use trackscribe::store::{Database, StoreError, TranscriptWriter};

use crate::support::Place;

async fn opened(place: &Place) -> (Database, TranscriptId) {
    let database = place.database().await;
    let id = TranscriptId::generate();
    create(&database, &id, &"rec".parse().unwrap(), Timestamp::from_micros(1)).await.unwrap();
    (database, id)
}

async fn an_older_run_writes_nothing_once_a_newer_one_has_begun(place: Place) {
    let (database, id) = opened(&place).await;
    let now = Timestamp::from_micros(2);
    let old = TranscriptWriter::new(database.clone(), id.clone(), RunId::generate());
    let new = TranscriptWriter::new(database.clone(), id.clone(), RunId::generate());
    old.claim(now).await.unwrap();
    old.begin().await.unwrap().rollback().await.unwrap();
    new.claim(now).await.unwrap();
    assert!(matches!(old.begin().await, Err(StoreError::Superseded { .. })));
    assert!(matches!(old.claim(now).await, Err(StoreError::Superseded { .. })), "a retry does not take over");
    new.claim(now).await.unwrap();
    new.publish(now).await.unwrap();
    let row = read(&database, &id).await.unwrap().unwrap();
    assert_eq!((row.published_run, row.status.as_str()), (Some(new.run().clone()), "ended"));
}

async fn an_older_run_that_is_asked_for_again_writes_again(place: Place) {
    let (database, id) = opened(&place).await;
    let now = Timestamp::from_micros(2);
    let old = TranscriptWriter::new(database.clone(), id.clone(), RunId::generate());
    let new = TranscriptWriter::new(database.clone(), id.clone(), RunId::generate());
    old.claim(now).await.unwrap();
    new.claim(now).await.unwrap();
    old.take_over(now).await.unwrap();
    old.begin().await.unwrap().rollback().await.unwrap();
    old.claim(now).await.unwrap();
    assert!(matches!(new.begin().await, Err(StoreError::Superseded { .. })));
}

async fn a_status_changes_only_from_what_it_was_taken_for(place: Place) {
    let (database, id) = opened(&place).await;
    let now = Timestamp::from_micros(2);
    let writer = TranscriptWriter::new(database.clone(), id.clone(), RunId::generate());
    writer.claim(now).await.unwrap();
    assert!(writer.change_status("idle", "processing", None, now).await.unwrap());
    assert!(!writer.change_status("idle", "error", None, now).await.unwrap());
    let failure = Some(("pad_track", FailureClass::Permanent, "unreadable"));
    assert!(writer.change_status("processing", "error", failure, now).await.unwrap());
    let row = read(&database, &id).await.unwrap().unwrap();
    assert_eq!(row.failure.unwrap().task, "pad_track");
}

on_both_databases! {
    an_older_run_writes_nothing_once_a_newer_one_has_begun,
    an_older_run_that_is_asked_for_again_writes_again,
    a_status_changes_only_from_what_it_was_taken_for,
}
