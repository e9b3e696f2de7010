//! Meetings for tests: written scripts and the recorded fixtures' true lines.

use std::path::Path;

use super::meeting::MeetingText;
use crate::transcript::Segment;

/// A person reads 150 words a minute.
const SECONDS_PER_WORD: f64 = 0.4;

/// A meeting from lines of `Name: What is said. And more.`; names are counted in order of appearance.
pub(super) fn script(text: &str, language: &str) -> MeetingText {
    let mut speakers: Vec<String> = Vec::new();
    let mut segments = Vec::new();
    let mut clock = 0.0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, said) = line.split_once(':').expect("a line is `Name: text`");
        let speaker = speakers.iter().position(|known| known == name).unwrap_or_else(|| {
            speakers.push(name.to_owned());
            speakers.len() - 1
        });
        for sentence in said.trim().split_inclusive(['.', '?', '!']).map(str::trim).filter(|part| !part.is_empty()) {
            let seconds = sentence.split(' ').count() as f64 * SECONDS_PER_WORD;
            segments.push(Segment { speaker, start: clock, end: clock + seconds, text: sentence.into() });
            clock += seconds + 0.3;
        }
    }
    MeetingText::new(segments, speakers, language, clock)
}

/// A recorded fixture, as a perfect recogniser would hear it.
pub(super) fn fixture(name: &str) -> MeetingText {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings").join(name).join("truth.json");
    let truth: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let speakers = truth["speakers"].as_array().unwrap().iter().map(|s| s["user_name"].as_str().unwrap().to_owned());
    let segments = truth["lines"].as_array().unwrap().iter().map(|line| Segment {
        speaker: usize::try_from(line["speaker"].as_u64().unwrap()).unwrap(),
        start: line["start"].as_f64().unwrap(),
        end: line["end"].as_f64().unwrap(),
        text: line["text"].as_str().unwrap().to_owned(),
    });
    MeetingText::new(segments.collect(), speakers.collect(), "en", truth["duration"].as_f64().unwrap())
}
