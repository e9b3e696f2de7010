//! Every fixture meeting's truth goes the way a run's words go (recorded folder, speakers, merge, segments) and is
//! written in every format; independent readers, ours written from the specifications and ffmpeg's, then say whether the
//! files are what they claim to be and hold what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use trackscribe::daily::{DailySource, RecordedFolder, recording_start, recording_tracks};
use trackscribe::transcript::{
    ActionItems, Backends, FORMATS, IncompleteTrack, Participant, Roster, ScoreSide, Speakers, SpeechTrack, SpokenWord,
    Status, Stay, TranscriptDocument, WordMerger, meeting_duration, score, segments, talk_times, to_json, to_markdown,
    to_rttm, to_srt, to_text, to_vtt,
};

const MEETINGS: [&str; 4] = ["standup", "edge", "rejoin", "wild"];

fn folder(meeting: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings").join(meeting)
}

fn truth(meeting: &str) -> Value {
    serde_json::from_slice(&fs::read(folder(meeting).join("truth.json")).unwrap()).unwrap()
}

async fn speakers(meeting: &str) -> (RecordedFolder, Speakers) {
    let recorded = RecordedFolder::open(&folder(meeting)).unwrap();
    let recording = recorded.only_recording().clone();
    let rows = recorded.participants(recording.meeting_id.as_ref().unwrap()).await.unwrap();
    let stays = rows.into_iter().map(|row| Stay {
        session: row.participant_id,
        user_id: row.user_id,
        name: row.user_name,
        joined: row.join_time,
        duration: row.duration,
    });
    let tracks = recording_tracks(&recording)
        .into_iter()
        .filter(|track| track.kind.is_speech())
        .map(|track| SpeechTrack { track: track.key, session: track.participant, start: track.offset.unwrap() });
    let roster = Roster {
        recording_start: recording_start(&recording).unwrap(),
        stays: stays.collect(),
        tracks: tracks.collect(),
    };
    let speakers = Speakers::of(&roster, &BTreeMap::new());
    (recorded, speakers)
}

/// The meeting as a perfect recogniser would have it.
async fn document(meeting: &str) -> TranscriptDocument {
    let (recorded, speakers) = speakers(meeting).await;
    let by_id = speakers.by_id();
    let truth = truth(meeting);
    let mut merger = WordMerger::new();
    for word in truth["words"].as_array().unwrap() {
        let spoken = SpokenWord {
            text: word["display"].as_str().unwrap().to_owned(),
            start: word["start"].as_f64().unwrap(),
            end: word["end"].as_f64().unwrap(),
            probability: 0.9,
        };
        merger.add_track(by_id[word["participant_id"].as_str().unwrap()], [spoken]);
    }
    let words = merger.finish();
    let segments = segments(&words);
    let talk_times = talk_times(&segments, speakers.speakers.len());
    let participant = |who: &trackscribe::transcript::Speaker| Participant {
        id: who.id.clone(),
        name: who.name.clone(),
        speaker: who.speaker,
        talk_time: talk_times[who.speaker],
        sessions: who.sessions.iter().map(|session| session.id.clone()).collect(),
    };
    TranscriptDocument {
        schema_version: 1,
        id: "0193-test".parse().unwrap(),
        title: meeting.to_owned(),
        status: Status::Ended,
        language: "en".to_owned(),
        backends: Backends { speech: "truth".to_owned(), language: "extractive".to_owned() },
        duration: meeting_duration(recorded.only_recording().duration, 0.0),
        participants: speakers.speakers.iter().map(participant).collect(),
        words,
        segments,
        topics: vec![],
        short_summary: String::new(),
        long_summary: String::new(),
        action_items: ActionItems::default(),
        incomplete_tracks: vec![],
        audio: None,
    }
}

