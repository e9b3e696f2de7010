//! A no that comes before, during or after the run.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use trackscribe::consent::{About, Outcome};
use trackscribe::engine::RunStatus;
use trackscribe::failure::FailureClass;
use trackscribe::ids::{TrackId, TranscriptId};
use trackscribe::results::object_prefix;
use trackscribe::storage::{LocalFolder, ObjectKey, ObjectReader, Storage, StorageError};
use trackscribe::store::recordings::{self, RecordingRow, TrackRow};
use trackscribe::store::{TranscriptWriter, consents, recording_standing, results, transcripts};
use trackscribe::trigger::{Origin, TriggerError, Wanted};

use crate::support::{START, Scene, hours, id, seconds, track_key};

on_both_databases!(
    a_denial_after_the_run_deletes_everything_at_once_and_for_good,
    a_denial_for_a_meeting_reaches_all_its_recordings,
    a_denial_while_a_run_is_at_work_is_honoured_at_its_end_at_the_latest,
    a_denial_before_anything_is_processed_is_kept,
    u3_what_storage_does_not_delete_at_once_is_deleted_later,
    u3_a_denial_while_storage_is_away_is_carried_out_when_it_is_back,
    of_a_denial_and_a_run_at_once_one_comes_first,
);

/// A recording with files of every kind and a run that has begun.
async fn processed(scene: &Scene, recording: &str, meeting: Option<&str>) -> TranscriptWriter {
    let run = scene.trigger().start(Wanted::new(id(recording), Origin::Webhook)).await.unwrap().run.unwrap();
    let writer = scene.begins(recording, &run).await;
    for kind in ["cam-audio", "cam-video", "screen-audio"] {
        scene.put(&scene.originals, &track_key(START, kind)).await;
    }
    scene.put(&scene.originals, &format!("team/standup/{START}000.event.json")).await;
    scene.put(&scene.originals, "team/standup/1767600000000.event.json").await;
    let prefix = object_prefix(writer.transcript());
    for name in ["aligned/a.opus", "mix/m.mp3", "mix/m.peaks", "left/over.tmp"] {
        scene.put(&scene.derived, &format!("{prefix}{name}")).await;
    }
    let row = RecordingRow { meeting_id: meeting.map(str::to_owned), ..noted(recording) };
    // A run that listed only the microphone.
    recordings::put(&writer, &row, &[microphone()], scene.now()).await.unwrap();
    results::put(&writer, "mixdown", &json!({"key": "mix/m.mp3"})).await.unwrap();
    writer
}

/// A recording of which no more is known than that there is one.
fn noted(recording: &str) -> RecordingRow {
    RecordingRow {
        id: id(recording),
        room_name: None,
        meeting_id: None,
        bucket_name: None,
        s3_key: None,
        started_at: None,
        duration: None,
    }
}

fn microphone() -> TrackRow {
    TrackRow {
        id: TrackId::at(0),
        source_key: track_key(START, "cam-audio"),
        kind: "cam-audio".to_owned(),
        participant: None,
        name_offset: None,
        note: None,
    }
}

/// The same, finished.
async fn finished(scene: &Scene, recording: &str, meeting: Option<&str>) -> TranscriptWriter {
    let writer = processed(scene, recording, meeting).await;
    writer.publish(scene.now()).await.unwrap();
    scene.engine.end(writer.run(), RunStatus::Completed, None);
    scene.clock.advance(seconds(60));
    scene.reconciler().once().await.unwrap();
    writer
}

fn no(subject: &str) -> Vec<(String, bool)> {
    vec![(subject.to_owned(), false)]
}

const OTHERS: [&str; 1] = ["team/standup/1767600000000.event.json"];

