//! The one function that starts runs: once, and not where none may be.

use trackscribe::engine::{Priority, RunStatus};
use trackscribe::failure::{Failure as _, FailureClass};
use trackscribe::notify::NotifyMode;
use trackscribe::store::recording_standing;
use trackscribe::store::run_requests::RequestState;
use trackscribe::trigger::{Origin, TriggerError, Wanted};

use crate::support::{Scene, hours, id, seconds, words};

on_both_databases!(
    a_run_is_started_with_what_it_needs_and_asked_for_at_once_it_is_one,
    u10_u11_an_engine_that_is_down_loses_nothing,
    u10_a_run_whose_start_nobody_heard_of_is_not_started_again,
    a_second_run_is_refused_while_one_is_active_and_allowed_after,
    what_an_engine_refuses_for_good_is_told_and_over,
    h27_deleted_recordings_and_deleted_audio_are_refused_at_once,
    a_transcript_is_made_anew_and_one_that_is_not_there_is_not,
);

async fn a_run_is_started_with_what_it_needs_and_asked_for_at_once_it_is_one(scene: Scene) {
    let asking = (0..20).map(|turn| {
        let trigger = scene.trigger();
        let origin = [Origin::Webhook, Origin::Poller, Origin::Api, Origin::Command][turn % 4];
        let wanted = Wanted { room: Some("standup".to_owned()), ..Wanted::new(id("r"), origin) };
        tokio::spawn(async move { trigger.start(wanted).await })
    });
    let mut started = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        match asked.await.unwrap() {
            Ok(triggered) => started.push(triggered),
            Err(error) => assert!(matches!(error, TriggerError::Active { .. }), "{error}"),
        }
    }
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.requests("r").await.len(), 1);
    let transcript = scene.transcript("r").await;
    assert_eq!(transcript.status, "uploaded");
    assert!(!started.is_empty() && started.iter().all(|triggered| triggered.transcript == transcript.id));
    let (_, input, options) = scene.engine.last();
    assert_eq!(input["transcript_id"], transcript.id.as_str());
    assert_eq!((input["recording_id"].as_str(), input["room_name"].as_str()), (Some("r"), Some("standup")));
    for (name, value) in [("recording", "r"), ("transcript", transcript.id.as_str()), ("room", "standup")] {
        assert_eq!(words(&options.metadata, name), value);
    }
    assert!(NotifyMode::of_run(&options.metadata) != NotifyMode::None);
    assert!(options.priority >= Priority::Normal && options.dedupe_key.is_some());
}

async fn u10_u11_an_engine_that_is_down_loses_nothing(scene: Scene) {
    scene.engine.set_down(true);
    let triggered = scene.trigger().start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap();
    assert_eq!(triggered.run, None);
    assert!(triggered.waits.unwrap().contains("refused"));
    assert_eq!(scene.requests("r").await[0].state, RequestState::Requested);
    // However long it takes.
    for _ in 0..50 {
        scene.clock.advance(hours(1));
        scene.reconciler().once().await.unwrap();
    }
    assert!(scene.engine.runs().is_empty());
    scene.engine.set_down(false);
    scene.clock.advance(seconds(300));
    scene.reconciler().once().await.unwrap();
    scene.reconciler().once().await.unwrap();
    let request = scene.requests("r").await.remove(0);
    assert_eq!((request.state, request.run), (RequestState::Started, scene.engine.runs().pop()));
    assert_eq!(scene.engine.runs().len(), 1);
}

async fn u10_a_run_whose_start_nobody_heard_of_is_not_started_again(scene: Scene) {
    scene.engine.lose_answers(true);
    let triggered = scene.trigger().start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap();
    assert_eq!(triggered.run, None);
    let run = scene.engine.runs().pop().unwrap();
    // It is over before anybody asks again, so that no key of an active run can tell.
    scene.completes("r", &run).await;
    scene.engine.lose_answers(false);
    for _ in 0..3 {
        scene.clock.advance(hours(1));
        scene.reconciler().once().await.unwrap();
    }
    assert_eq!(scene.engine.runs(), std::slice::from_ref(&run));
    let request = scene.requests("r").await.remove(0);
    assert_eq!((request.state, request.run, request.last_error), (RequestState::Ended, Some(run), None));
}

