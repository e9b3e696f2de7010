//! Recordings whose webhook never came, and old ones.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;
use trackscribe::clock::Timestamp;
use trackscribe::engine::{Engine as _, Priority, RunStatus};
use trackscribe::failure::FailureClass;
use trackscribe::notify::NotifyMode;
use trackscribe::store::recordings::RecordingRow;
use trackscribe::store::run_requests::RequestState;
use trackscribe::store::{DatabaseKind, recording_standing};
use trackscribe::trigger::{Backfill, BackfillEvent, BackfillRange, Origin, Planned, RoomPolicy, Wanted};

use crate::support::{Lists, START, Scene, Trouble, hours, id, recording, seconds};

on_both_databases!(
    h22_with_every_webhook_dropped_each_recording_is_processed_once,
    a_fresh_database_begins_now_and_runs_nothing_old,
    h21_what_is_not_finished_is_kept_in_mind_and_given_up_after_a_week,
    h21_what_is_finished_and_has_no_length_yet_is_asked_for_again,
    h27_what_somebody_deleted_is_left_alone,
    u12_a_list_that_breaks_off_or_is_null_hides_no_recording,
    one_recording_that_daily_does_not_tell_of_keeps_no_other_waiting,
    a_recording_that_daily_does_not_know_yet_is_not_given_up_within_a_day,
    nothing_is_missed_while_daily_or_this_program_is_away,
    u11_what_was_noted_and_forgotten_is_processed_however_old,
    backfill_does_what_is_missing_at_low_priority_and_tells_nobody,
    backfill_leaves_out_what_somebody_else_did_since_it_was_planned,
    u10_a_backfill_that_dies_before_it_asked_for_a_run_leaves_nothing_to_the_poller,
    backfill_tells_what_it_could_not_read,
);

async fn h22_with_every_webhook_dropped_each_recording_is_processed_once(scene: Scene) {
    scene.poller().once().await.unwrap();
    // A day of meetings, several a minute at times: more than a page.
    for nth in 0..150 {
        scene.daily.add(recording(&format!("r{nth}"), "standup", START + nth * 300, 240));
        if nth % 7 == 0 {
            scene.clock.advance(seconds(7 * 300));
            scene.poller().once().await.unwrap();
        }
    }
    scene.clock.advance(hours(2));
    for _ in 0..3 {
        scene.poller().once().await.unwrap();
        scene.clock.advance(seconds(60));
    }
    assert_eq!(scene.engine.runs().len(), 150);
    for nth in 0..150 {
        assert_eq!(scene.requests(&format!("r{nth}")).await.len(), 1, "r{nth}");
    }
}

async fn a_fresh_database_begins_now_and_runs_nothing_old(scene: Scene) {
    for nth in 0..500 {
        scene.daily.add(recording(&format!("old{nth}"), "standup", START - 600 - nth * 120, 100));
    }
    for _ in 0..5 {
        scene.poller().once().await.unwrap();
        scene.reconciler().once().await.unwrap();
        scene.clock.advance(seconds(60));
    }
    assert!(scene.engine.runs().is_empty());
    assert!(recording_standing::read(&scene.database, &id("old0")).await.unwrap().is_none());
    scene.daily.add(recording("new", "standup", START + 60, 100));
    scene.poller().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
    // Restarted after a week: still nothing old.
    scene.clock.advance(hours(7 * 24));
    scene.poller().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 1);
}

async fn h21_what_is_not_finished_is_kept_in_mind_and_given_up_after_a_week(scene: Scene) {
    // It runs when the service is installed.
    let unfinished = |id: &str, start: i64| {
        let mut unfinished = recording(id, "standup", start, 0);
        unfinished["status"] = json!("in-progress");
        unfinished["duration"] = json!(null);
        unfinished["tracks"] = json!([]);
        unfinished
    };
    scene.daily.add(unfinished("long", START - 3600));
    scene.daily.add(unfinished("never", START - 60));
    assert_eq!(scene.poller().once().await.unwrap().unfinished, 2);
    // Three days later the list has moved on; finished, but Daily has not listed the tracks yet.
    for nth in 0..120 {
        scene.daily.add(recording(&format!("r{nth}"), "other", START + 1800 * nth, 10));
    }
    let mut finished = recording("long", "standup", START - 3600, 7200);
    let tracks = finished["tracks"].take();
    scene.daily.add(finished.clone());
    scene.clock.advance(hours(72));
    let polled = scene.poller().once().await.unwrap();
    assert!(polled.unfinished == 2 && scene.requests("long").await.is_empty(), "{polled:?}");
    finished["tracks"] = tracks;
    scene.daily.add(finished);
    scene.clock.advance(seconds(60));
    scene.poller().once().await.unwrap();
    assert_eq!(scene.requests("long").await.len(), 1);

    scene.clock.advance(hours(5 * 24));
    scene.poller().once().await.unwrap();
    let never = recording_standing::read(&scene.database, &id("never")).await.unwrap().unwrap();
    assert!(never.ignored_reason.unwrap().contains("7 days"));
}

