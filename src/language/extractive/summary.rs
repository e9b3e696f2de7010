//! The meeting's title and its summaries.

use super::headings::{distinct, heading};
use super::phrases::{Phrase, Phrases};
use super::ranking::{Ranking, longest};
use super::reading::Reading;
use super::tidy::{list, quote};
use super::topics::sentences_of;
use crate::language::backend::Summary;
use crate::language::empty;
use crate::language::markdown::escape;
use crate::transcript::Topic;

/// Phrases in the meeting's title, at most.
const TITLE_PHRASES: usize = 3;
/// Subjects that the short summary names, at most.
const SUBJECTS: usize = 4;
/// Speakers that the short summary names; of more, it names the first and counts the rest.
const NAMED: usize = 6;
/// Bullet points for a topic, at least and at most, and words that one more stands for.
const POINTS: (usize, usize, usize) = (4, 7, 100);
/// How good a further phrase must be, compared with the best.
const GOOD_ENOUGH: f64 = 0.4;

/// What the meeting was about, in a few words.
pub(super) fn title(reading: &Reading<'_>, topics: &[Topic]) -> String {
    let phrases = subjects(reading, topics, TITLE_PHRASES);
    if phrases.is_empty() {
        return empty::title_or_untitled(topics.first().map_or("", |topic| &topic.title));
    }
    empty::title_or_untitled(&heading(reading, &phrases))
}

/// The summaries.
pub(super) fn summary(reading: &Reading<'_>, topics: &[Topic]) -> Summary {
    if reading.sentences.is_empty() {
        return Summary { short: empty::NOTHING_SAID.into(), long: empty::NOTHING_SAID.into() };
    }
    Summary { short: short(reading, topics), long: long(reading, topics) }
}

/// The meeting's subjects, best first. A phrase that is spread over the meeting counts once more per topic.
fn subjects(reading: &Reading<'_>, topics: &[Topic], count: usize) -> Vec<Phrase> {
    let ranges = sentences_of(reading, topics);
    let phrases = Phrases::of(reading, &ranges).of_meeting();
    distinct(&phrases, count, GOOD_ENOUGH)
}

fn short(reading: &Reading<'_>, topics: &[Topic]) -> String {
    let words = reading.lexicon.words;
    let phrases = subjects(reading, topics, SUBJECTS);
    let who = speakers(reading);
    let what: Vec<String> = (phrases.iter())
        .map(|phrase| match words.article {
            Some(the) if phrase.article => format!("{the} {}", escape(&phrase.text)),
            _ => escape(&phrase.text),
        })
        .collect();
    let whole = 0..reading.sentences.len();
    let best = (sentences_of(reading, topics).into_iter())
        .filter_map(|range| Ranking::of(reading, range, &phrases).best(1).first().copied())
        .map(|(at, _)| (at, on_subject(reading, at, &phrases)))
        .max_by_key(|(at, subjects)| (*subjects, std::cmp::Reverse(*at)))
        .map(|(at, _)| at)
        .or_else(|| longest(reading, whole));
    let mut parts = Vec::new();
    match &words.frames {
        Some(frames) if what.is_empty() => parts.push(frames.met.replace("{who}", &list(&who, words.and))),
        Some(frames) => {
            let about = frames.about.replace("{what}", &list(&what, words.and));
            parts.push(about.replace("{who}", &list(&who, words.and)));
        }
        None if what.is_empty() => parts.push(format!("{}.", who.join(", "))),
        None => parts.push(format!("{}: {}.", who.join(", "), what.join(", "))),
    }
    if let Some(at) = best {
        let sentence = &reading.sentences[at];
        let name = bold(&reading.meeting.speaker_name(sentence.speaker));
        let said = escape(&quote(reading, sentence));
        parts.push(match &words.frames {
            Some(frames) => frames.said.replace("{said}", &said).replacen("{who}", &name, 1),
            None => format!("{name}: “{said}”"),
        });
    }
    parts.join(" ")
}

fn on_subject(reading: &Reading<'_>, at: usize, phrases: &[Phrase]) -> usize {
    let terms = &reading.sentences[at].terms;
    phrases.iter().filter(|phrase| phrase.key.iter().any(|term| terms.contains(&Some(*term)))).count()
}

fn long(reading: &Reading<'_>, topics: &[Topic]) -> String {
    let ranges = sentences_of(reading, topics);
    let phrases = Phrases::of(reading, &ranges);
    let mut sections = Vec::new();
    for (nth, (topic, range)) in topics.iter().zip(&ranges).enumerate() {
        let words: usize = reading.sentences[range.clone()].iter().map(|sentence| sentence.words).sum();
        let count = (words / POINTS.2).clamp(POINTS.0, POINTS.1);
        let mut points: Vec<usize> =
            (Ranking::of(reading, range.clone(), &phrases.of_topic(nth)).best(count).into_iter())
                .map(|(at, _)| at)
                .collect();
        if points.is_empty() {
            points.extend(longest(reading, range.clone()));
        }
        points.sort_unstable();
        let mut section = format!("## {}\n", escape(&topic.title));
        for at in points {
            let sentence = &reading.sentences[at];
            let name = bold(&reading.meeting.speaker_name(sentence.speaker));
            section.push_str(&format!("\n- {name}: {}", escape(&quote(reading, sentence))));
        }
        sections.push(section);
    }
    if sections.is_empty() {
        return short(reading, topics);
    }
    sections.join("\n\n")
}

/// Who spoke, in order of their first word.
fn speakers(reading: &Reading<'_>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut others = 0;
    let mut known = std::collections::BTreeSet::new();
    for sentence in &reading.sentences {
        if known.insert(sentence.speaker) {
            if seen.len() < NAMED {
                seen.push(bold(&reading.meeting.speaker_name(sentence.speaker)));
            } else {
                others += 1;
            }
        }
    }
    if others > 0 {
        seen.push(format!("+{others}"));
    }
    seen
}

fn bold(name: &str) -> String {
    format!("**{}**", escape(name))
}
