//! Runs that end without saying so, and runs that die of something that may pass.

use trackscribe::clock::Clock as _;
use trackscribe::engine::RunStatus;
use trackscribe::failure::FailureClass;
use trackscribe::ids::{RunId, TranscriptId};
use trackscribe::store::run_requests::RequestState;
use trackscribe::store::{Database, DatabaseKind, transcripts};
use trackscribe::trigger::{Origin, TriggerError, Wanted};

use crate::catching_up::{backfill, backfilled, planned};
use crate::postgres::Postgres;
use crate::support::{START, Scene, hours, id, recording, seconds};

on_both_databases!(
    runs_that_end_without_saying_so_mark_their_transcript,
    h1_a_run_that_the_engine_forgot_is_started_anew,
    a_run_that_died_of_something_that_may_pass_is_started_again_for_a_day,
    a_run_that_died_of_what_stays_is_not_started_again,
    h1_what_fails_after_publishing_does_not_unfinish_a_transcript,
    a_run_that_nobody_asked_for_here_is_marked_when_it_is_dead,
    whoever_waits_sees_a_run_through_its_deaths,
    a_row_that_can_not_be_looked_after_keeps_no_other_waiting,
);

async fn start(scene: &Scene, recording: &str) -> RunId {
    scene.trigger().start(Wanted::new(id(recording), Origin::Webhook)).await.unwrap().run.unwrap()
}

async fn look(scene: &Scene) {
    scene.clock.advance(seconds(15));
    scene.reconciler().once().await.unwrap();
}

async fn runs_that_end_without_saying_so_mark_their_transcript(scene: Scene) {
    let at_work = start(&scene, "cancelled at work").await;
    scene.begins("cancelled at work", &at_work).await;
    let waiting = start(&scene, "cancelled before").await;
    let silent = start(&scene, "silent").await;
    for run in [&at_work, &waiting] {
        scene.engine.end(run, RunStatus::Cancelled, None);
    }
    scene.engine.end(&silent, RunStatus::Completed, None);
    look(&scene).await;
    for (recording, says) in
        [("cancelled at work", "cancelled"), ("cancelled before", "cancelled"), ("silent", "published no transcript")]
    {
        let transcript = scene.transcript(recording).await;
        assert_eq!(transcript.status, "error", "{recording}");
        assert!(transcript.failure.unwrap().message.contains(says));
        assert_eq!(scene.requests(recording).await[0].state, RequestState::Ended);
    }
    assert_eq!(scene.engine.runs().len(), 3);
}

async fn h1_a_run_that_the_engine_forgot_is_started_anew(scene: Scene) {
    let run = start(&scene, "r").await;
    scene.begins("r", &run).await;
    scene.engine.forget(&run);
    look(&scene).await;
    assert_eq!(scene.transcript("r").await.status, "error");
    scene.clock.advance(seconds(60));
    look(&scene).await;
    let again = scene.engine.runs().pop().unwrap();
    assert_eq!(scene.requests("r").await[0].run, Some(again.clone()));
    scene.completes("r", &again).await;
    // Finished, and forgotten before anybody looked.
    scene.engine.forget(&again);
    look(&scene).await;
    let request = scene.requests("r").await.remove(0);
    assert_eq!((request.state, request.last_error), (RequestState::Ended, None));
    assert_eq!(scene.transcript("r").await.status, "ended");
    assert!(scene.engine.runs().is_empty());
}

async fn a_run_that_died_of_something_that_may_pass_is_started_again_for_a_day(scene: Scene) {
    let mut run = start(&scene, "r").await;
    let began = scene.now();
    let mut waits = Vec::new();
    loop {
        scene.dies("r", &run, FailureClass::Retryable).await;
        look(&scene).await;
        let request = scene.requests("r").await.remove(0);
        if request.state == RequestState::Ended {
            break;
        }
        assert_eq!(scene.transcript("r").await.status, "error");
        let wait = request.next_try_at.since(scene.now());
        waits.push(wait.as_secs());
        let runs = scene.engine.runs().len();
        scene.clock.advance(wait - seconds(1));
        scene.reconciler().once().await.unwrap();
        assert_eq!(scene.engine.runs().len(), runs, "not before its time");
        scene.clock.advance(seconds(1));
        scene.reconciler().once().await.unwrap();
        assert_eq!(scene.engine.runs().len(), runs + 1);
        let (_, _, options) = scene.engine.last();
        assert_eq!(options.replay_of, Some(run));
        run = scene.engine.runs().pop().unwrap();
    }
    assert_eq!(waits[..8], [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    let lasted = scene.now().since(began);
    assert!(lasted >= hours(24) && lasted < hours(25), "{lasted:?}");
    assert_eq!(scene.requests("r").await[0].last_error.as_deref(), Some("no answer"));
}

async fn a_run_that_died_of_what_stays_is_not_started_again(scene: Scene) {
    let run = start(&scene, "r").await;
    scene.dies("r", &run, FailureClass::Permanent).await;
    look(&scene).await;
    assert_eq!(scene.requests("r").await[0].state, RequestState::Ended);
    scene.clock.advance(hours(48));
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.transcript("r").await.failure.unwrap().task, "pad_track", "what the run said stays");
}

async fn h1_what_fails_after_publishing_does_not_unfinish_a_transcript(scene: Scene) {
    let run = start(&scene, "r").await;
    scene.begins("r", &run).await.publish(scene.now()).await.unwrap();
    let failure = trackscribe::engine::RunFailure {
        task: Some("send_webhook".to_owned()),
        class: FailureClass::Retryable,
        message: "no answer".to_owned(),
    };
    scene.engine.end(&run, RunStatus::Failed, Some(failure));
    look(&scene).await;
    scene.clock.advance(hours(2));
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.transcript("r").await.status, "ended");
}