async fn a_denial_after_the_run_deletes_everything_at_once_and_for_good(scene: Scene) {
    let writer = finished(&scene, "r", None).await;
    let at = scene.now();
    let outcome = scene.consent().answer(&About::Recording(id("r")), &no("ann")).await.unwrap();
    let Outcome::Deleted(deleted) = &outcome[0].1 else { panic!("{outcome:?}") };
    assert_eq!((deleted.originals, deleted.derived, deleted.waiting.len()), (4, 4, 0));
    // U3: screens, cameras and the event JSON too; another recording's stay.
    assert_eq!(scene.keys(&scene.originals).await, OTHERS);
    assert!(scene.keys(&scene.derived).await.is_empty());
    let transcript = scene.transcript("r").await;
    assert_eq!((transcript.status.as_str(), transcript.audio_deleted_at), ("ended", Some(at)));
    let mixdown: Option<Value> = results::read(&scene.database, writer.run(), "mixdown").await.unwrap();
    assert_eq!(mixdown, None);
    let refused = scene.trigger().start(Wanted::new(id("r"), Origin::Api)).await.unwrap_err();
    assert!(matches!(refused, TriggerError::AudioDeleted { .. }), "{refused}");
    // Again changes nothing, nor does the outbox later.
    let again = scene.consent().answer(&About::Recording(id("r")), &no("bert")).await.unwrap();
    assert_eq!(again[0].1, Outcome::AlreadyDeleted);
    scene.clock.advance(hours(1));
    assert_eq!(scene.outbox().once().await.unwrap(), Default::default());
}

async fn a_denial_for_a_meeting_reaches_all_its_recordings(scene: Scene) {
    finished(&scene, "a", Some("m")).await;
    finished(&scene, "b", Some("m")).await;
    finished(&scene, "c", Some("other")).await;
    let outcome = scene.consent().answer(&About::Meeting("m".parse().unwrap()), &no("ann")).await.unwrap();
    assert_eq!(outcome.len(), 2, "{outcome:?}");
    assert!(scene.transcript("a").await.audio_deleted_at.is_some());
    assert!(scene.transcript("b").await.audio_deleted_at.is_some());
    assert_eq!(scene.transcript("c").await.audio_deleted_at, None);
    // One that is made later is denied too.
    processed(&scene, "d", Some("m")).await;
    assert_eq!(consents::denied(&scene.database, &id("d")).await.unwrap(), ["ann"]);
    assert!(consents::denied(&scene.database, &id("c")).await.unwrap().is_empty());
}

async fn a_denial_while_a_run_is_at_work_is_honoured_at_its_end_at_the_latest(scene: Scene) {
    // After its cleanup_consent has looked.
    let writer = processed(&scene, "r", None).await;
    writer.publish(scene.now()).await.unwrap();
    let outcome = scene.consent().answer(&About::Recording(id("r")), &no("ann")).await.unwrap();
    assert_eq!(outcome[0].1, Outcome::RunAtWork);
    assert_eq!(scene.keys(&scene.originals).await.len(), 5);
    scene.engine.end(writer.run(), RunStatus::Completed, None);
    scene.clock.advance(seconds(15));
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.keys(&scene.originals).await, OTHERS);

    // The same of a run that nobody asked for here, and that is over.
    let transcript = TranscriptId::generate();
    transcripts::create(&scene.database, &transcript, &id("x"), scene.now()).await.unwrap();
    let writer = scene.begins("x", &"of another program".parse().unwrap()).await;
    recordings::put(&writer, &noted("x"), &[microphone()], scene.now()).await.unwrap();
    scene.put(&scene.derived, &format!("{}mix/m.mp3", object_prefix(&transcript))).await;
    let outcome = scene.consent().answer(&About::Recording(id("x")), &no("ann")).await.unwrap();
    assert_eq!(outcome[0].1, Outcome::RunAtWork);
    writer.publish(scene.now()).await.unwrap();
    assert_eq!(scene.reconciler().once().await.unwrap().denied, 1);
    assert!(scene.keys(&scene.derived).await.is_empty());
}

async fn a_denial_before_anything_is_processed_is_kept(scene: Scene) {
    scene.put(&scene.originals, &track_key(START, "cam-audio")).await;
    let outcome = scene.consent().answer(&About::Recording(id("r")), &no("ann")).await.unwrap();
    assert_eq!(outcome[0].1, Outcome::NotProcessed);
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.keys(&scene.originals).await.len(), 1);
    // The run dies: its text is not lost for a week, in which somebody may mend it.
    let run = scene.trigger().start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap().run.unwrap();
    scene.dies("r", &run, FailureClass::Permanent).await;
    scene.clock.advance(hours(24));
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.transcript("r").await.audio_deleted_at, None);
    scene.clock.advance(hours(7 * 24));
    // Nobody knows where its audio is, and nothing is called deleted that is not.
    assert_eq!(scene.reconciler().once().await.unwrap().denied, 0);
    let outcome = scene.consent().answer(&About::Recording(id("r")), &no("ann")).await.unwrap();
    assert_eq!(outcome[0].1, Outcome::NotProcessed);
    assert_eq!((scene.transcript("r").await.audio_deleted_at, scene.keys(&scene.originals).await.len()), (None, 1));
    // Daily told the recording's key, though no run ever listed its tracks.
    let mut row = noted("r");
    row.s3_key = Some(format!("team/standup/{START}000"));
    recording_standing::note(&scene.database, &row, recording_standing::FINISHED, scene.now()).await.unwrap();
    assert_eq!(scene.reconciler().once().await.unwrap().denied, 1);
    assert!(scene.transcript("r").await.audio_deleted_at.is_some());
    assert!(scene.keys(&scene.originals).await.is_empty());
}

