//! Key phrases: the runs of words that a stretch of a meeting is about, as a person would write them.
//!
//! Candidates are runs without stop words, as in RAKE (Rose et al., 2010). They are scored by C-value (Frantzi, Ananiadou,
//! Mima, 2000): how often a phrase occurs other than inside a longer one, times a worth that grows with its length. Here
//! single words count too, and the square root of the count, for people repeat single words much more than terms.
//! Two things are added because speech is full of verbs, and because no tagger is at hand: how often each word is
//! found where nouns are (after an article, before "is") against where verbs are (after a pronoun, before an
//! article), and how much the phrase belongs to this stretch rather than to the whole meeting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::reading::{Reading, Sentence, TermId};

/// Words in the longest phrase.
const LONGEST: usize = 3;
/// What a phrase of one, two or three words is worth. One word is rarely enough to say what a meeting was about.
const LENGTH_WORTH: [f64; LONGEST] = [0.75, 1.58, 1.8];
/// Below this share of noun-like places a word can't end a phrase.
const NOUN_ENOUGH: f64 = 0.45;

/// Something a stretch of the meeting is about.
#[derive(Debug, Clone)]
pub(super) struct Phrase {
    /// The stems, in order.
    pub key: Vec<TermId>,
    /// As most often written, in the middle of a sentence.
    pub text: String,
    /// Whether it was mostly said with an article.
    pub article: bool,
    /// Higher is better.
    pub score: f64,
}

impl Phrase {
    /// Whether the two have a word in common.
    pub fn overlaps(&self, other: &Phrase) -> bool {
        self.key.iter().any(|term| other.key.contains(term))
    }
}

#[derive(Default)]
struct Found {
    total: usize,
    per_topic: BTreeMap<usize, usize>,
    written: BTreeMap<String, (usize, std::cmp::Reverse<usize>)>,
    with_article: usize,
    nouns: f64,
    /// Per topic (or all, under `usize::MAX`): how often inside longer candidates, and inside how many.
    nested: BTreeMap<usize, (usize, BTreeSet<Vec<TermId>>)>,
}

/// Every candidate of the meeting, counted per topic.
pub(super) struct Phrases {
    found: BTreeMap<Vec<TermId>, Found>,
    topics: usize,
}

impl Phrases {
    /// Counts the phrases of `topics`, which are ranges of sentences.
    pub fn of(reading: &Reading<'_>, topics: &[Range<usize>]) -> Self {
        let nouns = Nouns::of(reading);
        let mut found: BTreeMap<Vec<TermId>, Found> = BTreeMap::new();
        let mut order = 0;
        for (topic, range) in topics.iter().enumerate() {
            for sentence in &reading.sentences[range.clone()] {
                for run in runs(reading, sentence) {
                    for span in spans(&run) {
                        let Some(share) = nouns.share(reading, sentence, &span) else { continue };
                        let key = key(sentence, &span);
                        let entry = found.entry(key).or_default();
                        order += 1;
                        entry.total += 1;
                        *entry.per_topic.entry(topic).or_default() += 1;
                        entry.nouns += share;
                        if has_article(reading, sentence, span.start) {
                            entry.with_article += 1;
                        }
                        let written = entry
                            .written
                            .entry(written(reading, sentence, &span))
                            .or_insert((0, std::cmp::Reverse(order)));
                        written.0 += 1;
                    }
                }
            }
        }
        nest(&mut found);
        Self { found, topics: topics.len() }
    }

    /// The phrases of one topic, best first.
    pub fn of_topic(&self, topic: usize) -> Vec<Phrase> {
        self.ranked(|found| {
            let count = found.per_topic.get(&topic).copied().unwrap_or(0);
            let contrast = (1.0 + self.topics as f64 / found.per_topic.len().max(1) as f64).ln();
            (count, topic, contrast)
        })
    }

    /// The phrases of the whole meeting, best first.
    pub fn of_meeting(&self) -> Vec<Phrase> {
        self.ranked(|found| (found.total, usize::MAX, 1.0))
    }

