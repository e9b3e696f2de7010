//! What the client asks, and what it makes of the answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use trackscribe::daily::{DailyClient, DailyError, DailySource, RecordedFolder, RecordingQuery};
use trackscribe::failure::{Failure, FailureClass};
use trackscribe::ids::RecordingId;
use trackscribe::secret::Secret;

use crate::support::{Account, TIMEOUTS, fixture};

fn id(text: &str) -> RecordingId {
    text.parse().unwrap()
}

#[tokio::test]
async fn every_fixture_is_answered_as_its_folder_answers() {
    let account = Account::start().await;
    for name in ["standup", "edge", "rejoin", "wild"] {
        let listed = account.stub.add_folder(&fixture(name));
        let folder = RecordedFolder::open(&fixture(name)).unwrap();
        let recording = account.run(account.client.recording(&id(listed["id"].as_str().unwrap()))).await.unwrap();
        assert_eq!(&recording, folder.only_recording());
        let meeting = recording.meeting_id.unwrap();
        let rows = account.run(account.client.participants(&meeting)).await.unwrap();
        assert_eq!(rows, folder.participants(&meeting).await.unwrap(), "{name}");
    }
    assert!(account.stub.asked().iter().all(|asked| asked.authorized && asked.method == "GET"));
}

async fn all_ids(account: &Account, query: RecordingQuery) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), Some(query));
    while let Some(query) = next {
        let page = account.run(account.client.list(&query)).await.unwrap();
        assert!(page.notes.is_empty());
        found.extend(page.recordings.iter().map(|recording| recording.id.to_string()));
        next = page.next(&query);
    }
    found
}

#[tokio::test]
async fn the_list_is_paged_from_the_newest_to_the_oldest() {
    let account = Account::start().await;
    let ids = account.stub.add_made_up(250, 1_767_000_000, "weekly");
    account.stub.add_folder(&fixture("standup"));
    let found =
        all_ids(&account, RecordingQuery { room_name: Some("weekly".into()), ..RecordingQuery::default() }).await;
    assert_eq!(found, ids);
    assert_eq!(account.stub.times_asked("/recordings"), 3);
    let asked = account.stub.asked();
    assert_eq!(asked[0].query["limit"], "100");
    assert_eq!(asked[1].query["starting_after"], ids[99]);
    assert!(asked.iter().all(|asked| asked.query["room_name"] == "weekly"));

    let newer = RecordingQuery { ending_before: Some(id(&ids[5])), limit: Some(2), ..RecordingQuery::default() };
    let page = account.run(account.client.list(&newer)).await.unwrap();
    assert_eq!(page.recordings.iter().map(|one| one.id.to_string()).collect::<Vec<_>>(), ids[3..5]);
    assert_eq!(page.total_count, Some(251));
}

fn stay(nth: usize) -> Value {
    json!({"user_id": null, "participant_id": format!("session-{nth}"), "user_name": "Guest", "join_time": 1000 + nth / 2, "duration": 9})
}

#[tokio::test]
async fn all_participants_come_whichever_way_daily_lists_them_and_none_twice() {
    for newest_first in [false, true] {
        for stays in [0, 1, 99, 100, 101, 200, 250] {
            let account = Account::start().await;
            account.stub.set_participants("m", (0..stays).map(stay).collect());
            if newest_first {
                account.stub.list_participants_newest_first();
            }
            let rows = account.run(account.client.participants(&"m".parse().unwrap())).await.unwrap();
            let sessions: BTreeSet<_> = rows.iter().map(|row| row.participant_id.to_string()).collect();
            assert_eq!((rows.len(), sessions.len()), (stays, stays), "newest first: {newest_first}");
        }
    }
}

#[tokio::test]
async fn a_meeting_that_daily_does_not_know_has_no_participants() {
    let account = Account::start().await;
    assert_eq!(account.run(account.client.participants(&"nobody".parse().unwrap())).await.unwrap(), []);
}

#[tokio::test]
async fn h21_a_recording_that_is_not_finished_is_no_error_of_the_client() {
    let account = Account::start().await;
    let ids = account.stub.add_made_up(1, 1_767_000_000, "weekly");
    account.stub.not_finished_for(&ids[0], 1);
    let first = account.run(account.client.recording(&id(&ids[0]))).await.unwrap();
    assert!(first.is_in_progress() && first.duration.is_none() && first.tracks.is_empty());
    assert_eq!(first.require_finished().unwrap_err().class(), FailureClass::Retryable);
    let then = account.run(account.client.recording(&id(&ids[0]))).await.unwrap();
    then.require_finished().unwrap();
    assert_eq!(then.tracks.len(), 1);
}

#[tokio::test]
async fn an_unknown_recording_is_permanent_and_an_odd_id_stays_one_path_segment() {
    let account = Account::start().await;
    for odd in ["gone", "a/b", "..", "?x=1", "ä é", "%2e%2e"] {
        let error = account.run(account.client.recording(&id(odd))).await.unwrap_err();
        assert!(matches!(error, DailyError::Unknown { what: "recording", .. }), "{error}");
        assert_eq!(error.class(), FailureClass::Permanent);
    }
    assert!(account.stub.asked().iter().all(|asked| asked.query.is_empty()));
}

#[tokio::test]
async fn a_refused_key_is_permanent_says_what_to_do_and_is_not_shown() {
    let account = Account::start().await;
    let key = "wrong-key-5e7d";
    let client =
        DailyClient::new(&account.stub.url.parse().unwrap(), Secret::new(key), account.limiter.clone(), TIMEOUTS)
            .unwrap();
    let error = account.run(client.list(&RecordingQuery::default())).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    let text = format!("{error} {error:?}");
    assert!(text.contains("DAILY_API_KEY") && text.contains("401") && text.contains("dashboard"), "{text}");
    assert!(!text.contains(key));
    assert_eq!(account.stub.asked().len(), 1, "a refused key is not tried again");
}

#[tokio::test]
async fn settings_that_can_never_work_are_told_before_anything_is_asked() {
    let account = Account::start().await;
    let new = |base: &str, key: &str| {
        let made = DailyClient::new(&base.parse().unwrap(), Secret::new(key), account.limiter.clone(), TIMEOUTS);
        made.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(new("ftp://api.daily.co/v1", "k").contains("DAILY_API_URL"));
    assert!(new("mailto:daily", "k").contains("DAILY_API_URL"));
    for key in ["", "two words", "line\nbreak", "ключ"] {
        let told = new("https://api.daily.co/v1", key);
        assert!(told.contains("DAILY_API_KEY") && (key.is_empty() || !told.contains(key)), "{told}");
    }
    assert_eq!(new("https://api.daily.co/v1/", "k"), "");
}