async fn h27_what_somebody_deleted_is_left_alone(scene: Scene) {
    scene.poller().once().await.unwrap();
    for nth in 0..3 {
        scene.daily.add(recording(&format!("r{nth}"), "standup", START + 10, 10));
    }
    recording_standing::bury(&scene.database, &id("r1"), scene.now()).await.unwrap();
    scene.clock.advance(seconds(60));
    scene.poller().once().await.unwrap();
    scene.ready("e", "r1", "standup").await;
    scene.inbox().once().await.unwrap();
    assert!(scene.requests("r1").await.is_empty());
    assert_eq!(scene.engine.runs().len(), 2);
    assert!(scene.note("e").await.1.contains("deleted"));

    // Tombstones hold at repair too: the run died, the recording is deleted, nothing is started again.
    let run = scene.requests("r0").await.remove(0).run.unwrap();
    scene.dies("r0", &run, FailureClass::Retryable).await;
    scene.clock.advance(seconds(60));
    scene.reconciler().once().await.unwrap();
    recording_standing::bury(&scene.database, &id("r0"), scene.now()).await.unwrap();
    scene.clock.advance(hours(2));
    scene.reconciler().once().await.unwrap();
    assert_eq!(scene.engine.runs().len(), 2);
    assert_eq!(scene.requests("r0").await[0].state, RequestState::Ended);
}

async fn nothing_is_missed_while_daily_or_this_program_is_away(scene: Scene) {
    scene.poller().once().await.unwrap();
    scene.daily.add(recording("a", "standup", START + 60, 10));
    scene.daily.set_down(true);
    for _ in 0..5 {
        scene.clock.advance(hours(10));
        scene.poller().once().await.unwrap_err();
    }
    // Nobody polls for ten days, in which three pages of recordings are made.
    for nth in 0..250 {
        scene.daily.add(recording(&format!("r{nth}"), "standup", START + 3600 * nth, 1000));
    }
    scene.clock.advance(hours(200));
    scene.daily.set_down(false);
    assert_eq!(scene.poller().once().await.unwrap().asked, 251);
    assert_eq!(scene.poller().once().await.unwrap().asked, 0);
    let before = scene.daily.times_asked();
    scene.poller().once().await.unwrap();
    assert_eq!(scene.daily.times_asked() - before, 2, "of three pages the second is all older, and ends the search");
}

async fn u11_what_was_noted_and_forgotten_is_processed_however_old(scene: Scene) {
    scene.poller().once().await.unwrap();
    // Whoever took it died between noting it and asking for its run.
    note_forgotten(&scene, "r").await;
    scene.daily.add(recording("r", "standup", START, 10));
    scene.clock.advance(hours(30 * 24));
    scene.poller().once().await.unwrap();
    assert_eq!(scene.requests("r").await.len(), 1);
}

async fn h21_what_is_finished_and_has_no_length_yet_is_asked_for_again(scene: Scene) {
    scene.poller().once().await.unwrap();
    let mut without_length = recording("r", "standup", START + 60, 10);
    without_length["duration"] = json!(null);
    scene.daily.add(without_length.clone());
    for _ in 0..3 {
        scene.clock.advance(seconds(60));
        let polled = scene.poller().once().await.unwrap();
        assert_eq!((polled.asked, polled.unfinished), (0, 1));
    }
    scene.daily.add(recording("r", "standup", START + 60, 10));
    assert_eq!(scene.poller().once().await.unwrap().asked, 1);
    // One whose length never comes is not lost.
    without_length["id"] = json!("never");
    scene.daily.add(without_length);
    assert_eq!(scene.poller().once().await.unwrap().unfinished, 1);
    scene.clock.advance(hours(8 * 24));
    assert_eq!(scene.poller().once().await.unwrap().asked, 1);
}