    fn ranked(&self, measure: impl Fn(&Found) -> (usize, usize, f64)) -> Vec<Phrase> {
        let mut phrases: Vec<Phrase> = (self.found.iter())
            .filter_map(|(key, found)| {
                let (count, place, weight) = measure(found);
                let (inside, longer) =
                    found.nested.get(&place).map_or((0, 0), |(inside, longer)| (*inside, longer.len()));
                let alone = count as f64 - if longer > 0 { inside as f64 / longer as f64 } else { 0.0 };
                let noun = found.nouns / found.total as f64;
                let score = LENGTH_WORTH[key.len().min(LONGEST) - 1] * alone.max(0.0).sqrt() * noun * weight;
                let text = found.written.iter().max_by_key(|(_, rank)| **rank).map(|(text, _)| text.clone())?;
                (count > 0 && score > 0.0).then(|| Phrase {
                    key: key.clone(),
                    text,
                    article: found.with_article * 2 > found.total,
                    score,
                })
            })
            .collect();
        phrases.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.key.cmp(&b.key)));
        phrases
    }
}

/// Counts each phrase's occurrences inside longer ones.
fn nest(found: &mut BTreeMap<Vec<TermId>, Found>) {
    let mut inside: BTreeMap<Vec<TermId>, Vec<(usize, usize, Vec<TermId>)>> = BTreeMap::new();
    for (key, longer) in found.iter().filter(|(key, _)| key.len() > 1) {
        for length in 1..key.len() {
            for part in key.windows(length) {
                let list = inside.entry(part.to_vec()).or_default();
                list.push((usize::MAX, longer.total, key.clone()));
                list.extend(longer.per_topic.iter().map(|(topic, count)| (*topic, *count, key.clone())));
            }
        }
    }
    for (key, list) in inside {
        if let Some(phrase) = found.get_mut(&key) {
            for (place, count, longer) in list {
                let nested = phrase.nested.entry(place).or_default();
                nested.0 += count;
                nested.1.insert(longer);
            }
        }
    }
}

/// Positions of the words of one candidate run.
fn runs(reading: &Reading<'_>, sentence: &Sentence) -> Vec<Vec<usize>> {
    let inner = reading.lexicon.words.inner;
    let mut runs = Vec::new();
    let mut run: Vec<usize> = Vec::new();
    for at in 0..sentence.tokens.len() {
        if at > 0 && !joined(sentence, at) {
            runs.push(std::mem::take(&mut run));
        }
        let connects = !run.is_empty()
            && inner.contains(&sentence.tokens[at].word.as_str())
            && sentence.terms.get(at + 1).is_some_and(Option::is_some)
            && sentence.terms[at - 1].is_some();
        if sentence.terms[at].is_some() {
            run.push(at);
        } else if !connects {
            runs.push(std::mem::take(&mut run));
        }
    }
    runs.push(run);
    runs.retain(|run| !run.is_empty());
    runs
}

/// Whether nothing but a space, a hyphen or a slash is between this word and the one before.
fn joined(sentence: &Sentence, at: usize) -> bool {
    let between = &sentence.text[sentence.tokens[at - 1].end..sentence.tokens[at].start];
    matches!(between, " " | "-" | "/" | "'" | "’" | "" | "'s " | "’s ")
}

/// All stretches of a run of up to [`LONGEST`] words, as token ranges.
fn spans(run: &[usize]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for first in 0..run.len() {
        for last in first..run.len().min(first + LONGEST) {
            spans.push(run[first]..run[last] + 1);
        }
    }
    spans
}

fn key(sentence: &Sentence, span: &Range<usize>) -> Vec<TermId> {
    sentence.terms[span.clone()].iter().flatten().copied().collect()
}

fn has_article(reading: &Reading<'_>, sentence: &Sentence, at: usize) -> bool {
    let article = reading.lexicon.words.article;
    at > 0
        && article.is_some_and(
            |the| matches!(sentence.tokens[at - 1].word.as_str(), w if w == the || w == "our" || w == "this"),
        )
}

fn written(reading: &Reading<'_>, sentence: &Sentence, span: &Range<usize>) -> String {
    let (first, last) = (&sentence.tokens[span.start], &sentence.tokens[span.end - 1]);
    let mut text = sentence.text[first.start..last.end].to_owned();
    for possessive in ["'s", "’s"] {
        if let Some(owner) = text.strip_suffix(possessive) {
            text = owner.to_owned();
        }
    }
    let first_word = &sentence.text[first.start..first.end];
    let ordinary = first_word.chars().skip(1).all(|c| !c.is_uppercase());
    if span.start == 0 && ordinary && !reading.lexicon.words.capital_nouns {
        text = lower_first(&text);
    }
    text
}

