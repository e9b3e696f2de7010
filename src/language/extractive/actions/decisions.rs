//! Sentences that settle something.

use std::collections::BTreeSet;

use super::cues::{self, Cues};
use crate::language::extractive::phrases::upper_first;
use crate::language::extractive::reading::{Reading, Sentence};
use crate::language::extractive::tidy::quote;

/// How many sentences later somebody may still agree to a proposal.
const AGREED_WITHIN: usize = 3;
/// Shorter sentences settle nothing that can be understood alone. Words.
const SHORTEST: usize = 4;

/// Decisions in the order they were made, each once.
pub(super) fn decisions(reading: &Reading<'_>, cues: &Cues) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for (at, sentence) in reading.sentences.iter().enumerate() {
        if settles(sentence, cues) {
            found.push((at, quote(reading, sentence)));
        } else if agrees(sentence, cues)
            && let Some(proposal) = proposal_before(reading, at, cues)
        {
            found.push((proposal, statement(reading, &reading.sentences[proposal], cues)));
        }
    }
    let mut said = BTreeSet::new();
    found.retain(|(_, text)| said.insert(text.to_lowercase()));
    found.sort_by_key(|(at, _)| *at);
    let mut places = BTreeSet::new();
    found.retain(|(at, _)| places.insert(*at));
    found.into_iter().map(|(_, text)| text).collect()
}

fn settles(sentence: &Sentence, cues: &Cues) -> bool {
    let count = sentence.tokens.len();
    if count < SHORTEST || sentence.is_question() {
        return false;
    }
    let open = |at: usize| {
        !cues::has(sentence, at, cues.hedges)
            && !(at > 0 && cues.subordinate.contains(&sentence.tokens[at - 1].word.as_str()))
    };
    let decided =
        cues::first(sentence, 0, count, cues.decided).is_some_and(|(at, length)| open(at) && at + length < count);
    decided
        || (0..count).any(|at| {
            let Some(length) = cues::at(sentence, at, cues.choosing) else { return false };
            let mut verb = at + length;
            while let Some(skip) = cues::at(sentence, verb, cues.adverbs) {
                verb += skip;
            }
            open(at) && cues::at(sentence, verb, cues.choices).is_some_and(|length| verb + length < count)
        })
}

fn agrees(sentence: &Sentence, cues: &Cues) -> bool {
    let first = sentence.tokens.iter().position(|token| !cues.accepting.contains(&token.word.as_str())).unwrap_or(0);
    let here = |at: usize| cues::at(sentence, at, cues.agreeing).is_some();
    !sentence.is_question()
        && (here(0) || here(first) || here(1))
        && !cues::has(sentence, sentence.tokens.len(), cues.refusing)
        && !sentence.tokens.iter().any(|token| cues.clause_ends.first().is_some_and(|but| token.word == *but))
}

/// What another speaker proposed shortly before, unless something else was proposed or refused since.
fn proposal_before(reading: &Reading<'_>, at: usize, cues: &Cues) -> Option<usize> {
    let agreeing = &reading.sentences[at];
    for before in (at.saturating_sub(AGREED_WITHIN)..at).rev() {
        let sentence = &reading.sentences[before];
        if sentence.speaker != agreeing.speaker && proposes(sentence, cues) {
            return Some(before);
        }
        if cues::has(sentence, sentence.tokens.len(), cues.refusing) {
            return None;
        }
    }
    None
}

fn proposes(sentence: &Sentence, cues: &Cues) -> bool {
    let count = sentence.tokens.len();
    cues::first(sentence, 0, count, cues.proposing).is_some_and(|(at, length)| {
        at <= 3
            && count - at - length >= 3
            && cues::at(sentence, at + length, cues.in_call).is_none()
            && cues::at(sentence, at + length, cues.no_tasks)
                .is_none_or(|_| cues::at(sentence, at + length, &["wait"]).is_some())
    })
}

/// The proposal as a statement: from its cue on, a question as "we should".
fn statement(reading: &Reading<'_>, sentence: &Sentence, cues: &Cues) -> String {
    let Some((at, length)) = cues::first(sentence, 0, sentence.tokens.len(), cues.proposing) else {
        return quote(reading, sentence);
    };
    let from = if sentence.is_question() { at + length } else { at };
    let Some(first) = sentence.tokens.get(from) else { return quote(reading, sentence) };
    let text = sentence.text[first.start..].trim_end_matches(['.', '!', '?', ' ', ',']);
    format!("{}.", upper_first(text))
}