async fn u12_a_list_that_breaks_off_or_is_null_hides_no_recording(scene: Scene) {
    scene.poller().once().await.unwrap();
    // All of them on the first pages of a day, seen only three days later.
    for nth in 0..250 {
        scene.daily.add(recording(&format!("r{nth}"), "standup", START + 60 + nth * 60, 10));
    }
    let mut asked = 0;
    for lists in [Lists::Null, Lists::BreakingOffAfter(0), Lists::BreakingOffAfter(60), Lists::BreakingOffAfter(130)] {
        scene.clock.advance(hours(72));
        scene.daily.set_lists(lists);
        asked += scene.poller().once().await.unwrap().asked;
    }
    assert_eq!(asked, 130, "what was seen is taken");
    scene.daily.set_lists(Lists::BreakingOffAfter(250));
    assert_eq!(scene.poller().once().await.unwrap().asked, 120);
    let before = scene.daily.times_asked();
    scene.poller().once().await.unwrap();
    assert_eq!(scene.daily.times_asked() - before, 1, "all of it was seen");
}

/// A recording that is known, was finished, and whose run nobody asked for.
fn forgotten(scene: &Scene, recording: &str) -> RecordingRow {
    RecordingRow {
        id: id(recording),
        room_name: Some("standup".to_owned()),
        meeting_id: None,
        bucket_name: None,
        s3_key: None,
        started_at: Some(scene.now()),
        duration: None,
    }
}

async fn note_forgotten(scene: &Scene, recording: &str) {
    let row = forgotten(scene, recording);
    recording_standing::note(&scene.database, &row, recording_standing::FINISHED, scene.now()).await.unwrap();
}

async fn one_recording_that_daily_does_not_tell_of_keeps_no_other_waiting(scene: Scene) {
    scene.poller().once().await.unwrap();
    scene.daily.set_lists(Lists::Nothing);
    let statuses = [400, 403, 410, 500];
    for status in statuses {
        note_forgotten(&scene, &format!("r{status}")).await;
        scene.daily.set_trouble(&format!("r{status}"), Some(Trouble::Status(status)));
    }
    scene.clock.advance(seconds(1));
    note_forgotten(&scene, "good").await;
    scene.daily.add(recording("good", "standup", START, 10));
    let polled = scene.poller().once().await.unwrap();
    assert_eq!((polled.asked, polled.unfinished), (1, 4));
    scene.clock.advance(hours(8 * 24));
    let polled = scene.poller().once().await.unwrap();
    assert_eq!((polled.ignored, polled.unfinished), (3, 1), "what may pass is asked on");
    let odd = recording_standing::read(&scene.database, &id("r403")).await.unwrap().unwrap();
    assert!(odd.ignored_reason.unwrap().contains("403"));

    // A key that is refused altogether is nobody's own trouble.
    note_forgotten(&scene, "late").await;
    scene.daily.set_trouble("late", Some(Trouble::Status(401)));
    scene.clock.advance(hours(8 * 24));
    assert!(scene.poller().once().await.is_err());
    let late = recording_standing::read(&scene.database, &id("late")).await.unwrap().unwrap();
    assert_eq!(late.ignored_reason, None);
}

async fn a_recording_that_daily_does_not_know_yet_is_not_given_up_within_a_day(scene: Scene) {
    scene.poller().once().await.unwrap();
    scene.daily.set_lists(Lists::Nothing);
    for recording in ["lagging", "gone"] {
        note_forgotten(&scene, recording).await;
        scene.daily.set_trouble(recording, Some(Trouble::Status(404)));
    }
    for _ in 0..3 {
        scene.clock.advance(hours(7));
        let polled = scene.poller().once().await.unwrap();
        assert_eq!((polled.ignored, polled.unfinished), (0, 2));
    }
    scene.daily.set_trouble("lagging", None);
    scene.daily.add(recording("lagging", "standup", START, 10));
    assert_eq!(scene.poller().once().await.unwrap().asked, 1);
    // One that Daily has deleted is let go.
    scene.clock.advance(hours(4));
    assert_eq!(scene.poller().once().await.unwrap().ignored, 1);
}

