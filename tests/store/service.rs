//! What the service keeps for people and programs: keys, rooms, meetings, cursors, and the list of transcripts.

use trackscribe::ids::{RunId, TranscriptId};
use trackscribe::store::api_keys::{self, ApiKeyRow};
use trackscribe::store::meetings::{self, MeetingRow};
use trackscribe::store::recordings::RecordingRow;
use trackscribe::store::transcript_list::{self, TranscriptFilter};
use trackscribe::store::{TranscriptWriter, cursors, recording_standing, results, rooms, transcripts};

use crate::support::{Place, second};

async fn a_key_is_found_by_its_hash_until_it_is_revoked(place: Place) {
    let database = place.database().await;
    assert!(!api_keys::any(&database).await.unwrap());
    let key = |id: &str, at| ApiKeyRow {
        id: id.to_owned(),
        name: format!("{id}'s"),
        hash: format!("hash of {id}"),
        created_at: second(at),
        last_used_at: None,
        revoked_at: None,
    };
    for key in [key("b", 2), key("a", 1)] {
        api_keys::create(&database, &key).await.unwrap();
    }
    let again = ApiKeyRow { id: "c".to_owned(), ..key("a", 3) };
    assert!(api_keys::create(&database, &again).await.unwrap_err().is_unique_violation(), "a hash is one key's");
    assert_eq!(api_keys::find(&database, "hash of a").await.unwrap(), Some(key("a", 1)));
    assert_eq!(api_keys::find(&database, "another").await.unwrap(), None);
    api_keys::used(&database, "a", second(60)).await.unwrap();
    assert!(api_keys::revoke(&database, "a", second(70)).await.unwrap());
    assert!(api_keys::revoke(&database, "a", second(80)).await.unwrap());
    assert!(!api_keys::revoke(&database, "nobody", second(80)).await.unwrap());
    assert_eq!(api_keys::find(&database, "hash of a").await.unwrap(), None);
    let revoked = ApiKeyRow { last_used_at: Some(second(60)), revoked_at: Some(second(70)), ..key("a", 1) };
    assert_eq!(api_keys::list(&database).await.unwrap(), [revoked, key("b", 2)]);
    assert!(api_keys::any(&database).await.unwrap());
}

async fn a_room_is_made_changed_and_listed(place: Place) {
    let database = place.database().await;
    assert!(!rooms::any(&database).await.unwrap());
    assert!(rooms::put(&database, "standup", None, second(1)).await.unwrap());
    assert!(rooms::put(&database, "all hands", Some("Für alle"), second(2)).await.unwrap());
    assert!(!rooms::put(&database, "standup", Some("Daily"), second(3)).await.unwrap());
    let standup = rooms::read(&database, "standup").await.unwrap().unwrap();
    assert_eq!(
        (standup.title.as_deref(), standup.created_at, standup.updated_at),
        (Some("Daily"), second(1), second(3))
    );
    assert_eq!(rooms::read(&database, "retro").await.unwrap(), None);
    let names: Vec<_> = rooms::list(&database).await.unwrap().into_iter().map(|room| room.name).collect();
    assert_eq!(names, ["all hands", "standup"]);
    assert!(rooms::any(&database).await.unwrap());
}

async fn a_meeting_is_made_changed_and_listed_page_by_page(place: Place) {
    let database = place.database().await;
    let meeting = |id: &str, room: Option<&str>, title: Option<&str>| MeetingRow {
        id: id.parse().unwrap(),
        room_name: room.map(str::to_owned),
        title: title.map(str::to_owned),
        started_at: Some(second(9)),
        created_at: second(1),
        updated_at: second(1),
    };
    for (id, room) in [("m1", Some("standup")), ("m2", None), ("m3", Some("standup")), ("m4", Some("retro"))] {
        assert!(meetings::put(&database, &meeting(id, room, None), second(1)).await.unwrap());
    }
    let changed = MeetingRow { started_at: None, ..meeting("m3", Some("standup"), Some("Third")) };
    assert!(!meetings::put(&database, &changed, second(5)).await.unwrap());
    let read = meetings::read(&database, &"m3".parse().unwrap()).await.unwrap();
    assert_eq!(read, Some(MeetingRow { updated_at: second(5), ..changed }));
    assert_eq!(meetings::read(&database, &"m9".parse().unwrap()).await.unwrap(), None);
    for (room, after, limit, expected) in [
        (None, None, 10, vec!["m4", "m3", "m2", "m1"]),
        (None, Some("m3"), 1, vec!["m2"]),
        (Some("standup"), None, 10, vec!["m3", "m1"]),
        (Some("standup"), Some("m3"), 10, vec!["m1"]),
    ] {
        let after = after.map(|id: &str| id.parse().unwrap());
        let listed = meetings::list(&database, room, after.as_ref(), limit).await.unwrap();
        assert_eq!(listed.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), expected, "{room:?} {after:?}");
    }
}

