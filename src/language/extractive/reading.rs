//! A meeting read once: sentences with their words, each word known by its stem.

use std::collections::{BTreeSet, HashMap};

use unicode_segmentation::UnicodeSegmentation;

use super::lexicon::Lexicon;
use super::tokens::{Token, tokens};
use crate::language::meeting::MeetingText;

/// A speaker who pauses longer than this in mid sentence begins a new one. Seconds.
const SAME_SENTENCE_PAUSE: f64 = 2.5;
/// No sentence grows longer than this by joining. Words.
const LONGEST_JOINED: usize = 60;

/// What one stem is called inside a [`Reading`].
pub(super) type TermId = usize;

/// What somebody said up to a full stop, question mark or pause.
pub(super) struct Sentence {
    /// 0-based.
    pub speaker: usize,
    /// Seconds: where the segment that it begins in starts.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// One line, as recognised.
    pub text: String,
    /// Its words.
    pub tokens: Vec<Token>,
    /// For each word its stem, where the word is about something.
    pub terms: Vec<Option<TermId>>,
    /// The segment that it begins in, so that topics start where segments do.
    pub segment: usize,
    /// How many words.
    pub words: usize,
}

impl Sentence {
    /// Whether it ends in a question mark of any script.
    pub fn is_question(&self) -> bool {
        self.text.trim_end_matches(['"', '”', '»', ')', '」', '』']).ends_with(['?', '？', '؟', '\u{37e}'])
    }

    /// The lower-case words joined by spaces, with a space at both ends: what word sequences are looked up in.
    pub fn plain(&self) -> String {
        let mut plain = String::with_capacity(self.text.len() + 2);
        plain.push(' ');
        for token in &self.tokens {
            plain.push_str(&token.word);
            plain.push(' ');
        }
        plain
    }
}

/// The whole meeting.
pub(super) struct Reading<'a> {
    /// What was read.
    pub meeting: &'a MeetingText,
    /// Of the meeting's language.
    pub lexicon: Lexicon,
    /// Ordered by start.
    pub sentences: Vec<Sentence>,
    /// How many different stems there are; ids are below this.
    pub terms: usize,
    names: BTreeSet<String>,
}

impl<'a> Reading<'a> {
    /// Reads `meeting`. Time grows with its length only.
    pub fn of(meeting: &'a MeetingText) -> Self {
        let lexicon = Lexicon::of(meeting.language());
        let names = name_words(meeting);
        let mut sentences = sentences(meeting);
        let mut ids: HashMap<String, TermId> = HashMap::new();
        for sentence in &mut sentences {
            sentence.tokens = tokens(&sentence.text);
            sentence.words = sentence.tokens.iter().map(|token| token.count).sum();
            sentence.terms = (sentence.tokens.iter())
                .map(|token| {
                    let subject = !token.grammar
                        && !lexicon.is_stop(&token.word)
                        && !lexicon.is_light(&token.word)
                        && !is_name(&names, token)
                        && token.word.chars().nth(1).is_some();
                    subject.then(|| {
                        let next = ids.len();
                        *ids.entry(lexicon.stem(&token.word)).or_insert(next)
                    })
                })
                .collect();
        }
        sentences.retain(|sentence| !sentence.tokens.is_empty());
        Self { meeting, lexicon, sentences, terms: ids.len(), names }
    }

    /// Whether the word is part of a participant's name.
    pub fn is_name(&self, token: &Token) -> bool {
        is_name(&self.names, token)
    }

    /// How many words were said.
    pub fn words(&self) -> usize {
        self.sentences.iter().map(|sentence| sentence.words).sum()
    }
}

fn is_name(names: &BTreeSet<String>, token: &Token) -> bool {
    // `Will` and `will`: scripts with capitals write names with one.
    let caseless = !token.word.chars().any(|c| c.is_lowercase() || c.is_uppercase());
    (token.capital || caseless) && names.contains(&token.word)
}

fn name_words(meeting: &MeetingText) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for name in meeting.speakers() {
        let parts = tokens(name);
        let stand_in = parts.len() == 2 && parts[0].word == "speaker" && parts[1].word.chars().all(char::is_numeric);
        if !stand_in {
            names.extend(parts.into_iter().map(|part| part.word));
        }
    }
    names
}

/// Segments end at pauses and at 30 s too: a speaker's next segment goes on with a sentence that has no end yet. A
/// segment with several sentences is taken apart.
fn sentences(meeting: &MeetingText) -> Vec<Sentence> {
    let mut found: Vec<Sentence> = Vec::new();
    let mut open: HashMap<usize, usize> = HashMap::new();
    for (nth, segment) in meeting.segments().iter().enumerate() {
        for part in segment.text.unicode_sentences() {
            let text = part.split_whitespace().collect::<Vec<_>>().join(" ");
            let words = text.split(' ').count();
            let ended = ends(&text);
            let going_on = open.get(&segment.speaker).copied().filter(|&at| {
                let before = &found[at];
                segment.start - before.end <= SAME_SENTENCE_PAUSE && before.words + words <= LONGEST_JOINED
            });
            let at = match going_on {
                Some(at) => {
                    let before = &mut found[at];
                    before.text.push(' ');
                    before.text.push_str(&text);
                    before.words += words;
                    before.end = before.end.max(segment.end);
                    at
                }
                None => {
                    found.push(Sentence {
                        speaker: segment.speaker,
                        start: segment.start,
                        end: segment.end,
                        text,
                        tokens: Vec::new(),
                        terms: Vec::new(),
                        segment: nth,
                        words,
                    });
                    found.len() - 1
                }
            };
            if ended {
                open.remove(&segment.speaker);
            } else {
                open.insert(segment.speaker, at);
            }
        }
    }
    found
}

fn ends(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '»', ')', '」', '』'])
        .ends_with(['.', '!', '?', '…', '。', '！', '？', '؟', '۔', '।', '\u{37e}'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Segment;

    fn read(segments: &[(usize, f64, f64, &str)]) -> Vec<String> {
        let segments = segments
            .iter()
            .map(|&(speaker, start, end, text)| Segment { speaker, start, end, text: text.into() })
            .collect();
        let meeting = MeetingText::new(segments, vec!["Alice".into(), "Will".into()], "en", 60.0);
        Reading::of(&meeting).sentences.into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn a_sentence_with_a_pause_in_it_is_one_sentence() {
        let read = read(&[
            (0, 0.0, 2.0, "I finished the migration"),
            (1, 2.1, 2.9, "Great."),
            (0, 3.2, 4.0, "of the database. It works."),
        ]);
        assert_eq!(read, ["I finished the migration of the database.", "Great.", "It works."]);
    }

    #[test]
    fn a_long_pause_ends_a_sentence() {
        assert_eq!(read(&[(0, 0.0, 2.0, "I was"), (0, 9.0, 10.0, "Hello.")]), ["I was", "Hello."]);
    }

    #[test]
    fn names_are_not_subjects_but_the_same_words_in_lower_case_may_be() {
        let segment = Segment { speaker: 0, start: 0.0, end: 1.0, text: "Alice asked about alice blue.".into() };
        let meeting = MeetingText::new(vec![segment], vec!["Alice".into()], "en", 1.0);
        let reading = Reading::of(&meeting);
        assert_eq!(reading.sentences[0].terms[0], None);
        assert!(reading.sentences[0].terms[3].is_some());
    }
}