#[tokio::test]
async fn u5_u6_every_fixtures_speakers_are_its_people_in_order_of_appearance() {
    let names = |speakers: &Speakers| speakers.speakers.iter().map(|who| who.name.clone()).collect::<Vec<_>>();
    let expected: [(&str, &[&str]); 4] = [
        ("standup", &["Alice", "Bob", "Carol"]),
        ("edge", &["Grace", "Bob", "Frank", "Erin"]),
        ("rejoin", &["Carol", "Bob", "Dave"]),
        ("wild", &["Alice", "Dave", "Erin", "Frank"]),
    ];
    for (meeting, people) in expected {
        let (_, speakers) = speakers(meeting).await;
        assert_eq!(names(&speakers), people, "{meeting}");
        // Each track is its owner's, whatever the order of the lists.
        let by_track = speakers.by_track();
        let truth = truth(meeting);
        let speech = truth["tracks"].as_array().unwrap().iter().filter(|track| track["kind"] == "cam-audio");
        for track in speech {
            let file = track["file"].as_str().unwrap();
            let (_, speaker) = by_track.iter().find(|(key, _)| key.ends_with(file)).unwrap();
            assert_eq!(speakers.speakers[*speaker].name, track["user_name"].as_str().unwrap(), "{file}");
        }
    }
    let (_, rejoin) = speakers("rejoin").await;
    assert_eq!(rejoin.speakers.iter().map(|who| who.sessions.len()).collect::<Vec<_>>(), [1, 3, 2]);
}

#[tokio::test]
async fn the_truth_scores_perfectly_against_itself_by_another_numbering_of_speakers() {
    for meeting in MEETINGS {
        let hypothesis = ScoreSide::parse("hyp", to_json(&document(meeting).await).as_bytes()).unwrap();
        let reference = ScoreSide::parse("truth", &fs::read(folder(meeting).join("truth.json")).unwrap()).unwrap();
        let score = score(&hypothesis, &reference, 0.0);
        assert_eq!((score.words.error_rate, score.attribution.accuracy), (Some(0.0), Some(1.0)), "{meeting}\n{score}");
        assert_eq!(score.word_start_error.as_ref().unwrap().p90, 0.0);
        assert!(score.diarization.error_rate.unwrap() < 0.01, "{meeting}\n{score}");
        assert_eq!(score.diarization.confusion, 0.0, "{meeting}");
    }
}

/// What a cue says: milliseconds, voice, text.
type Cue = (u64, u64, String, String);

fn expected_cues(document: &TranscriptDocument) -> Vec<Cue> {
    let millis = |seconds: f64| (seconds * 1000.0).round() as u64;
    let cue = |segment: &trackscribe::transcript::Segment| {
        let name = document.participants[segment.speaker].name.clone();
        (millis(segment.start), millis(segment.end), name, segment.text.clone())
    };
    document.segments.iter().map(cue).collect()
}

fn stamp(text: &str, point: char) -> u64 {
    let (clock, millis) = text.split_once(point).unwrap();
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    assert!(parts.len() == 3 && millis.len() == 3 && parts[1] < 60 && parts[2] < 60, "{text}");
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + millis.parse::<u64>().unwrap()
}