async fn a_cursor_goes_on_from_where_it_was(place: Place) {
    let database = place.database().await;
    assert_eq!(cursors::read(&database, "poller").await.unwrap(), None);
    for value in ["1", "2"] {
        cursors::put(&database, "poller", value, second(1)).await.unwrap();
        assert_eq!(cursors::read(&database.fresh(None), "poller").await.unwrap().as_deref(), Some(value));
    }
    assert_eq!(cursors::read(&database, "another").await.unwrap(), None);
}

async fn transcripts_are_listed_newest_first_by_recording_status_and_page(place: Place) {
    let database = place.database().await;
    let recording = RecordingRow {
        id: "rec-1".parse().unwrap(),
        room_name: Some("standup".to_owned()),
        meeting_id: Some("m".to_owned()),
        bucket_name: None,
        s3_key: None,
        started_at: None,
        duration: None,
    };
    recording_standing::note(&database, &recording, recording_standing::FINISHED, second(1)).await.unwrap();
    let ids: Vec<TranscriptId> = ["t1", "t2", "t3", "t4"].map(|id| id.parse().unwrap()).to_vec();
    for (id, of) in ids.iter().zip(["rec-1", "rec-2", "rec-1", "rec-3"]) {
        transcripts::create(&database, id, &of.parse().unwrap(), second(1)).await.unwrap();
    }
    let writer = TranscriptWriter::new(database.clone(), ids[2].clone(), RunId::generate());
    writer.claim(second(2)).await.unwrap();
    results::put(&writer, "title", &"Plans").await.unwrap();
    writer.publish(second(3)).await.unwrap();
    let listed = async |filter: TranscriptFilter, limit| {
        let rows = transcript_list::list(&database, &filter, "title", limit).await.unwrap();
        rows.iter().map(|listed| listed.row.id.to_string()).collect::<Vec<_>>()
    };
    let (recording, status) = (Some("rec-1".parse().unwrap()), Some("idle".to_owned()));
    let all = TranscriptFilter::default();
    assert_eq!(listed(all.clone(), 10).await, ["t4", "t3", "t2", "t1"]);
    assert_eq!(listed(TranscriptFilter { after: Some(ids[2].clone()), ..all.clone() }, 1).await, ["t2"]);
    assert_eq!(listed(TranscriptFilter { status: status.clone(), ..all.clone() }, 10).await, ["t4", "t2", "t1"]);
    assert_eq!(listed(TranscriptFilter { recording: recording.clone(), ..all.clone() }, 10).await, ["t3", "t1"]);
    let each = TranscriptFilter { recording, status, after: Some(ids[2].clone()) };
    assert_eq!(listed(each, 10).await, ["t1"]);
    let published = TranscriptFilter { status: Some("ended".to_owned()), ..all };
    let row = transcript_list::list(&database, &published, "title", 10).await.unwrap().remove(0);
    assert_eq!(row.title.as_deref(), Some("\"Plans\""));
    assert_eq!((row.room_name.as_deref(), row.meeting_id.as_deref()), (Some("standup"), Some("m")));
    assert_eq!((row.created_at, row.updated_at), (second(1), second(3)));
}

on_both_databases! {
    a_key_is_found_by_its_hash_until_it_is_revoked,
    a_room_is_made_changed_and_listed,
    a_meeting_is_made_changed_and_listed_page_by_page,
    a_cursor_goes_on_from_where_it_was,
    transcripts_are_listed_newest_first_by_recording_status_and_page,
}