async fn backfill_does_what_is_missing_at_low_priority_and_tells_nobody(scene: Scene) {
    for nth in 0..12 {
        scene.daily.add(recording(&format!("r{nth}"), "standup-20260101090000", START - 86_400 + nth * 600, 100));
    }
    scene.daily.add(recording("too old", "standup", START - 10 * 86_400, 100));
    scene.daily.add(recording("party", "party", START - 80_000, 100));
    let mut cloud = recording("cloud", "standup", START - 70_000, 100);
    cloud["tracks"] = json!([]);
    cloud["s3key"] = json!("one-file.mp4");
    scene.daily.add(cloud);
    recording_standing::bury(&scene.database, &id("r3"), scene.now()).await.unwrap();
    let trigger = scene.trigger();
    let done = trigger.start(Wanted::new(id("r5"), Origin::Api)).await.unwrap();
    scene.completes("r5", &done.run.unwrap()).await;
    scene.clock.advance(seconds(60));
    scene.reconciler().once().await.unwrap();

    let backfill = Backfill {
        trigger,
        daily: scene.daily.clone(),
        database: scene.database.clone(),
        rooms: RoomPolicy::patterns("stand*"),
    };
    let since = Timestamp::from_micros((START - 2 * 86_400) * 1_000_000);
    let plan = backfill.plan(BackfillRange { since, until: scene.now() }).await.unwrap();
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
    let planned = plan.recordings;
    let left_out: Vec<(&str, &str)> = planned
        .iter()
        .filter_map(|planned| Some((planned.recording.id.as_str(), planned.left_out.as_deref()?)))
        .collect();
    assert_eq!(planned.len(), 14);
    assert_eq!(left_out.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["r3", "r5", "party", "cloud"]);
    assert!(left_out[0].1.contains("deleted") && left_out[1].1.contains("transcript"), "{left_out:?}");
    assert_eq!(scene.engine.runs().len(), 1, "a plan starts nothing");

    // Runs end as fast as somebody looks; never are more than three at work.
    let (engine, most) = (scene.engine.clone(), Mutex::new(0));
    let over: Mutex<BTreeSet<String>> = Mutex::default();
    let told = |event| {
        if let BackfillEvent::Over(recording, end) = event {
            assert!(end.unwrap().error.is_some());
            over.lock().unwrap().insert(recording.to_string());
        }
    };
    let ending = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let mut active = Vec::new();
            for run in engine.runs() {
                if engine.status(&run).await.unwrap().is_active() {
                    active.push(run);
                }
            }
            let mut most = most.lock().unwrap();
            *most = active.len().max(*most);
            active.iter().for_each(|run| engine.end(run, RunStatus::Cancelled, None));
        }
    };
    tokio::select! {
        () = backfill.run(&planned, 3, NotifyMode::None, &told) => {}
        () = ending => unreachable!(),
    }
    assert_eq!(over.lock().unwrap().len(), 10);
    assert!(*most.lock().unwrap() <= 3);
    let (_, _, options) = scene.engine.last();
    assert_eq!((options.priority, NotifyMode::of_run(&options.metadata)), (Priority::Low, NotifyMode::None));
}

pub fn backfill(scene: &Scene) -> Backfill {
    Backfill {
        trigger: scene.trigger(),
        daily: scene.daily.clone(),
        database: scene.database.clone(),
        rooms: RoomPolicy::All,
    }
}

/// What a backfill of the last days would do.
pub async fn planned(scene: &Scene, backfill: &Backfill) -> Vec<Planned> {
    let since = Timestamp::from_micros((START - 2 * 86_400) * 1_000_000);
    backfill.plan(BackfillRange { since, until: scene.now() }).await.unwrap().recordings
}

/// Does what was planned, and gives what became of each recording.
pub async fn backfilled(backfill: &Backfill, planned: &[Planned]) -> Vec<(String, String)> {
    let ends = Mutex::new(Vec::new());
    let told = |event| {
        let (recording, end) = match event {
            BackfillEvent::Started(_) => return,
            BackfillEvent::LeftOut(recording, why) => (recording, format!("left out: {why}")),
            BackfillEvent::Over(recording, end) => (recording, format!("over: {end:?}")),
        };
        ends.lock().unwrap().push((recording.to_string(), end));
    };
    backfill.run(planned, 1, NotifyMode::None, &told).await;
    ends.into_inner().unwrap()
}