/// With a small first letter.
pub(super) fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// With a capital first letter.
pub(super) fn upper_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// For each word how often it is found where nouns are, and where verbs are.
struct Nouns {
    places: HashMap<String, (f64, f64)>,
}

impl Nouns {
    fn of(reading: &Reading<'_>) -> Self {
        let words = reading.lexicon.words;
        let mut places: HashMap<String, (f64, f64)> = HashMap::new();
        for sentence in &reading.sentences {
            for at in (0..sentence.tokens.len()).filter(|at| sentence.terms[*at].is_some()) {
                let token = &sentence.tokens[at];
                let (noun, verb) = places.entry(token.word.clone()).or_insert_with(|| {
                    let ends =
                        |endings: &[&str]| f64::from(u8::from(endings.iter().any(|end| token.word.ends_with(end))));
                    (0.5 + ends(words.endings.0), 0.5 + ends(words.endings.1))
                });
                let before = (at > 0 && joined(sentence, at)).then(|| &sentence.tokens[at - 1]);
                let after =
                    (at + 1 < sentence.tokens.len() && joined(sentence, at + 1)).then(|| &sentence.tokens[at + 1]);
                let is = |table: &[&str], token: Option<&super::tokens::Token>| {
                    token.is_some_and(|token| table.contains(&token.word.as_str()))
                };
                if is(words.before_nouns, before) || before.is_some() && sentence.terms[at - 1].is_some() {
                    *noun += 1.0;
                }
                if is(words.after_nouns, after) || after.is_none() && before.is_some() {
                    *noun += 0.5;
                }
                if is(words.before_verbs, before) || before.is_some_and(|name| reading.is_name(name)) {
                    *verb += 1.0;
                }
                if is(words.after_verbs, after) {
                    *verb += 1.0;
                }
                if words.capital_nouns && at > 0 {
                    *(if token.capital { noun } else { verb }) += 2.0;
                }
            }
        }
        Self { places }
    }

    /// How much of a noun phrase the words are, 0..=1; `None` when they can't be one.
    fn share(&self, reading: &Reading<'_>, sentence: &Sentence, span: &Range<usize>) -> Option<f64> {
        let words = reading.lexicon.words;
        let share = |at: usize| {
            let (noun, verb) = self.places.get(&sentence.tokens[at].word).copied().unwrap_or((0.5, 0.5));
            noun / (noun + verb)
        };
        let verb_here = span.start > 0
            && joined(sentence, span.start)
            && words.before_verbs.contains(&sentence.tokens[span.start - 1].word.as_str());
        let last = share(span.end - 1);
        if verb_here || last < NOUN_ENOUGH {
            return None;
        }
        let first = share(span.start);
        if span.len() > 1 && first < NOUN_ENOUGH / 2.0 {
            return None;
        }
        Some(first.min(last).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::meeting::MeetingText;
    use crate::transcript::Segment;

    fn best(language: &str, lines: &[&str]) -> Vec<String> {
        let segments = (lines.iter().enumerate())
            .map(|(nth, line)| Segment { speaker: 0, start: nth as f64, end: nth as f64 + 0.9, text: (*line).into() })
            .collect();
        let meeting = MeetingText::new(segments, vec!["Alice Miller".into()], language, 60.0);
        let reading = Reading::of(&meeting);
        let whole = 0..reading.sentences.len();
        Phrases::of(&reading, &[whole]).of_meeting().into_iter().map(|phrase| phrase.text).collect()
    }

    #[test]
    fn noun_phrases_come_before_verbs_and_single_words() {
        let phrases = best(
            "en",
            &[
                "We finished the database migration yesterday.",
                "The database migration was slow.",
                "Alice will deploy the billing service on Friday.",
                "Our billing service needs the index.",
            ],
        );
        assert_eq!(phrases[0], "database migration");
        assert_eq!(phrases[1], "billing service");
        assert!(phrases.iter().all(|phrase| !phrase.contains("Alice") && !phrase.contains("deploy")), "{phrases:?}");
    }

    #[test]
    fn german_nouns_are_known_by_their_capital() {
        let phrases =
            best("de", &["Wir haben die Datenbank umgestellt.", "Die Datenbank läuft.", "Bitte prüft die Rechnung."]);
        assert_eq!(phrases[0], "Datenbank");
        assert!(!phrases.contains(&"umgestellt".to_owned()));
    }
}
