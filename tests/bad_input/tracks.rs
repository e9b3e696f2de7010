//! Tracks that can't be used, or not whole. One meeting holds them all, and is replayed once.

use std::sync::LazyLock;

use serde_json::json;

use crate::meeting::{BOB, BOB_ID, BOB_SAYS, Ended, GRACE, Meeting, Transcript, daily_name, track};
use crate::webm;

const SENTENCES: [&str; 4] = [
    "Hello Bob, please open the design document.",
    "Are you back now?",
    "No problem, we have twenty minutes for the roadmap.",
    "When can your team start the migration?",
];
/// 20 ms and 2.5 ms of nothing, as libopus codes them.
const SILENCE: &[u8] = &[0xF8, 0xFF, 0xFE];
const SHORTEST: &[u8] = &[0xE0, 0xFF, 0xFE];

struct Damaged {
    ended: Ended,
    transcript: Transcript,
}

static DAMAGED: LazyLock<Damaged> = LazyLock::new(|| {
    let meeting = Meeting::of_bob();
    let grace = track(GRACE);
    let mut corrupt = grace.clone();
    let middle = corrupt.len() / 2;
    for (at, byte) in corrupt[middle..middle + 3000].iter_mut().enumerate() {
        *byte = (at * 73 + 5) as u8;
    }
    let silence: Vec<(i16, &[u8])> = (0..200).map(|at| (20 * at, SILENCE)).collect();
    let tracks = [
        (name(1), b"these are notes, not a track".to_vec()),
        (name(2), Vec::new()),
        (name(3), webm::video_only()),
        (name(4), grace[..grace.len() * 6 / 10].to_vec()),
        (name(5), corrupt),
        (name(6), webm::opus(2000, &silence)),
        (name(7), webm::opus(2700, &[(0, SHORTEST)])),
        (name(8), webm::opus(0, &[])),
        ("guest.webm".to_owned(), track(BOB)),
    ];
    let mut listed = vec![("audio", BOB)];
    for (name, bytes) in &tracks {
        meeting.write(name, bytes);
        listed.push(("audio", name));
    }
    meeting.list_for(37, &listed);
    let ended = meeting.replay(&[]).completed();
    Damaged { ended, transcript: meeting.transcript() }
});

fn name(participant: u8) -> String {
    daily_name(participant, "cam-audio")
}

fn id(participant: u8) -> String {
    format!("0000000{participant}-872c-4a65-b00f-db1c5e85d8b3")
}

/// The track is noted with this reason, in the transcript and in the summary, and gave no words.
#[track_caller]
fn unusable(participant: u8, reason: &str) {
    let noted = DAMAGED.transcript.incomplete(&name(participant));
    assert!(noted.as_ref().is_some_and(|noted| noted.contains(reason)), "{noted:?}");
    assert_eq!(DAMAGED.transcript.said_by(&id(participant)), "");
    assert!(DAMAGED.ended.stdout.contains(&noted.unwrap()), "{}", DAMAGED.ended.stdout);
}

#[test]
fn a_track_that_is_not_media_is_noted() {
    unusable(1, "not a WebM or Ogg file");
}

#[test]
fn an_empty_track_is_noted() {
    unusable(2, "the file is empty");
}

#[test]
fn a_track_without_an_audio_stream_is_noted() {
    unusable(3, "no audio stream");
}

#[test]
fn the_other_tracks_of_a_meeting_with_bad_ones_go_on() {
    assert_eq!(DAMAGED.transcript.said_by(BOB_ID), BOB_SAYS);
    assert_eq!(DAMAGED.transcript.incomplete(BOB), None);
    assert_eq!(DAMAGED.transcript.0["status"], "ended");
}

#[test]
fn a_track_that_was_cut_short_is_used_up_to_the_cut() {
    let noted = DAMAGED.transcript.incomplete(&name(4)).unwrap();
    assert!(noted.contains("cut short at 27"), "{noted}");
    let said = DAMAGED.transcript.said_by(&id(4));
    assert!(said.starts_with(&SENTENCES[..2].join(" ")), "{said}");
    assert!(!said.contains("migration"), "{said}");
}

#[test]
fn a_corrupt_cluster_costs_only_itself() {
    let noted = DAMAGED.transcript.incomplete(&name(5)).unwrap();
    assert!(noted.contains("damaged at 24"), "{noted}");
    assert_eq!(DAMAGED.transcript.said_by(&id(5)), SENTENCES.join(" "));
}

#[test]
fn a_track_of_pure_silence_has_no_words_and_is_no_error() {
    assert_eq!(DAMAGED.transcript.said_by(&id(6)), "");
    assert_eq!(DAMAGED.transcript.incomplete(&name(6)), None);
}

#[test]
fn a_track_shorter_than_one_packet_has_no_words_and_is_no_error() {
    for participant in [7, 8] {
        assert_eq!(DAMAGED.transcript.said_by(&id(participant)), "");
        assert_eq!(DAMAGED.transcript.incomplete(&name(participant)), None);
    }
}

#[test]
fn a_track_with_a_name_of_its_own_is_a_speaker_of_its_own_on_the_packets_clock() {
    let transcript = &DAMAGED.transcript;
    let participants = transcript.0["participants"].as_array().unwrap();
    let known: Vec<String> = (1..9).map(id).chain([BOB_ID.to_owned()]).collect();
    let own: Vec<&str> =
        participants.iter().filter_map(|who| who["id"].as_str()).filter(|id| !known.iter().any(|k| k == id)).collect();
    let [own] = own[..] else { panic!("{participants:?}") };
    assert_eq!(transcript.said_by(own), BOB_SAYS);
    let start = |id: &str| {
        let speaker = &transcript.participant(id)["speaker"];
        let words = transcript.0["words"].as_array().unwrap();
        words.iter().find(|word| word["speaker"] == *speaker).unwrap()["start"].as_f64().unwrap()
    };
    assert_eq!(start(own), start(BOB_ID));
    let note = "guest.webm: the name is not in Daily's format";
    assert!(DAMAGED.ended.stdout.contains(note), "{}", DAMAGED.ended.stdout);
}

#[test]
fn a_meeting_without_any_readable_track_fails_for_good_and_says_why() {
    let meeting = Meeting::empty();
    meeting.write(&name(1), b"these are notes, not a track");
    meeting.write(&name(2), b"");
    meeting.list(&[("audio", &name(1)), ("audio", &name(2))]);
    let ended = meeting.replay(&["--json"]).with(1, &[]);
    let message = ended.failure(json!("process_tracks"), "permanent");
    assert!(message.contains("none of the 2 tracks can be read") && message.contains(&name(1)), "{message}");
    assert!(!meeting.out().join("transcript.json").exists());
}
