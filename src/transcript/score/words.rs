//! Word errors, attribution and start times.

use std::collections::HashMap;

use serde::Serialize;

use super::align::align;
use super::pairing::{PairedBy, Pairing};
use super::share;
use super::side::{ScoreSide, ScoreWord};
use crate::transcript::round_seconds;

/// A word given to another speaker starts at most this far from where it does. Seconds.
const ATTRIBUTION_WINDOW: f64 = 1.0;

/// Counts of words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct WordErrors {
    /// Errors / reference words; `None` without reference words.
    pub error_rate: Option<f64>,
    /// Words of the reference.
    pub reference: usize,
    /// Words of the hypothesis.
    pub hypothesis: usize,
    /// The same word.
    pub correct: usize,
    /// One word for another.
    pub substitutions: usize,
    /// Words that the hypothesis lacks.
    pub deletions: usize,
    /// Words that only the hypothesis has.
    pub insertions: usize,
}

impl WordErrors {
    fn of(reference: usize, hypothesis: usize, correct: usize, substitutions: usize) -> Self {
        let (deletions, insertions) = (reference - correct - substitutions, hypothesis - correct - substitutions);
        let errors = (substitutions + deletions + insertions) as f64;
        let error_rate = share(errors, reference as f64);
        Self { error_rate, reference, hypothesis, correct, substitutions, deletions, insertions }
    }
}

/// One pair of speakers, or one that has no partner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpeakerScore {
    /// The name in the reference.
    pub reference: Option<String>,
    /// The name in the hypothesis.
    pub hypothesis: Option<String>,
    /// How the two were found to be one.
    pub paired_by: Option<PairedBy>,
    /// Their words.
    pub words: WordErrors,
}

/// Whether recognised words are on the right speaker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// right / (right + wrong); `None` when nothing was recognised.
    pub accuracy: Option<f64>,
    /// Words on their speaker.
    pub right: usize,
    /// Words on another.
    pub wrong: usize,
}

/// How far words start from where they do. Seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StartError {
    /// Half of the words are at most this far off.
    pub median: f64,
    /// Nine in ten are at most this far off.
    pub p90: f64,
    /// How many words were compared.
    pub words: usize,
}

/// All that comes of the words.
pub(super) struct Scored {
    pub(super) total: WordErrors,
    pub(super) speakers: Vec<SpeakerScore>,
    pub(super) attribution: Attribution,
    pub(super) start_error: Option<StartError>,
}

/// Words of one side that have no equal on the other, with their speaker's position in the reference.
type Unmatched<'a> = Vec<(Option<usize>, &'a ScoreWord)>;

/// Aligns each pair of speakers.
pub(super) fn score(hypothesis: &ScoreSide, reference: &ScoreSide, pairing: &Pairing) -> Scored {
    let mut speakers = Vec::new();
    let mut start_errors = Vec::new();
    let (mut lacking, mut left): (Unmatched<'_>, Unmatched<'_>) = (Vec::new(), Vec::new());
    for (at, speaker) in reference.speakers.iter().enumerate() {
        let partner = pairing.of_reference[at];
        let found = partner.map(|(found, _)| &hypothesis.speakers[found]);
        let said = found.map_or(&[][..], |found| &found.words);
        let (numbers, others) = numbered(&speaker.words, said);
        let alignment = align(&numbers, &others);
        start_errors.extend(alignment.matches.iter().map(|(i, j)| (speaker.words[*i].start - said[*j].start).abs()));
        lacking.extend(
            others_than(&speaker.words, alignment.matches.iter().map(|(i, _)| *i)).map(|word| (Some(at), word)),
        );
        left.extend(others_than(said, alignment.matches.iter().map(|(_, j)| *j)).map(|word| (Some(at), word)));
        speakers.push(SpeakerScore {
            reference: Some(speaker.name.clone()),
            hypothesis: found.map(|found| found.name.clone()),
            paired_by: partner.map(|(_, by)| by),
            words: WordErrors::of(
                speaker.words.len(),
                said.len(),
                alignment.matches.len(),
                alignment.substitutions.len(),
            ),
        });
    }
    for (at, speaker) in hypothesis.speakers.iter().enumerate() {
        if pairing.of_hypothesis(at).is_none() {
            left.extend(speaker.words.iter().map(|word| (None, word)));
            speakers.push(SpeakerScore {
                reference: None,
                hypothesis: Some(speaker.name.clone()),
                paired_by: None,
                words: WordErrors::of(0, speaker.words.len(), 0, 0),
            });
        }
    }
    let sum = |count: fn(&WordErrors) -> usize| speakers.iter().map(|speaker| count(&speaker.words)).sum();
    let total = WordErrors::of(
        sum(|words| words.reference),
        sum(|words| words.hypothesis),
        sum(|words| words.correct),
        sum(|words| words.substitutions),
    );
    let (right, wrong) = (total.correct, elsewhere(lacking, left));
    let accuracy = share(right as f64, (right + wrong) as f64);
    let attribution = Attribution { accuracy, right, wrong };
    Scored { total, speakers, attribution, start_error: start_error(start_errors) }
}

/// Both lists with the same number for the same word.
fn numbered<'a>(a: &'a [ScoreWord], b: &'a [ScoreWord]) -> (Vec<u32>, Vec<u32>) {
    let mut numbers: HashMap<&'a str, u32> = HashMap::new();
    let mut number = |words: &'a [ScoreWord]| -> Vec<u32> {
        words
            .iter()
            .map(|word| {
                let next = numbers.len() as u32;
                *numbers.entry(word.text.as_str()).or_insert(next)
            })
            .collect()
    };
    (number(a), number(b))
}

/// The words whose positions are not among `taken`.
fn others_than(words: &[ScoreWord], taken: impl Iterator<Item = usize>) -> impl Iterator<Item = &ScoreWord> {
    let mut free = vec![true; words.len()];
    taken.for_each(|at| free[at] = false);
    words.iter().zip(free).filter_map(|(word, free)| free.then_some(word))
}

/// A word that only the hypothesis has.
struct Candidate {
    speaker: Option<usize>,
    start: f64,
    free: bool,
}

/// How many words that their speaker lacks another has at that time.
fn elsewhere(mut lacking: Unmatched<'_>, mut left: Unmatched<'_>) -> usize {
    lacking.sort_by(|a, b| a.1.start.total_cmp(&b.1.start));
    left.sort_by(|a, b| a.1.start.total_cmp(&b.1.start));
    let mut by_text: HashMap<&str, Vec<Candidate>> = HashMap::new();
    for (speaker, word) in &left {
        by_text.entry(&word.text).or_default().push(Candidate { speaker: *speaker, start: word.start, free: true });
    }
    let mut found = 0;
    for (speaker, word) in lacking {
        let Some(candidates) = by_text.get_mut(word.text.as_str()) else {
            continue;
        };
        let from = candidates.partition_point(|candidate| candidate.start < word.start - ATTRIBUTION_WINDOW);
        let mut near =
            candidates[from..].iter_mut().take_while(|candidate| candidate.start <= word.start + ATTRIBUTION_WINDOW);
        if let Some(candidate) = near.find(|candidate| candidate.free && candidate.speaker != speaker) {
            candidate.free = false;
            found += 1;
        }
    }
    found
}

fn start_error(mut errors: Vec<f64>) -> Option<StartError> {
    errors.sort_by(f64::total_cmp);
    // The nearest rank: the least error that at least this share of the words does not exceed.
    let rank = |percent: usize| errors.get((errors.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(StartError { median: round_seconds(rank(50)?), p90: round_seconds(rank(90)?), words: errors.len() })
}
