//! From a signed delivery to a finished transcript.

use serde_json::json;

use crate::world::{RECORDINGS, TRANSCRIPTS, World, daily, eventually, fixtures, now, words_heard, words_said};

/// All files below a folder, with their lengths.
fn files(folder: &std::path::Path) -> Vec<(String, u64)> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push((name, path.metadata().unwrap().len()));
            }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn a_signed_delivery_becomes_a_transcript_with_the_right_words_from_the_right_people() {
    let world = World::new().await;
    let recording = world.record("standup");
    let before = files(&world.s3.folder(RECORDINGS));
    let mut serve = world.serve().await;

    let event = daily::ready_event("evt-1", &recording);
    let (status, _) = daily::deliver(&serve.webhook(), "d3Jvbmc=", &now(), &event).await.unwrap();
    assert_eq!(status, 401, "signed with another secret");
    assert_eq!(serve.item(&recording).await, None);
    serve.deliver_ready("evt-1", &recording).await;

    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    assert!(!transcript["title"].as_str().unwrap().is_empty());
    let item = serve.item(&recording).await.unwrap();
    assert_eq!(item["title"], transcript["title"]);

    let made = files(&world.s3.folder(TRANSCRIPTS));
    for ending in [".opus", ".mp3", ".peaks"] {
        let prefix = format!("team/transcripts/{}/", item["id"].as_str().unwrap());
        assert!(made.iter().any(|(key, _)| key.starts_with(&prefix) && key.ends_with(ending)), "{ending}: {made:?}");
    }
    assert_eq!(files(&world.s3.folder(RECORDINGS)), before, "originals stay as they are");
    assert_eq!(world.s3.unfinished_parts(), 0);
    assert!(world.daily.asked().iter().all(|asked| asked.authorized));
    assert_eq!(world.count("SELECT COUNT(*) FROM runs WHERE parent_run IS NULL").await, 1);
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended' AND origin = 'webhook'";
    eventually("the request ends", async || (world.count(ended).await == 1).then_some(())).await;
    assert_eq!(serve.terminate(), Some(0));
}

#[tokio::test]
async fn late_denials_delete_the_audio_at_once_and_for_good() {
    let world = World::new().await;
    let recording = world.record("standup");
    let mut serve = world.serve().await;
    serve.deliver_ready("evt-1", &recording).await;
    let transcript = serve.ended(&recording).await;
    let id = recording["id"].as_str().unwrap();
    let item = serve.item(&recording).await.unwrap();
    // Over, though nobody has looked yet whether it is.
    let over = "SELECT COUNT(*) FROM runs WHERE parent_run IS NULL AND status = 'completed'";
    eventually("the run is over", async || (world.count(over).await == 1).then_some(())).await;

    let who: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixtures().join("meetings/standup/participants.json")).unwrap()).unwrap();
    let who = who["data"][1]["participant_id"].as_str().unwrap();
    let (status, told) = serve.put(&format!("/v1/recordings/{id}/consent"), &json!({who: false})).await;
    assert_eq!((status, &told["audio"][id]), (200, &json!("deleted")), "{told}");
    assert_eq!(files(&world.s3.folder(RECORDINGS)), [], "the recording's own files");
    assert_eq!(files(&world.s3.folder(TRANSCRIPTS)), [], "what was made of audio");
    let after = serve.ended(&recording).await;
    assert_eq!(words_heard(&after), words_heard(&transcript), "text stays");

    let (status, refused) =
        serve.post(&format!("/v1/transcripts/{}/process", item["id"].as_str().unwrap()), &json!({})).await;
    assert!(matches!(status, 409 | 410), "{status} {refused}");
    assert!(refused["detail"].as_str().unwrap().contains("deleted"), "{refused}");
    assert_eq!(serve.item(&recording).await.unwrap()["status"], "ended");
}

#[tokio::test]
async fn what_was_missed_is_found_by_polling_and_what_is_asked_for_again_is_made_again() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.insert("POLL_INTERVAL".to_owned(), "1s".to_owned());
    let mut serve = world.serve_with(&settings).await;
    eventually("the poller begins", async || (world.count("SELECT COUNT(*) FROM cursors").await > 0).then_some(()))
        .await;
    let recording = world.record_now("standup");
    serve.ended(&recording).await;
    let item = serve.item(&recording).await.unwrap();
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended' AND origin = 'poller'";
    eventually("the request ends", async || (world.count(ended).await == 1).then_some(())).await;

    let path = format!("/v1/transcripts/{}/process", item["id"].as_str().unwrap());
    let (status, told) = serve.post(&path, &json!({"notify": "none"})).await;
    assert_eq!(status, 202, "{told}");
    let again = "SELECT COUNT(*) FROM runs WHERE parent_run IS NULL AND status = 'completed'";
    eventually("the second run ends", async || (world.count(again).await == 2).then_some(())).await;
    let windows = "SELECT COUNT(*) FROM speech_windows";
    let kept = world.count(windows).await;
    assert!(kept > 0);
    assert_eq!(words_heard(&serve.ended(&recording).await), words_said("standup"));
    assert_eq!(world.count(windows).await, kept, "nothing is heard twice");
}