async fn backfill_leaves_out_what_somebody_else_did_since_it_was_planned(scene: Scene) {
    for (nth, recording_id) in ["done", "active", "deleted"].into_iter().enumerate() {
        scene.daily.add(recording(recording_id, "standup", START - 9000 + nth as i64, 100));
    }
    let backfill = backfill(&scene);
    let planned = planned(&scene, &backfill).await;
    assert!(planned.len() == 3 && planned.iter().all(|planned| planned.left_out.is_none()));

    let trigger = scene.trigger();
    let done = trigger.start(Wanted::new(id("done"), Origin::Api)).await.unwrap();
    scene.completes("done", &done.run.unwrap()).await;
    scene.clock.advance(seconds(60));
    scene.reconciler().once().await.unwrap();
    trigger.start(Wanted::new(id("active"), Origin::Webhook)).await.unwrap();
    recording_standing::bury(&scene.database, &id("deleted"), scene.now()).await.unwrap();

    let ends = backfilled(&backfill, &planned).await;
    for (end, says) in ends.iter().zip(["it has transcript", "being processed", "deleted"]) {
        assert!(end.1.starts_with("left out") && end.1.contains(says), "{end:?}");
    }
    assert_eq!((ends.len(), scene.engine.runs().len()), (3, 2));
}

async fn u10_a_backfill_that_dies_before_it_asked_for_a_run_leaves_nothing_to_the_poller(scene: Scene) {
    scene.poller().once().await.unwrap();
    scene.daily.add(recording("old", "standup", START - 9000, 100));
    let backfill = backfill(&scene);
    let planned = planned(&scene, &backfill).await;
    // As far as it came: its request is not there.
    let (breaks, mends) = match scene.database.kind() {
        DatabaseKind::Sqlite => (
            "CREATE TRIGGER broken BEFORE INSERT ON run_requests BEGIN SELECT RAISE(FAIL, 'killed'); END",
            "DROP TRIGGER broken",
        ),
        DatabaseKind::Postgres => (
            "CREATE FUNCTION broken() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''killed''; END';
             CREATE TRIGGER broken BEFORE INSERT ON run_requests FOR EACH ROW EXECUTE FUNCTION broken()",
            "DROP TRIGGER broken ON run_requests",
        ),
    };
    sqlx::raw_sql(breaks).execute(scene.database.pool()).await.unwrap();
    let ends = backfilled(&backfill, &planned).await;
    assert!(ends[0].1.starts_with("over: Err"), "{ends:?}");
    sqlx::raw_sql(mends).execute(scene.database.pool()).await.unwrap();
    for _ in 0..3 {
        scene.clock.advance(seconds(60));
        scene.poller().once().await.unwrap();
    }
    assert!(scene.engine.runs().is_empty(), "the poller tells everybody");
}

async fn backfill_tells_what_it_could_not_read(scene: Scene) {
    let mut timeless = recording("timeless", "standup", START - 9000, 100);
    timeless["start_ts"] = json!(null);
    timeless["tracks"] = json!([{"type": "audio", "s3Key": "team/standup/guest.webm"}]);
    scene.daily.add(timeless);
    scene.daily.add(recording("r", "standup", START - 9000, 100));
    scene.daily.set_lists(Lists::BreakingOffAfter(2));
    scene.daily.add(recording("unseen", "standup", START - 99_000, 100));
    let backfill = backfill(&scene);
    let since = Timestamp::from_micros((START - 2 * 86_400) * 1_000_000);
    let plan = backfill.plan(BackfillRange { since, until: scene.now() }).await.unwrap();
    let told: Vec<_> =
        plan.recordings.iter().map(|planned| (planned.recording.id.as_str(), planned.left_out.is_some())).collect();
    assert!(told.contains(&("r", false)), "{told:?}");
    assert!(plan.notes.len() == 1 && plan.notes[0].contains("of 3"), "{:?}", plan.notes);
    scene.daily.set_lists(Lists::All);
    let plan = backfill.plan(BackfillRange { since, until: scene.now() }).await.unwrap();
    let timeless = plan.recordings.iter().find(|planned| planned.recording.id == id("timeless")).unwrap();
    assert_eq!(timeless.left_out.as_deref(), Some("Daily does not say when it began"));
    assert_eq!((plan.recordings.len(), plan.notes.len()), (3, 0));
}
