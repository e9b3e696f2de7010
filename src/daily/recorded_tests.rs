//! What recorded folders do with good and bad input.

use std::fs;

use super::*;
use crate::failure::{Failure, FailureClass};

const ALICE: &str = "1767603600250-bd299753-a767-4796-b3f7-78aaf6fa5db8-cam-audio-1767603601370";
const BOB: &str = "1767603600250-9f8558a6-2851-4867-a66b-0d389d95847e-cam-audio-1767603602730";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings").join(name)
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn open_error(files: &[(&str, &str)]) -> DailyError {
    RecordedFolder::open(folder(files).path()).unwrap_err()
}

#[tokio::test]
async fn every_fixture_answers_as_daily_would() {
    for (name, tracks, rows) in [("standup", 3, 3), ("edge", 7, 5), ("rejoin", 6, 6), ("wild", 5, 4)] {
        let folder = RecordedFolder::open(&fixture(name)).unwrap();
        let recording = folder.recording(&folder.only_recording().id.clone()).await.unwrap();
        assert_eq!(recording.tracks.len(), tracks, "{name}");
        let meeting = recording.meeting_id.clone().unwrap();
        assert_eq!(folder.participants(&meeting).await.unwrap().len(), rows, "{name}");
        folder.require_speech_tracks().unwrap();
        assert!(folder.consent().denied().next().is_none());
        assert_eq!(folder.notes(), ["ignored, not listed in the recording: truth.json"]);
        assert!(folder.recording(&"other".parse().unwrap()).await.is_err());
    }
}

#[test]
fn a_track_is_found_with_or_without_its_extension() {
    let recording = format!(r#"{{"id":"r","tracks":[{{"s3Key":"d/r/{ALICE}"}},{{"s3Key":"d/r/{BOB}.webm"}}]}}"#);
    let dir = folder(&[("recording.json", &recording), (&format!("{ALICE}.webm"), "a"), (BOB, "b")]);
    let folder = RecordedFolder::open(dir.path()).unwrap();
    folder.require_speech_tracks().unwrap();
    assert!(folder.locate(&format!("d/r/{ALICE}")).unwrap().ends_with(format!("{ALICE}.webm")));
    assert!(folder.track_file(&format!("elsewhere/{BOB}.webm")).unwrap().ends_with(BOB));
    assert_eq!(folder.files().len(), 3);
}

#[test]
fn without_recording_json_the_tracks_are_found_by_their_names_and_make_one_stable_id() {
    let files = [(ALICE, "a"), (&format!("{BOB}.webm"), "b"), ("notes.txt", "x")];
    let (one, two) = (folder(&files), folder(&files));
    let (one, two) = (RecordedFolder::open(one.path()).unwrap(), RecordedFolder::open(two.path()).unwrap());
    assert_eq!(one.only_recording(), two.only_recording());
    let recording = one.only_recording();
    assert_eq!((recording.tracks.len(), recording.duration), (2, None));
    assert_eq!(recording.start_ts, Some(1_767_603_600.25));
    assert_eq!(recording.meeting_id.as_ref().unwrap().as_str(), recording.id.as_str());
    let notes = one.notes().join("\n");
    assert!(notes.contains("no recording.json: 2 track files"), "{notes}");
    assert!(notes.contains("no participants.json") && notes.contains("notes.txt"), "{notes}");
    let renamed = folder(&[(&format!("{ALICE}.webm"), "a"), (BOB, "b")]);
    let renamed = RecordedFolder::open(renamed.path()).unwrap();
    assert_eq!(renamed.only_recording().id, recording.id, "an extension makes no other recording");
}

#[test]
fn a_folder_with_no_track_at_all_is_bad_input() {
    let error = open_error(&[("a.webm", "a"), ("notes.txt", "x")]);
    assert!(error.is_bad_input() && matches!(error, DailyError::NothingRecorded { .. }), "{error}");
    let error = RecordedFolder::open(Path::new("/nonexistent/folder")).unwrap_err();
    assert!(error.is_bad_input() && error.to_string().contains("/nonexistent/folder"), "{error}");
}

#[test]
fn malformed_json_is_bad_input_that_names_file_and_field() {
    let table = [
        ([("recording.json", "{"), (ALICE, "a")], "recording.json: not JSON"),
        ([("recording.json", r#"{"tracks":[]}"#), (ALICE, "a")], "recording.json: id: missing"),
        (
            [("participants.json", r#"{"data":[{}]}"#), (ALICE, "a")],
            "participants.json: data[0].participant_id: missing",
        ),
        ([("consent.json", r#"{"u":1}"#), (ALICE, "a")], "consent.json: u: invalid type"),
    ];
    for (files, message) in table {
        let error = open_error(&files);
        assert!(error.is_bad_input() && error.to_string().starts_with(message), "{error}");
        assert_eq!(error.class(), FailureClass::Permanent);
    }
}

#[test]
fn an_absent_microphone_is_permanent_and_named_while_absent_video_and_screens_do_not_matter() {
    let screen = ALICE.replace("cam-audio", "screen-audio");
    let video = ALICE.replace("cam-audio", "cam-video");
    let listed = |keys: &[&str]| {
        let tracks: Vec<String> = keys.iter().map(|key| format!(r#"{{"s3Key":"d/r/{key}"}}"#)).collect();
        format!(r#"{{"id":"r","tracks":[{}]}}"#, tracks.join(","))
    };
    let dir = folder(&[("recording.json", &listed(&[ALICE, &screen, &video])), (ALICE, "a")]);
    RecordedFolder::open(dir.path()).unwrap().require_speech_tracks().unwrap();

    let dir = folder(&[("recording.json", &listed(&[ALICE, BOB])), (ALICE, "a")]);
    let error = RecordedFolder::open(dir.path()).unwrap().require_speech_tracks().unwrap_err();
    assert!(error.to_string().contains(&format!("d/r/{BOB}")), "{error}");
    assert!(!error.is_bad_input() && error.class() == FailureClass::Permanent);

    let dir = folder(&[("recording.json", &listed(&[&screen, &video])), (&screen, "a")]);
    let error = RecordedFolder::open(dir.path()).unwrap().require_speech_tracks().unwrap_err();
    assert!(matches!(error, DailyError::NoSpeechTrack { .. }) && !error.is_bad_input(), "{error}");
}

#[cfg(unix)]
#[test]
fn nothing_outside_the_folder_is_ever_located() {
    let outside = folder(&[("secret", "s")]);
    let dir = folder(&[(ALICE, "a")]);
    let secret = outside.path().join("secret");
    std::os::unix::fs::symlink(&secret, dir.path().join(BOB)).unwrap();
    std::os::unix::fs::symlink(dir.path().join(ALICE), dir.path().join("inside")).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let opened = RecordedFolder::open(dir.path()).unwrap();
    for key in [BOB, "..", ".", "", "/", "folder", "../secret", "a/../../secret", secret.to_str().unwrap(), "x\0y"] {
        assert_eq!(opened.locate(key), None, "{key:?}");
    }
    assert!(opened.locate("inside").is_some());
    assert_eq!(opened.only_recording().tracks.len(), 1);
    assert!(opened.notes().iter().any(|note| note.contains("lead out of the folder") && note.contains(BOB)));
}