/// A place that does not delete some, and lists nothing at all while it is away.
struct Stubborn {
    inner: LocalFolder,
    keeps: &'static str,
    away: bool,
}

#[async_trait]
impl Storage for Stubborn {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        self.inner.open(key).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        self.inner.size(key).await
    }

    async fn put_file(&self, key: &ObjectKey, from: &Path) -> Result<(), StorageError> {
        self.inner.put_file(key, from).await
    }

    async fn put_bytes(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), StorageError> {
        self.inner.put_bytes(key, bytes).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        if self.away { Err(refused(prefix)) } else { self.inner.list(prefix).await }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        if key.as_str().contains(self.keeps) { Err(refused(key.as_str())) } else { self.inner.delete(key).await }
    }
}

fn refused(key: &str) -> StorageError {
    StorageError::Io { key: key.to_owned(), source: std::io::ErrorKind::ConnectionRefused.into() }
}

async fn u3_what_storage_does_not_delete_at_once_is_deleted_later(scene: Scene) {
    finished(&scene, "r", None).await;
    let stubborn = Stubborn { inner: scene.derived.clone(), keeps: "/mix/", away: false };
    let consent = scene.consent_over(Arc::new(stubborn));
    let outcome = consent.answer(&About::Recording(id("r")), &no("ann")).await.unwrap();
    let Outcome::Deleted(deleted) = &outcome[0].1 else { panic!("{outcome:?}") };
    assert_eq!((deleted.derived, deleted.waiting.len()), (2, 2));
    assert_eq!(scene.keys(&scene.derived).await.len(), 2);
    assert_eq!(scene.outbox().once().await.unwrap().done, 0, "not before its time");
    scene.clock.advance(seconds(60));
    assert_eq!(scene.outbox().once().await.unwrap().done, 2);
    assert!(scene.keys(&scene.derived).await.is_empty());
}

async fn u3_a_denial_while_storage_is_away_is_carried_out_when_it_is_back(scene: Scene) {
    finished(&scene, "r", None).await;
    let stubborn = Stubborn { inner: scene.derived.clone(), keeps: "none of it", away: true };
    let consent = scene.consent_over(Arc::new(stubborn));
    let outcome = consent.answer(&About::Recording(id("r")), &no("ann")).await.unwrap();
    assert_eq!(outcome[0].1, Outcome::Later);
    // From that moment on nobody may process it.
    let refused = scene.trigger().start(Wanted::new(id("r"), Origin::Api)).await.unwrap_err();
    assert!(matches!(refused, TriggerError::AudioDeleted { .. }), "{refused}");
    assert_eq!(scene.keys(&scene.derived).await.len(), 4);
    scene.clock.advance(seconds(60));
    assert_eq!(scene.outbox().once().await.unwrap().done, 1);
    assert!(scene.keys(&scene.derived).await.is_empty());
    assert_eq!(scene.keys(&scene.originals).await, OTHERS);
}

async fn of_a_denial_and_a_run_at_once_one_comes_first(scene: Scene) {
    for turn in 0..10 {
        let recording = format!("r{turn}");
        finished(&scene, &recording, None).await;
        let (consent, trigger) = (scene.consent(), scene.trigger());
        let (about, wanted) = (About::Recording(id(&recording)), Wanted::new(id(&recording), Origin::Api));
        let (denied, started) = tokio::join!(
            tokio::spawn(async move { consent.answer(&about, &no("ann")).await.unwrap().remove(0).1 }),
            tokio::spawn(async move { trigger.start(wanted).await }),
        );
        match (denied.unwrap(), started.unwrap()) {
            (Outcome::RunAtWork, Ok(_)) | (Outcome::Deleted(_), Err(TriggerError::AudioDeleted { .. })) => {}
            (denied, started) => panic!("{denied:?} and {started:?}"),
        }
    }
}
