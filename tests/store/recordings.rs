//! What is known of recordings, whoever tells it and in whichever order.

use trackscribe::clock::Timestamp;
use trackscribe::store::recording_standing::{
    FINISHED, IN_PROGRESS, bury, ignore, in_progress, note, note_instance, number_in_meeting, of_instance, read,
    unserved,
};
use trackscribe::store::recordings::RecordingRow;
use trackscribe::store::run_requests::{self, Asked, NewRunRequest};

use crate::support::{Place, second};

fn recording(id: &str, meeting: Option<&str>, started: Option<i64>) -> RecordingRow {
    RecordingRow {
        id: id.parse().unwrap(),
        room_name: Some("standup".to_owned()),
        meeting_id: meeting.map(str::to_owned),
        bucket_name: None,
        s3_key: None,
        started_at: started.map(Timestamp::from_micros),
        duration: None,
    }
}

async fn recordings_of_a_meeting_are_numbered_in_the_order_they_began_however_they_are_heard_of(place: Place) {
    let database = place.database().await;
    for (id, started) in [("c", Some(30)), ("a", Some(20)), ("z", Some(10)), ("u", None), ("b", Some(20))] {
        note(&database, &recording(id, Some("m"), started), FINISHED, second(1)).await.unwrap();
    }
    note(&database, &recording("x", None, Some(1)), FINISHED, second(1)).await.unwrap();
    for (id, number) in [("z", 1), ("a", 2), ("b", 3), ("c", 4), ("u", 5)] {
        assert_eq!(number_in_meeting(&database, &id.parse().unwrap()).await.unwrap(), Some(number), "{id}");
    }
    for id in ["x", "never heard of"] {
        assert_eq!(number_in_meeting(&database, &id.parse().unwrap()).await.unwrap(), None);
    }
}

async fn what_is_known_is_not_forgotten_by_somebody_who_knows_less(place: Place) {
    let (database, id) = (place.database().await, "r".parse().unwrap());
    let mut known = recording("r", Some("m"), Some(5));
    known.s3_key = Some("d/room/1".to_owned());
    known.duration = Some(1.0 / 3.0);
    note(&database, &known, FINISHED, second(1)).await.unwrap();
    let unknown = RecordingRow { room_name: None, ..recording("r", None, None) };
    note(&database, &unknown, IN_PROGRESS, second(2)).await.unwrap();
    let standing = read(&database, &id).await.unwrap().unwrap();
    assert_eq!((standing.recording, standing.status.as_deref()), (known, Some(FINISHED)));
    assert_eq!((standing.served, standing.created_at), (false, second(1)));
}

async fn who_waits_for_a_run_is_neither_ignored_nor_deleted_nor_served(place: Place) {
    let database = place.database().await;
    for (id, status) in [("a", IN_PROGRESS), ("b", FINISHED), ("c", FINISHED), ("d", FINISHED), ("e", FINISHED)] {
        note(&database, &recording(id, None, None), status, second(1)).await.unwrap();
    }
    ignore(&database, &"b".parse().unwrap(), "its room is not asked for").await.unwrap();
    bury(&database, &"c".parse().unwrap(), second(2)).await.unwrap();
    let ask = NewRunRequest {
        recording: "d".parse().unwrap(),
        room_name: None,
        transcript: None,
        origin: "poller",
        provider: "none".to_owned(),
        priority: 2,
        notify: "all",
        only_first: true,
        next_try_at: second(3),
    };
    let asked = run_requests::ask(&database, &ask, second(2)).await.unwrap();
    assert!(matches!(asked, Asked::New(_)), "{asked:?}");
    let waiting = unserved(&database, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|standing| standing.recording.id.as_str()).collect::<Vec<_>>(), ["a", "e"]);
    assert_eq!(unserved(&database, 1).await.unwrap().len(), 1);
    let told = |id: &str| {
        let (database, id) = (database.clone(), id.parse().unwrap());
        async move { read(&database, &id).await.unwrap().unwrap() }
    };
    assert!(told("d").await.served);
    assert_eq!(told("b").await.ignored_reason.as_deref(), Some("its room is not asked for"));
    assert_eq!(told("c").await.deleted_at, Some(second(2)));
    // Never heard of, and deleted all the same.
    bury(&database, &"f".parse().unwrap(), second(4)).await.unwrap();
    bury(&database, &"f".parse().unwrap(), second(5)).await.unwrap();
    assert_eq!(told("f").await.deleted_at, Some(second(4)));
}

async fn a_recording_is_found_by_its_instance_and_by_its_room_while_it_is_made(place: Place) {
    let database = place.database().await;
    for (id, status) in
        [("a", IN_PROGRESS), ("b", FINISHED), ("c", IN_PROGRESS), ("ignored", IN_PROGRESS), ("deleted", IN_PROGRESS)]
    {
        note(&database, &recording(id, None, None), status, second(1)).await.unwrap();
    }
    ignore(&database, &"ignored".parse().unwrap(), "never finished").await.unwrap();
    bury(&database, &"deleted".parse().unwrap(), second(2)).await.unwrap();
    note_instance(&database, &"a".parse().unwrap(), "instance").await.unwrap();
    assert_eq!(of_instance(&database, "instance").await.unwrap(), Some("a".parse().unwrap()));
    assert_eq!(of_instance(&database, "another").await.unwrap(), None);
    let made: Vec<_> = in_progress(&database, "standup").await.unwrap();
    assert_eq!(made, ["a", "c"].map(|id| id.parse().unwrap()));
    assert_eq!(in_progress(&database, "retro").await.unwrap(), []);
}

on_both_databases! {
    recordings_of_a_meeting_are_numbered_in_the_order_they_began_however_they_are_heard_of,
    what_is_known_is_not_forgotten_by_somebody_who_knows_less,
    who_waits_for_a_run_is_neither_ignored_nor_deleted_nor_served,
    a_recording_is_found_by_its_instance_and_by_its_room_while_it_is_made,
}
