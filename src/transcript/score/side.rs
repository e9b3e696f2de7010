//! One side of a comparison: a `transcript.json`, or a fixture's `truth.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::normalise;
use crate::failure::{Cause, Failure, FailureClass, classify};
use crate::transcript::segments::{segments, union};
use crate::transcript::{Word, to_millis};

/// A file that can't be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document}: {problem}")]
pub struct ScoreInputError {
    document: String,
    problem: String,
}

impl Failure for ScoreInputError {
    fn class(&self) -> FailureClass {
        classify(Cause::BadInput)
    }
}

/// What is compared of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreSide {
    /// Those who have a name or say something, by their number in the file.
    pub(super) speakers: Vec<ScoreSpeaker>,
}

/// One speaker's words and speech.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ScoreSpeaker {
    pub(super) name: String,
    /// In order of their starts.
    pub(super) words: Vec<ScoreWord>,
    /// When the speaker speaks: disjoint, sorted, milliseconds.
    pub(super) speech: Vec<(i64, i64)>,
}

/// A word as it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScoreWord {
    pub(super) text: String,
    /// Seconds.
    pub(super) start: f64,
}

/// Both kinds of file: `participants` and `segments` are a transcript's, `speakers` and `lines` a truth's.
#[derive(Deserialize)]
struct Body {
    words: Vec<BodyWord>,
    #[serde(default)]
    participants: Vec<BodyParticipant>,
    #[serde(default)]
    speakers: Vec<BodySpeaker>,
    segments: Option<Vec<BodySpan>>,
    lines: Option<Vec<BodySpan>>,
}

#[derive(Deserialize)]
struct BodyWord {
    speaker: u64,
    text: String,
    /// With case and punctuation, where `text` has none.
    display: Option<String>,
    start: f64,
    end: f64,
}

#[derive(Deserialize)]
struct BodyParticipant {
    speaker: u64,
    name: String,
}

#[derive(Deserialize)]
struct BodySpeaker {
    index: u64,
    user_name: Option<String>,
}

#[derive(Deserialize)]
struct BodySpan {
    speaker: u64,
    start: f64,
    end: f64,
}

/// A year: whoever is later has mistaken the unit.
const LATEST: f64 = 366.0 * 86_400.0;

impl ScoreSide {
    /// Reads a file's bytes; `document` names it in errors, which name the field as well.
    ///
    /// A speaker speaks during the `segments` or `lines`; a file with neither has its words grouped by the rules that
    /// make a transcript's segments.
    pub fn parse(document: &str, bytes: &[u8]) -> Result<Self, ScoreInputError> {
        let failed = |problem: String| ScoreInputError { document: document.to_owned(), problem };
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let body: Body =
            serde_path_to_error::deserialize(&mut deserializer).map_err(|error| failed(error.to_string()))?;
        deserializer.end().map_err(|error| failed(error.to_string()))?;
        body.check().map_err(failed)?;
        Ok(body.into_side())
    }
}

impl Body {
    fn check(&self) -> Result<(), String> {
        let words = self.words.iter().map(|word| (word.start, word.end));
        let segments = self.segments.iter().flatten().map(|span| (span.start, span.end));
        let lines = self.lines.iter().flatten().map(|span| (span.start, span.end));
        let wrong = |(start, end): (f64, f64)| !(0.0..=LATEST).contains(&start) || !(start..=LATEST).contains(&end);
        for (list, mut spans) in [
            ("words", Box::new(words) as Box<dyn Iterator<Item = (f64, f64)>>),
            ("segments", Box::new(segments)),
            ("lines", Box::new(lines)),
        ] {
            if let Some(at) = spans.position(wrong) {
                return Err(format!("{list}[{at}]: start and end are no span of seconds"));
            }
        }
        Ok(())
    }

    fn into_side(self) -> ScoreSide {
        let mut speakers: BTreeMap<u64, ScoreSpeaker> = BTreeMap::new();
        for participant in self.participants {
            speakers.entry(participant.speaker).or_default().name = participant.name;
        }
        for speaker in self.speakers {
            speakers.entry(speaker.index).or_default().name = speaker.user_name.unwrap_or_default();
        }
        let mut words = self.words;
        words.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.end.total_cmp(&b.end)));
        for word in &words {
            let compared = normalise::words(&word.text).into_iter().map(|text| ScoreWord { text, start: word.start });
            speakers.entry(word.speaker).or_default().words.extend(compared);
        }
        let spans = self.segments.or(self.lines).unwrap_or_else(|| grouped(&words));
        for span in spans {
            let speech = (to_millis(span.start), to_millis(span.end));
            speakers.entry(span.speaker).or_default().speech.push(speech);
        }
        let speakers = speakers.into_values().map(|speaker| ScoreSpeaker { speech: union(speaker.speech), ..speaker });
        ScoreSide { speakers: speakers.collect() }
    }
}

fn grouped(words: &[BodyWord]) -> Vec<BodySpan> {
    let numbers: BTreeMap<u64, usize> = {
        let mut speakers: Vec<u64> = words.iter().map(|word| word.speaker).collect();
        speakers.sort_unstable();
        speakers.dedup();
        speakers.into_iter().zip(0..).collect()
    };
    let back: Vec<u64> = numbers.keys().copied().collect();
    let words: Vec<Word> = words
        .iter()
        .map(|word| Word {
            text: word.display.clone().unwrap_or_else(|| word.text.clone()),
            start: word.start,
            end: word.end,
            speaker: numbers[&word.speaker],
            probability: 1.0,
        })
        .collect();
    let span = |segment: crate::transcript::Segment| BodySpan {
        speaker: back[segment.speaker],
        start: segment.start,
        end: segment.end,
    };
    segments(&words).into_iter().map(span).collect()
}
