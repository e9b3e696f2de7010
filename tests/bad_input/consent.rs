//! Somebody said no: text stays, audio goes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::meeting::{BOB, BOB_ID, BOB_SAYS, Meeting, daily_name, track};

const DENIED: &str = "{\"ca032fa5-872c-4a65-b00f-db1c5e85d8b3\": false}";

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[track_caller]
fn has_no_audio(meeting: &Meeting) {
    assert_eq!(meeting.transcript().0["audio"], Value::Null);
    assert_eq!(files_below(&meeting.hidden().join("objects")), [""; 0]);
    for name in ["audio.mp3", "waveform.json"] {
        assert!(!meeting.out().join(name).exists(), "{name}");
    }
    assert_eq!(meeting.transcript().said_by(BOB_ID), BOB_SAYS);
}

#[test]
fn u1_u2_u3_a_denial_deletes_all_audio_keeps_the_text_and_names_the_originals_that_remain() {
    let meeting = Meeting::of_bob();
    let (screen, camera) = (daily_name(1, "screen-audio"), daily_name(1, "cam-video"));
    meeting.write(&screen, &track(BOB));
    meeting.write(&camera, b"a picture");
    meeting.list(&[("audio", BOB), ("audio", &screen), ("video", &camera), ("video", &daily_name(2, "cam-video"))]);
    meeting.write("consent.json", DENIED.as_bytes());
    let ended = meeting.replay(&[]).completed();
    has_no_audio(&meeting);
    for left in [BOB, &screen, &camera] {
        assert!(ended.stdout.contains(&format!("domain/room/{left}")), "{left}: {}", ended.stdout);
        assert!(meeting.dir().join(left).exists());
    }
    assert!(!ended.stdout.contains(&daily_name(2, "cam-video")), "it is not there: {}", ended.stdout);
    assert!(ended.stdout.contains("did not consent"), "{}", ended.stdout);
}

#[test]
fn u3_a_later_denial_deletes_the_audio_that_was_made_before_and_it_stays_away() {
    let meeting = Meeting::of_bob();
    let allowed = meeting.replay(&["--json"]).completed().json();
    assert!(meeting.out().join("audio.mp3").exists());
    assert!(!files_below(&meeting.hidden().join("objects")).is_empty());

    meeting.write("consent.json", DENIED.as_bytes());
    let denied = meeting.replay(&["--json"]).completed().json();
    assert_ne!(denied["run_id"], allowed["run_id"]);
    assert_eq!(denied["transcript"]["words"], allowed["transcript"]["words"]);
    has_no_audio(&meeting);

    // The allowed run is finished, and its input is what it was: nothing of it may come back.
    fs::remove_file(meeting.dir().join("consent.json")).unwrap();
    meeting.replay(&[]).completed();
    has_no_audio(&meeting);
    meeting.replay(&["--again"]).completed();
    has_no_audio(&meeting);

    // A file that is gone takes nothing back. A plain yes does.
    meeting.write("consent.json", DENIED.replace("false", "true").as_bytes());
    meeting.replay(&[]).completed();
    assert!(meeting.out().join("audio.mp3").exists());
}
