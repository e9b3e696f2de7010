//! The meeting cut into topics with titles and summaries.

use std::ops::Range;

use super::cohesion::topic_starts;
use super::headings::headings;
use super::phrases::Phrases;
use super::ranking::{Ranking, longest};
use super::reading::Reading;
use super::tidy::quote;
use crate::transcript::Topic;

/// Sentences in a topic's summary.
const SUMMARY_SENTENCES: usize = 2;
/// Words of a sentence that stands in for a title.
const STAND_IN_WORDS: usize = 6;

/// The topics, in order, from the first word to the end of the last.
pub(super) fn topics(reading: &Reading<'_>) -> Vec<Topic> {
    let ranges = ranges(&topic_starts(reading), reading.sentences.len());
    let phrases = Phrases::of(reading, &ranges);
    let candidates: Vec<_> = (0..ranges.len()).map(|topic| phrases.of_topic(topic)).collect();
    let titles = headings(reading, &candidates);
    let starts: Vec<f64> = ranges.iter().map(|range| milliseconds(reading.sentences[range.start].start)).collect();
    let end = milliseconds(reading.meeting.last_word_end());
    let mut topics: Vec<Topic> = Vec::with_capacity(ranges.len());
    for (nth, range) in ranges.iter().enumerate() {
        let picked: Vec<usize> = match Ranking::of(reading, range.clone(), &candidates[nth]).best(SUMMARY_SENTENCES) {
            best if best.is_empty() => longest(reading, range.clone()).into_iter().collect(),
            best => best.into_iter().map(|(at, _)| at).collect(),
        };
        let title = match &titles[nth] {
            title if title.is_empty() => stand_in(reading, &picked, &topics),
            title => title.clone(),
        };
        let next = starts.get(nth + 1).copied().unwrap_or(end);
        topics.push(Topic {
            title,
            summary: who_said(reading, picked),
            start: starts[nth],
            duration: milliseconds((next - starts[nth]).max(0.0)),
        });
    }
    topics
}

/// The sentences of each of `topics`, wherever these came from: a sentence belongs to the last topic that starts before it.
pub(super) fn sentences_of(reading: &Reading<'_>, topics: &[Topic]) -> Vec<Range<usize>> {
    let starts: Vec<usize> = (topics.iter().enumerate())
        .map(|(nth, topic)| match nth {
            0 => 0,
            // Topic times are rounded to milliseconds.
            _ => reading.sentences.partition_point(|sentence| sentence.start < topic.start - 0.0006),
        })
        .collect();
    let mut ranges = ranges(&starts, reading.sentences.len());
    let mut from = 0;
    for range in &mut ranges {
        *range = range.start.max(from)..range.end.max(range.start).max(from);
        from = range.end;
    }
    ranges
}

fn ranges(starts: &[usize], end: usize) -> Vec<Range<usize>> {
    (starts.iter().enumerate()).map(|(nth, &start)| start..starts.get(nth + 1).copied().unwrap_or(end)).collect()
}

/// `Alice: What she said. Bob: What he said.`, in the order they said it.
fn who_said(reading: &Reading<'_>, mut sentences: Vec<usize>) -> String {
    sentences.sort_unstable();
    let mut summary = String::new();
    let mut last_speaker = None;
    for at in sentences {
        let sentence = &reading.sentences[at];
        if !summary.is_empty() {
            summary.push(' ');
        }
        if last_speaker != Some(sentence.speaker) {
            summary.push_str(&reading.meeting.speaker_name(sentence.speaker));
            summary.push_str(": ");
        }
        last_speaker = Some(sentence.speaker);
        summary.push_str(&quote(reading, sentence));
    }
    summary
}

/// A title when there is no phrase: the first words of the topic's best sentence, numbered when that is taken.
fn stand_in(reading: &Reading<'_>, picked: &[usize], before: &[Topic]) -> String {
    let words = picked.first().map_or_else(String::new, |at| {
        let sentence = &reading.sentences[*at];
        match sentence.tokens.get(STAND_IN_WORDS) {
            Some(next) => format!("{}…", sentence.text[..next.start].trim_end()),
            None => sentence.text.trim_end_matches(['.', '!', '?', '。']).to_owned(),
        }
    });
    let taken = |title: &str| before.iter().any(|topic| topic.title.eq_ignore_ascii_case(title));
    if !taken(&words) {
        return words;
    }
    (2..).map(|nth| format!("{words} ({nth})")).find(|title| !taken(title)).unwrap_or(words)
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
