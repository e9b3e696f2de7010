//! Deliveries that were stored, and what is made of them.

use serde_json::{Value, json};
use trackscribe::store::{recording_standing, rooms};
use trackscribe::trigger::RoomPolicy;

use crate::support::{START, Scene, Trouble, hours, id, recording, seconds};

on_both_databases!(
    u10_a_delivery_that_comes_fifty_times_and_is_polled_too_starts_one_run,
    rooms_that_are_not_asked_for_and_other_recordings_are_ignored_with_their_reason,
    a_recording_that_failed_marks_its_transcript_however_it_is_named,
    an_error_changes_nothing_of_a_transcript_that_a_run_has_worked_on,
    participants_unknown_and_unreadable_deliveries_are_settled,
    a_type_that_was_not_told_is_asked_for_and_trouble_is_tried_again,
    h22_a_recording_that_began_is_asked_for_until_it_is_finished,
    a_delivery_that_meets_a_defect_keeps_no_other_waiting,
    settled_deliveries_are_forgotten_after_a_month,
);

async fn u10_a_delivery_that_comes_fifty_times_and_is_polled_too_starts_one_run(scene: Scene) {
    scene.poller().once().await.unwrap();
    scene.clock.advance(seconds(60));
    scene.daily.add(recording("r", "standup", START + 30, 10));
    for turn in 0..50 {
        // Half of them with an id of their own, as if Daily knew no ids.
        let event = if turn % 2 == 0 { "same".to_owned() } else { format!("other-{turn}") };
        scene.ready(&event, "r", "standup").await;
    }
    let working = (0..6).map(|turn| {
        let (inbox, poller) = (scene.inbox(), scene.poller());
        tokio::spawn(async move {
            if turn % 2 == 0 { inbox.once().await.map(drop).unwrap() } else { poller.once().await.map(drop).unwrap() }
        })
    });
    for done in working.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.requests("r").await.len(), 1);
    scene.completes("r", &scene.engine.runs()[0]).await;
    scene.clock.advance(hours(1));
    scene.reconciler().once().await.unwrap();
    scene.ready("much later", "r", "standup").await;
    scene.inbox().once().await.unwrap();
    scene.poller().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.note("much later").await.0, "done");
}

async fn rooms_that_are_not_asked_for_and_other_recordings_are_ignored_with_their_reason(scene: Scene) {
    rooms::put(&scene.database, "standup", None, scene.now()).await.unwrap();
    scene.ready("a", "wanted", "standup-20260105090000").await;
    scene.ready("b", "unwanted", "party-20260105090000").await;
    let cloud = json!({"type": "cloud", "recording_id": "cloud", "room_name": "standup"});
    scene.delivered("c", "recording.ready-to-download", cloud).await;
    scene.inbox().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
    assert_eq!(scene.note("a").await.0, "done");
    for (event, recording, says) in [("b", "unwanted", "\"party\""), ("c", "cloud", "cloud recording")] {
        let (state, note) = scene.note(event).await;
        assert_eq!(state, "ignored");
        let standing = recording_standing::read(&scene.database, &id(recording)).await.unwrap().unwrap();
        assert_eq!(standing.ignored_reason.as_deref(), Some(note.as_str()));
        assert!(note.contains(says), "{note}");
        assert!(scene.requests(recording).await.is_empty());
    }
    // Another policy, another answer; and the poller leaves alone what was ignored.
    scene.daily.add(recording("unwanted", "party-20260105090000", START, 10));
    scene.clock.advance(hours(1));
    scene.poller_for(RoomPolicy::All).once().await.unwrap();
    assert!(scene.requests("unwanted").await.is_empty());
    scene.ready("d", "unwanted", "party-20260105090000").await;
    scene.inbox_for(RoomPolicy::patterns("p*y")).once().await.unwrap();
    assert_eq!(scene.requests("unwanted").await.len(), 1);
}

async fn a_recording_that_failed_marks_its_transcript_however_it_is_named(scene: Scene) {
    let started = |recording: &str, instance: &str| json!({"recording_id": recording, "instance_id": instance});
    scene.delivered("1", "recording.started", started("r1", "i1")).await;
    scene.delivered("2", "recording.started", started("r2", "i2")).await;
    scene.inbox().once().await.unwrap();
    let error = |more: Value| {
        let mut payload = json!({"error_msg": "PUT https://b/k?X-Amz-Date=1 failed", "timestamp": "1767603600"});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload
    };
    scene.delivered("3", "recording.error", error(json!({"instance_id": "i2", "room_name": "standup"}))).await;
    scene.delivered("4", "recording.error", error(json!({"recording_id": "r3"}))).await;
    scene.delivered("5", "recording.error", error(json!({"room_name": "nobody's"}))).await;
    scene.inbox().once().await.unwrap();
    for recording in ["r2", "r3"] {
        let transcript = scene.transcript(recording).await;
        let failure = transcript.failure.unwrap();
        assert_eq!((transcript.status.as_str(), failure.task.as_str()), ("error", "recording"));
        assert_eq!(failure.message, "recording failed: PUT https://b/k?… failed");
    }
    assert_eq!(scene.note("5").await.0, "ignored");
    assert!(scene.engine.runs().is_empty());
    // It was uploaded after all.
    scene.ready("6", "r2", "standup").await;
    scene.inbox().once().await.unwrap();
    assert_eq!(scene.transcript("r2").await.status, "uploaded");
    assert_eq!(scene.engine.runs().len(), 1);
}

