//! A meeting of three hours, 500 track files and 40,000 words passes through the transcript's room without anything
//! growing with the square of it.

use std::collections::BTreeMap;

use trackscribe::transcript::{
    Roster, ScoreSide, Speakers, SpeechTrack, SpokenWord, Stay, WordMerger, score, segments, talk_times,
};

const TRACKS: usize = 500;
const WORDS_PER_TRACK: usize = 80;

fn session(track: usize) -> String {
    format!("session-{:03}", track % 250)
}

fn words(track: usize) -> impl Iterator<Item = SpokenWord> {
    let begin = track as f64 * 21.6;
    (0..WORDS_PER_TRACK).map(move |word| {
        let start = begin + word as f64 * 0.27;
        let mark = if word % 9 == 8 { "." } else { "" };
        let text = format!("w{}{mark}", (track * 31 + word * 7) % 211);
        SpokenWord { text, start, end: start + 0.25, probability: 0.8 }
    })
}

#[test]
fn five_hundred_tracks_and_forty_thousand_words_are_merged_cut_and_scored() {
    let stays = (0..250).map(|track| Stay {
        session: session(track).parse().unwrap(),
        user_id: Some(format!("user-{}", track % 20)),
        name: None,
        joined: Some(track as f64),
        duration: Some(10_800.0),
    });
    let tracks = (0..TRACKS).map(|track| SpeechTrack {
        track: format!("t{track:03}"),
        session: Some(session(track).parse().unwrap()),
        start: track as f64 * 21.6,
    });
    let roster = Roster { recording_start: 0.0, stays: stays.collect(), tracks: tracks.collect() };
    let speakers = Speakers::of(&roster, &BTreeMap::new());
    assert_eq!(speakers.speakers.len(), 20);
    let by_track = speakers.by_track();

    let mut merger = WordMerger::new();
    for track in (0..TRACKS).rev() {
        merger.add_track(by_track[format!("t{track:03}").as_str()], words(track));
    }
    let words = merger.finish();
    assert_eq!(words.len(), 40_000);
    assert!(words.is_sorted_by(|a, b| a.start <= b.start));
    let segments = segments(&words);
    assert_eq!(segments.iter().map(|segment| segment.text.split(' ').count()).sum::<usize>(), 40_000);
    assert!(talk_times(&segments, 20).iter().all(|talk| *talk > 100.0));

    // All words on one speaker is the hardest to align; every fiftieth word is lost on one side.
    let side = |keep: &dyn Fn(usize) -> bool| {
        let kept = words.iter().enumerate().filter(|(at, _)| keep(*at)).map(
            |(_, word)| serde_json::json!({"speaker": 0, "text": word.text, "start": word.start, "end": word.end}),
        );
        let body = serde_json::json!({"words": kept.collect::<Vec<_>>()}).to_string();
        ScoreSide::parse("long", body.as_bytes()).unwrap()
    };
    let score = score(&side(&|at| at % 50 != 0), &side(&|_| true), 0.0);
    assert_eq!((score.words.deletions, score.words.insertions), (800, 0));
    assert_eq!(score.words.error_rate, Some(0.02));
}