async fn a_run_that_nobody_asked_for_here_is_marked_when_it_is_dead(scene: Scene) {
    let transcript = TranscriptId::generate();
    transcripts::create(&scene.database, &transcript, &id("r"), scene.now()).await.unwrap();
    scene.begins("r", &"of another program".parse().unwrap()).await;
    scene.engine.set_down(true);
    assert_eq!(scene.reconciler().once().await.unwrap().marked, 0, "an engine that is away says nothing");
    assert_eq!(scene.transcript("r").await.status, "processing");
    scene.engine.set_down(false);
    assert_eq!(scene.reconciler().once().await.unwrap().marked, 1);
    assert_eq!(scene.transcript("r").await.status, "error");
    assert!(scene.engine.runs().is_empty());
}

async fn whoever_waits_sees_a_run_through_its_deaths(scene: Scene) {
    let trigger = scene.trigger();
    let triggered = trigger.start(Wanted::new(id("r"), Origin::Command)).await.unwrap();
    let following = tokio::spawn({
        let trigger = trigger.clone();
        async move { trigger.follow(&triggered.request).await }
    });
    scene.dies("r", &triggered.run.unwrap(), FailureClass::Retryable).await;
    // Asked again by hand, it need not wait for its time.
    while scene.requests("r").await[0].state != RequestState::Requested {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let notice = trigger.start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap_err();
    assert!(matches!(notice, TriggerError::Active { run: None, why: Some(_), .. }), "{notice}");
    let again = trigger.start(Wanted::new(id("r"), Origin::Api)).await.unwrap().run.unwrap();
    scene.completes("r", &again).await;
    scene.clock.advance(scene.requests("r").await[0].next_try_at.since(scene.clock.now()) + seconds(60));
    let followed = following.await.unwrap().unwrap();
    assert_eq!((followed.run, followed.error, followed.deaths), (Some(again), None, 1));
}

async fn a_row_that_can_not_be_looked_after_keeps_no_other_waiting(scene: Scene) {
    let odd = start(&scene, "odd").await;
    let good = start(&scene, "good").await;
    for (recording, run) in [("odd", &odd), ("good", &good)] {
        scene.begins(recording, run).await;
        scene.engine.end(run, RunStatus::Cancelled, None);
    }
    let (breaks, mends) = match scene.database.kind() {
        DatabaseKind::Sqlite => (
            "CREATE TRIGGER broken BEFORE UPDATE ON transcripts WHEN OLD.recording_id = 'odd'
             BEGIN SELECT RAISE(FAIL, 'the disk is on fire'); END",
            "DROP TRIGGER broken",
        ),
        DatabaseKind::Postgres => (
            "CREATE FUNCTION broken() RETURNS TRIGGER LANGUAGE plpgsql
                 AS 'BEGIN RAISE EXCEPTION ''the disk is on fire''; END';
             CREATE TRIGGER broken BEFORE UPDATE ON transcripts FOR EACH ROW WHEN (OLD.recording_id = 'odd')
                 EXECUTE FUNCTION broken()",
            "DROP TRIGGER broken ON transcripts",
        ),
    };
    sqlx::raw_sql(breaks).execute(scene.database.pool()).await.unwrap();
    look(&scene).await;
    assert_eq!(scene.requests("good").await[0].state, RequestState::Ended);
    let request = scene.requests("odd").await.remove(0);
    assert!(request.state == RequestState::Started && request.last_error.is_some(), "{request:?}");
    sqlx::raw_sql(mends).execute(scene.database.pool()).await.unwrap();
    scene.clock.advance(hours(1));
    look(&scene).await;
    assert_eq!(scene.requests("odd").await[0].state, RequestState::Ended);
    assert_eq!(scene.transcript("odd").await.status, "error");
}

/// On a server of its own, because it is stopped; by its socket, which is gone at once then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_and_a_backfill_wait_for_a_database_that_is_away() {
    let server = tokio::task::spawn_blocking(Postgres::start_new).await.unwrap();
    let name = server.empty().await;
    let database = Database::open(&server.socket_url(&name)).await.unwrap();
    database.migrate().await.unwrap();
    let scene = Scene::on(database, tempfile::tempdir().unwrap());
    scene.daily.add(recording("old", "standup", START - 9000, 10));
    let backfill = backfill(&scene);
    let planned = planned(&scene, &backfill).await;
    let trigger = scene.trigger();
    let triggered = trigger.start(Wanted::new(id("r"), Origin::Command)).await.unwrap();
    let request = triggered.request.clone();
    scene.begins("r", triggered.run.as_ref().unwrap()).await;

    let server = tokio::task::spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .unwrap();
    let following = tokio::spawn(async move { trigger.follow(&request).await });
    let backfilling = tokio::spawn(async move { backfilled(&backfill, &planned).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    scene.engine.end(triggered.run.as_ref().unwrap(), RunStatus::Cancelled, None);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!following.is_finished() && !backfilling.is_finished());
    let _server = tokio::task::spawn_blocking(move || {
        server.start();
        server
    })
    .await
    .unwrap();
    let followed = following.await.unwrap().unwrap();
    assert_eq!(followed.error.as_deref(), Some("the run was cancelled"));
    while scene.engine.runs().len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let run = scene.engine.runs().pop().unwrap();
    scene.engine.end(&run, RunStatus::Cancelled, None);
    let ends = backfilling.await.unwrap();
    assert!(ends[0].1.starts_with("over: Ok") && ends[0].1.contains("cancelled"), "{ends:?}");
}