async fn an_error_changes_nothing_of_a_transcript_that_a_run_has_worked_on(scene: Scene) {
    scene.ready("1", "r", "standup").await;
    scene.inbox().once().await.unwrap();
    scene.completes("r", &scene.engine.runs()[0]).await;
    scene.delivered("2", "recording.error", json!({"recording_id": "r", "error_msg": "late"})).await;
    scene.inbox().once().await.unwrap();
    let transcript = scene.transcript("r").await;
    assert_eq!((transcript.status.as_str(), transcript.failure), ("ended", None));
}

async fn participants_unknown_and_unreadable_deliveries_are_settled(scene: Scene) {
    scene.delivered("1", "participant.joined", json!({"room": "standup", "session_id": "s"})).await;
    scene.delivered("2", "meeting.ended", json!({})).await;
    scene.delivered("3", "recording.ready-to-download", json!({"room_name": "standup"})).await;
    assert_eq!(scene.inbox().once().await.unwrap(), 3);
    for (event, state) in [("1", "done"), ("2", "ignored"), ("3", "ignored")] {
        let (found, note) = scene.note(event).await;
        assert!(found == state && !note.is_empty(), "{event}: {found} {note}");
    }
    assert_eq!(scene.inbox().once().await.unwrap(), 0);
}

async fn a_type_that_was_not_told_is_asked_for_and_trouble_is_tried_again(scene: Scene) {
    let payload = json!({"recording_id": "r", "room_name": "standup"});
    scene.daily.add(recording("r", "standup", START, 10));
    scene.daily.set_down(true);
    scene.delivered("1", "recording.ready-to-download", payload).await;
    scene.inbox().once().await.unwrap();
    let (state, note) = scene.note("1").await;
    assert!(state == "waiting" && note.contains("refused"), "{state} {note}");
    assert_eq!(scene.inbox().once().await.unwrap(), 0, "not at once");
    scene.clock.advance(seconds(5));
    scene.inbox().once().await.unwrap();
    scene.daily.set_down(false);
    scene.clock.advance(seconds(10));
    scene.inbox().once().await.unwrap();
    assert_eq!((scene.note("1").await.0.as_str(), scene.engine.runs().len()), ("done", 1));
}

async fn h22_a_recording_that_began_is_asked_for_until_it_is_finished(scene: Scene) {
    scene.poller().once().await.unwrap();
    scene.delivered("1", "recording.started", json!({"recording_id": "r", "start_ts": START})).await;
    scene.inbox().once().await.unwrap();
    let mut unfinished = recording("r", "standup", START, 0);
    unfinished["status"] = json!("in-progress");
    unfinished["tracks"] = Value::Null;
    // The list begins behind it: many shorter ones came after.
    for hour in 1..4 {
        scene.daily.add(unfinished.clone());
        scene.clock.advance(hours(1));
        let polled = scene.poller().once().await.unwrap();
        assert_eq!((polled.asked, polled.unfinished), (0, 1), "{hour}");
    }
    // The ready event is lost.
    scene.daily.add(recording("r", "standup", START, 3 * 3600));
    scene.clock.advance(hours(1));
    assert_eq!(scene.poller().once().await.unwrap().asked, 1);
    assert_eq!(scene.engine.runs().len(), 1);
}

async fn a_delivery_that_meets_a_defect_keeps_no_other_waiting(scene: Scene) {
    scene.daily.set_trouble("odd", Some(Trouble::Panic));
    scene.delivered("1", "recording.ready-to-download", json!({"recording_id": "odd", "room_name": "standup"})).await;
    scene.ready("2", "r", "standup").await;
    let inbox = scene.inbox();
    assert_eq!(inbox.once().await.unwrap(), 2);
    assert_eq!(scene.note("2").await.0, "done");
    let (state, note) = scene.note("1").await;
    assert!(state == "waiting" && note.contains("nobody thought of odd"), "{state} {note}");
    // Mended by the next release.
    scene.daily.set_trouble("odd", None);
    scene.daily.add(recording("odd", "standup", START, 10));
    scene.clock.advance(seconds(5));
    inbox.once().await.unwrap();
    assert_eq!((scene.note("1").await.0.as_str(), scene.engine.runs().len()), ("done", 2));
}

async fn settled_deliveries_are_forgotten_after_a_month(scene: Scene) {
    let left = async || -> Vec<String> {
        let ids = sqlx::query_scalar("SELECT id FROM daily_events ORDER BY id").fetch_all(scene.database.pool());
        ids.await.unwrap()
    };
    let inbox = scene.inbox();
    // More than are deleted at once.
    for nth in 0..1100 {
        let joined = json!({"room": "standup", "session_id": "s", "user_name": "Ann"});
        scene.delivered(&format!("old-{nth}"), "participant.joined", joined).await;
    }
    inbox.once().await.unwrap();
    scene.clock.advance(hours(30 * 24 - 1));
    scene.delivered("new", "meeting.ended", json!({})).await;
    inbox.once().await.unwrap();
    assert_eq!(left().await.len(), 1101, "not before their time");
    // One that was never settled is no old news.
    sqlx::query("UPDATE daily_events SET state = 'waiting', next_try_at = 9000000000000000 WHERE id = 'old-7'")
        .execute(scene.database.pool())
        .await
        .unwrap();
    scene.clock.advance(hours(2));
    inbox.once().await.unwrap();
    assert_eq!(left().await, ["new", "old-7"]);
}