/// Reads strictly: anything the specification does not allow, or that we do not write, is a panic.
fn read_vtt(text: &str) -> Vec<Cue> {
    let mut blocks = text.strip_suffix('\n').unwrap().split("\n\n");
    assert_eq!(blocks.next(), Some("WEBVTT"));
    let unescape = |text: &str| {
        assert!(!text.contains(['<', '>']), "{text}");
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    let cues: Vec<Cue> = blocks
        .map(|block| {
            let (times, payload) = block.split_once('\n').unwrap();
            let (start, end) = times.split_once(" --> ").unwrap();
            let (voice, said) = payload.strip_prefix("<v ").unwrap().split_once('>').unwrap();
            assert!(!payload.contains('\n') && !payload.contains("-->"), "{block}");
            (stamp(start, '.'), stamp(end, '.'), unescape(voice), unescape(said))
        })
        .collect();
    assert!(cues.iter().all(|cue| cue.0 < cue.1) && cues.is_sorted_by_key(|cue| cue.0));
    cues
}

fn read_srt(text: &str) -> Vec<Cue> {
    let blocks = text.strip_suffix('\n').unwrap().split("\n\n").zip(1..);
    blocks
        .map(|(block, number)| {
            let lines: Vec<&str> = block.lines().collect();
            assert_eq!((lines.len(), lines[0]), (3, number.to_string().as_str()), "{block}");
            let (start, end) = lines[1].split_once(" --> ").unwrap();
            let (name, said) = lines[2].split_once(": ").unwrap();
            (stamp(start, ','), stamp(end, ','), name.to_owned(), said.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn subtitles_hold_each_segment_once_with_its_voice_and_times() {
    for meeting in MEETINGS {
        let document = document(meeting).await;
        assert_eq!(read_vtt(&to_vtt(&document)), expected_cues(&document), "{meeting}");
        assert_eq!(read_srt(&to_srt(&document)), expected_cues(&document), "{meeting}");
    }
}

#[tokio::test]
async fn ffmpeg_reads_both_kinds_of_subtitles_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    for meeting in MEETINGS {
        let mut document = document(meeting).await;
        document.participants[0].name = "<b>A & B</b> --> {\\an8}".to_owned();
        for (name, text) in [("t.vtt", to_vtt(&document)), ("t.srt", to_srt(&document))] {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            let answer = Command::new("ffprobe")
                .args(["-v", "warning", "-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0"])
                .arg(&path)
                .output()
                .expect("ffprobe is installed (Debian: ffmpeg)");
            assert!(answer.status.success() && answer.stderr.is_empty(), "{name}: {answer:?}");
            let read: Vec<(f64, f64)> = String::from_utf8(answer.stdout)
                .unwrap()
                .lines()
                .map(|line| {
                    let (start, duration) = line.split_once(',').unwrap();
                    (start.parse().unwrap(), duration.trim_end_matches(',').parse().unwrap())
                })
                .collect();
            assert_eq!(read.len(), document.segments.len(), "{meeting} {name}");
            for ((start, duration), segment) in read.into_iter().zip(&document.segments) {
                assert!((start - segment.start).abs() < 0.0011 && (start + duration - segment.end).abs() < 0.0021);
            }
        }
    }
}

#[tokio::test]
async fn rttm_adds_up_to_each_speakers_segments() {
    for meeting in MEETINGS {
        let document = document(meeting).await;
        let mut talk: BTreeMap<String, f64> = BTreeMap::new();
        for line in to_rttm(&document).lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            assert_eq!((fields.len(), fields[0], fields[2]), (10, "SPEAKER", "1"), "{line}");
            *talk.entry(fields[7].to_owned()).or_default() += fields[4].parse::<f64>().unwrap();
        }
        for participant in &document.participants {
            let found = talk.get(&participant.name).copied().unwrap_or_default();
            assert!((found - participant.talk_time).abs() < 1e-6, "{meeting} {}", participant.name);
        }
    }
}

#[tokio::test]
async fn every_line_that_was_said_is_one_segment_of_its_speaker_overlaps_included() {
    for meeting in MEETINGS {
        let document = document(meeting).await;
        let found: BTreeSet<(String, String)> = document
            .segments
            .iter()
            .map(|segment| (document.participants[segment.speaker].name.clone(), segment.text.clone()))
            .collect();
        let truth = truth(meeting);
        let name = |index: &Value| {
            let speakers = truth["speakers"].as_array().unwrap();
            let speaker = speakers.iter().find(|speaker| &speaker["index"] == index).unwrap();
            speaker["user_name"].as_str().unwrap().to_owned()
        };
        for line in truth["lines"].as_array().unwrap() {
            let said = (name(&line["speaker"]), line["text"].as_str().unwrap().to_owned());
            assert!(found.contains(&said), "{meeting}: {said:?}");
        }
        let readable = [to_text(&document), to_markdown(&document)];
        assert!(readable.iter().all(|text| document.participants.iter().all(|who| text.contains(&who.name))));
    }
}

#[tokio::test]
async fn the_same_document_is_written_in_the_same_bytes_and_json_is_read_back() {
    let document = document("edge").await;
    for (extension, write) in FORMATS {
        assert_eq!(write(&document), write(&document.clone()), "{extension}");
    }
    let read: TranscriptDocument = serde_json::from_str(&to_json(&document)).unwrap();
    assert_eq!(read, document);
}

#[tokio::test]
async fn h9_a_track_that_could_not_be_read_is_named_in_the_transcript() {
    let mut document = document("edge").await;
    let reason = "it has no audio stream".to_owned();
    document.incomplete_tracks = vec![IncompleteTrack { track: "domain/room/track-1".to_owned(), reason }];
    let json: Value = serde_json::from_str(&to_json(&document)).unwrap();
    assert_eq!(json["incomplete_tracks"][0]["track"], "domain/room/track-1");
    assert!(to_markdown(&document).contains("- domain/room/track-1: it has no audio stream"));
    assert!(
        json["participants"].as_array().unwrap().iter().any(|who| who["name"] == "Frank"),
        "silent, and still there"
    );
}
