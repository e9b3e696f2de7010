//! Folders that are not as Daily's API and bucket leave them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::meeting::{BOB, BOB_ID, BOB_SAYS, GRACE, MODEL, Meeting, TRACKSCRIBE, daily_name, track};

#[test]
fn without_recording_json_tracks_are_found_by_their_names_with_and_without_webm() {
    let meeting = Meeting::of_bob();
    let short = "1767776400004-ecde8b73-482c-4495-8ba8-59a099c566c6-cam-audio-1767776417404.webm";
    meeting.write(short.trim_end_matches(".webm"), &track(short));
    let ended = meeting.replay(&["--name", &format!("{BOB_ID}=Robert")]).completed();
    assert!(ended.stdout.contains("no recording.json: 2 track files were found by their names"), "{}", ended.stdout);
    let transcript = meeting.transcript();
    assert_eq!(transcript.participant(BOB_ID)["name"], "Robert");
    assert_eq!(transcript.participant("ecde8b73-482c-4495-8ba8-59a099c566c6")["name"], "Speaker 2");
    assert_eq!(transcript.said_by(BOB_ID), BOB_SAYS);
}

#[test]
fn without_any_track_nothing_is_begun() {
    let meeting = Meeting::empty();
    meeting.write("notes.txt", b"no track");
    let ended = meeting.replay(&["--json"]).with(2, &["no recording.json"]);
    let message = ended.failure(Value::Null, "permanent");
    assert!(message.contains("no file named as Daily names its tracks"), "{message}");
    assert!(!meeting.out().exists());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let meeting = Meeting::of_bob();
    let mut command = Command::new(TRACKSCRIBE);
    command.args(["replay", "no/such/folder", "--model", MODEL]).arg("--out").arg(meeting.out());
    meeting.ended(command).with(2, &["no/such/folder"]);
    assert!(!meeting.out().exists());
}

#[test]
fn json_that_can_not_be_read_names_file_and_field_before_any_work() {
    let table = [
        ("recording.json", "{\"id\": \"r\",", "recording.json: not JSON"),
        ("recording.json", "{\"tracks\": []}", "recording.json: id: missing"),
        (
            "recording.json",
            "{\"id\":\"r\",\"tracks\":[{\"type\":\"audio\"}]}",
            "recording.json: tracks[0].s3Key: missing",
        ),
        ("recording.json", "{\"id\":\"r\",\"tracks\":[{\"s3Key\":7}]}", "recording.json: tracks[0].s3Key: "),
        ("recording.json", "", "recording.json: "),
        (
            "participants.json",
            "{\"data\":[{\"user_name\":\"Bob\"}]}",
            "participants.json: data[0].participant_id: missing",
        ),
        ("participants.json", "\u{FFFD}", "participants.json: not JSON"),
        ("consent.json", "{\"user-bob\":\"no\"}", "consent.json: user-bob: "),
    ];
    for (file, body, expected) in table {
        let meeting = Meeting::of_bob();
        meeting.list(&[("audio", BOB)]);
        meeting.write(file, body.as_bytes());
        meeting.replay(&[]).with(2, &[expected]);
        assert!(!meeting.out().exists(), "{file}: {body}");
    }
}

#[test]
fn a_name_that_was_cut_in_the_middle_of_an_emoji_is_read() {
    let meeting = Meeting::of_bob();
    let recording = json!({"id": "recording-1", "start_ts": 1_767_776_400, "duration": 20, "mtgSessionId": "m-1",
        "tracks": [{"type": "audio", "s3Key": format!("domain/room/{BOB}")}]});
    meeting.write("recording.json", recording.to_string().as_bytes());
    let people = format!(r#"{{"data":[{{"participant_id":"{BOB_ID}","user_name":"Bob \ud83d"}}]}}"#);
    meeting.write("participants.json", people.as_bytes());
    meeting.replay(&[]).completed();
    assert_eq!(meeting.transcript().participant(BOB_ID)["name"], "Bob \u{fffd}");
}

#[test]
fn a_recording_without_a_microphone_fails_for_good_and_says_so() {
    let meeting = Meeting::of_bob();
    meeting.list(&[("video", &daily_name(1, "cam-video")), ("audio", &daily_name(2, "screen-audio"))]);
    let ended = meeting.replay(&["--json"]).with(1, &[]);
    let message = ended.failure(json!("get_recording"), "permanent");
    assert!(message.contains("recording-1 has no cam-audio track"), "{message}");
}

#[test]
fn a_microphone_that_is_listed_and_absent_fails_for_good_and_names_the_key() {
    let meeting = Meeting::of_bob();
    let absent = daily_name(1, "cam-audio");
    meeting.list(&[("audio", BOB), ("audio", &absent)]);
    let ended = meeting.replay(&["--json"]).with(1, &[]);
    let message = ended.failure(json!("get_recording"), "permanent");
    assert!(message.contains(&format!("domain/room/{absent}")), "{message}");
    assert!(!meeting.out().join("transcript.json").exists());

    // The folder's own notes may explain it: here the file that nobody listed.
    meeting.write("renamed.webm", b"");
    meeting.replay(&[]).with(1, &["failed in get_recording", "not listed in the recording: renamed.webm"]);
    fs::remove_file(meeting.dir().join("renamed.webm")).unwrap();

    // Mended, the same command goes through. The file is found without its extension too.
    meeting.write(absent.trim_end_matches(".webm"), &track(GRACE)[..20_000]);
    meeting.replay(&[]).completed();
    assert_eq!(meeting.transcript().said_by(BOB_ID), BOB_SAYS);
}

#[test]
fn absent_pictures_and_unlisted_files_do_not_matter() {
    let meeting = Meeting::of_bob();
    meeting.write("holiday.webm", b"not part of this");
    meeting.write(&daily_name(3, "cam-audio"), &track(GRACE));
    meeting.list(&[
        ("video", &daily_name(1, "cam-video")),
        ("audio", BOB.trim_end_matches(".webm")),
        ("audio", &daily_name(1, "screen-audio")),
        ("video", &daily_name(1, "screen-video")),
    ]);
    let ended = meeting.replay(&[]).completed();
    let ignored = format!("ignored, not listed in the recording: {}, holiday.webm", daily_name(3, "cam-audio"));
    assert!(ended.stdout.contains(&ignored), "{}", ended.stdout);
    let transcript = meeting.transcript();
    assert_eq!(transcript.0["incomplete_tracks"], json!([]));
    assert_eq!(transcript.0["participants"].as_array().unwrap().len(), 1);
    assert_eq!(transcript.said_by(BOB_ID), BOB_SAYS);
}
