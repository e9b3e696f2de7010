//! The commands as people run them, against the stub.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::fetching::Place;
use crate::stub::{API_KEY, StubDaily, WEBHOOK_SECRET};

/// Runs `trackscribe` with the stub's address and key, in an empty folder of its own.
async fn trackscribe(stub: &StubDaily, folder: &Path, settings: &[(&str, &str)], args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trackscribe"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("DAILY_API_URL", &stub.url)
        .env("DAILY_API_KEY", API_KEY)
        .envs(settings.iter().copied())
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!text(&output.stderr).contains(API_KEY));
    text(&output.stdout)
}

#[tokio::test]
async fn a_subscription_is_created_shown_and_deleted_and_its_secret_is_printed_once() {
    let (stub, folder) = (StubDaily::start().await, tempfile::tempdir().unwrap());
    let url = "https://transcripts.example.com/v1/daily/webhook";
    let create = ["daily", "webhook", "create", "--url", url];
    let told = succeeded(&trackscribe(&stub, folder.path(), &[], &create).await);
    assert!(told.contains(&format!("DAILY_WEBHOOK_SECRET={WEBHOOK_SECRET}")), "{told}");
    assert!(told.contains(&format!("DAILY_WEBHOOK_URL={url}\n")), "{told}");
    let id = stub.webhooks()[0]["uuid"].as_str().unwrap().to_owned();

    let again = trackscribe(&stub, folder.path(), &[], &create).await;
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("already") && text(&again.stderr).contains(&id));
    assert_eq!(stub.webhooks().len(), 1);

    stub.fail_webhook(&id);
    let listed = succeeded(&trackscribe(&stub, folder.path(), &[], &["daily", "webhook", "list"]).await);
    assert!(listed.contains(&id) && listed.contains("FAILED, 3 failed in a row") && listed.contains(url), "{listed}");
    assert!(!listed.contains(WEBHOOK_SECRET));

    succeeded(&trackscribe(&stub, folder.path(), &[], &["daily", "webhook", "delete", &id]).await);
    assert!(stub.webhooks().is_empty());
    let gone = trackscribe(&stub, folder.path(), &[], &["daily", "webhook", "delete", &id]).await;
    assert_eq!(gone.status.code(), Some(2));
}

#[tokio::test]
async fn a_secret_that_is_set_already_is_given_to_daily_and_not_printed() {
    let (stub, folder) = (StubDaily::start().await, tempfile::tempdir().unwrap());
    let own = "b3duLXNlY3JldC0wMDAwMDAwMDAwMDAwMDAwMDAwMDE=";
    let settings =
        [("DAILY_WEBHOOK_SECRET", own), ("DAILY_WEBHOOK_URL", "https://transcripts.example.com/v1/daily/webhook")];
    let told = succeeded(&trackscribe(&stub, folder.path(), &settings, &["daily", "webhook", "create"]).await);
    assert!(!told.contains(own) && told.contains("DAILY_WEBHOOK_SECRET as it is set here"), "{told}");
    assert!(!told.contains("DAILY_WEBHOOK_URL"), "it is set already: {told}");
    assert_eq!(stub.webhooks()[0]["hmac"], own);
}

#[tokio::test]
async fn recordings_are_listed_and_fetched_for_replay() {
    let stub = StubDaily::start().await;
    let place = Place::of(&stub, "standup");
    stub.add_made_up(2, 1_767_000_000, "weekly");
    let root = place.root.path();
    let table = succeeded(&trackscribe(&stub, root, &[], &["recordings", "list", "--limit", "2"]).await);
    assert!(table.lines().count() == 3 && table.lines().nth(1).unwrap().contains("fixture-standup"), "{table}");
    let json = ["recordings", "list", "--json", "--room", "weekly", "--since", "2025-01-01"];
    let listed: Value = serde_json::from_str(&succeeded(&trackscribe(&stub, root, &[], &json).await)).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][0]["type"], "raw-tracks");

    let fetch = ["recordings", "fetch", place.id(), "fetched", "--anonymise"];
    let unset = trackscribe(&stub, root, &[], &fetch).await;
    assert_eq!(unset.status.code(), Some(2));
    assert!(text(&unset.stderr).contains("DAILY_STORAGE_URL"), "{}", text(&unset.stderr));
    let tracks = format!("file://{}", place.bucket().display());
    let told = succeeded(&trackscribe(&stub, root, &[("DAILY_STORAGE_URL", &tracks)], &fetch).await);
    assert!(told.contains("3 tracks") && told.contains("trackscribe replay fetched"), "{told}");
    trackscribe::daily::RecordedFolder::open(&place.dir()).unwrap().require_speech_tracks().unwrap();
}

#[tokio::test]
async fn what_must_be_set_is_asked_for() {
    let (stub, folder) = (StubDaily::start().await, tempfile::tempdir().unwrap());
    for (value, says) in [("", "DAILY_API_KEY is not set"), ("wrong", "dashboard")] {
        let ended = trackscribe(&stub, folder.path(), &[("DAILY_API_KEY", value)], &["recordings", "list"]).await;
        assert_eq!(ended.status.code(), Some(2), "{}", text(&ended.stderr));
        assert!(text(&ended.stderr).contains(says), "{}", text(&ended.stderr));
    }
}