async fn a_second_run_is_refused_while_one_is_active_and_allowed_after(scene: Scene) {
    let trigger = scene.trigger();
    let first = trigger.start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap();
    let since = scene.now();
    scene.clock.advance(seconds(60));
    let refused = trigger.start(Wanted::new(id("r"), Origin::Api)).await.unwrap_err();
    assert_eq!(refused.class(), FailureClass::Retryable);
    let TriggerError::Active { run, since: told, transcript, .. } = refused else { panic!("{refused}") };
    assert_eq!((run, told, transcript), (first.run.clone(), since, first.transcript.clone()));

    // Over, though nobody has looked yet: asking finds out.
    scene.completes("r", &first.run.unwrap()).await;
    let again = trigger.start(Wanted::new(id("r"), Origin::Command)).await.unwrap();
    assert_eq!(again.transcript, first.transcript);
    let (_, _, options) = scene.engine.last();
    assert_eq!(NotifyMode::of_run(&options.metadata), NotifyMode::Update);
    assert_eq!((scene.engine.runs().len(), options.priority), (2, Priority::High));
    // A notice of the same recording is no wish for a third.
    scene.completes("r", &again.run.unwrap()).await;
    scene.clock.advance(seconds(60));
    scene.reconciler().once().await.unwrap();
    let served = trigger.start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap_err();
    assert!(matches!(served, TriggerError::Served { .. }), "{served}");
}

async fn what_an_engine_refuses_for_good_is_told_and_over(scene: Scene) {
    scene.engine.refuse();
    let refused = scene.trigger().start(Wanted::new(id("r"), Origin::Api)).await.unwrap_err();
    assert!(matches!(&refused, TriggerError::Refused { why, .. } if why.contains("no workflow")), "{refused}");
    assert_eq!(scene.requests("r").await[0].state, RequestState::Ended);
    let transcript = scene.transcript("r").await;
    assert_eq!(transcript.status, "error");
    assert!(transcript.failure.unwrap().message.contains("no workflow"));
}

async fn h27_deleted_recordings_and_deleted_audio_are_refused_at_once(scene: Scene) {
    let trigger = scene.trigger();
    recording_standing::bury(&scene.database, &id("buried"), scene.now()).await.unwrap();
    let at = scene.now();
    let refused = trigger.start(Wanted::new(id("buried"), Origin::Command)).await.unwrap_err();
    assert!(matches!(refused, TriggerError::Deleted { at: told, .. } if told == at), "{refused}");

    let first = trigger.start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap();
    let writer = scene.begins("r", &first.run.clone().unwrap()).await;
    writer.publish(scene.now()).await.unwrap();
    writer.audio_deleted(scene.now()).await.unwrap();
    scene.engine.end(&first.run.unwrap(), RunStatus::Completed, None);
    scene.clock.advance(hours(1));
    scene.reconciler().once().await.unwrap();
    for origin in [Origin::Command, Origin::Api, Origin::Backfill] {
        let refused = trigger.start(Wanted::new(id("r"), origin)).await.unwrap_err();
        assert!(matches!(&refused, TriggerError::AudioDeleted { at: told, .. } if *told == at), "{refused}");
        assert!(refused.to_string().contains(&at.to_string()) && refused.to_string().contains("consent"), "{refused}");
    }
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.transcript("r").await.status, "ended");

    // Deleted while the engine was away: nothing is started later either.
    scene.engine.set_down(true);
    trigger.start(Wanted::new(id("later"), Origin::Webhook)).await.unwrap();
    recording_standing::bury(&scene.database, &id("later"), scene.now()).await.unwrap();
    scene.engine.set_down(false);
    scene.clock.advance(hours(1));
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.requests("later").await[0].state, RequestState::Ended);
}

async fn a_transcript_is_made_anew_and_one_that_is_not_there_is_not(scene: Scene) {
    let trigger = scene.trigger();
    let first = trigger.start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap();
    scene.completes("r", &first.run.unwrap()).await;
    let again = trigger.start_transcript(&first.transcript, Origin::Api, NotifyMode::None).await.unwrap();
    assert_eq!(again.transcript, first.transcript);
    let (_, _, options) = scene.engine.last();
    assert_eq!(NotifyMode::of_run(&options.metadata), NotifyMode::None);
    let unknown = "nobody".parse().unwrap();
    let refused = trigger.start_transcript(&unknown, Origin::Api, NotifyMode::All).await.unwrap_err();
    assert!(matches!(refused, TriggerError::UnknownTranscript(_)), "{refused}");
}
