//! Until when: the time expression in what somebody promised.

use std::ops::Range;

use super::cues::{self, Cues, marked};
use crate::language::extractive::reading::Sentence;

/// Words of an event's name: `before the next board meeting`.
const EVENT_WORDS: usize = 5;

/// The first time expression within `clause` (word positions), as word positions.
pub(super) fn find(sentence: &Sentence, clause: Range<usize>, cues: &Cues) -> Option<Range<usize>> {
    for start in clause.clone() {
        if let Some(mut end) = expression(sentence, start, clause.end, cues) {
            while end < clause.end {
                let more = cues::at(sentence, end, cues.after_days)
                    .map(|length| end + length)
                    .or_else(|| expression(sentence, end, clause.end, cues));
                match more {
                    Some(further) if further <= clause.end => end = further,
                    _ => break,
                }
            }
            return Some(start..end);
        }
    }
    None
}

fn expression(sentence: &Sentence, start: usize, end: usize, cues: &Cues) -> Option<usize> {
    let fixed = cues::at(sentence, start, cues.times).map(|length| start + length);
    // The longest preposition need not be the one that a day follows: `by next` and `by` both begin `by next week`.
    let behind = (cues.before_days.iter())
        .filter_map(|cue| cues::at(sentence, start, std::slice::from_ref(cue)))
        .filter_map(|length| {
            let day = start + length;
            cues::at(sentence, day, cues.days).map(|more| day + more).or_else(|| date(sentence, start, day))
        })
        .max();
    let found = fixed.into_iter().chain(behind).max().filter(|to| *to <= end);
    found.or_else(|| event(sentence, start, end, cues))
}

/// `by the 15th`, `at 3pm`, `by 5`: a number behind a preposition that stands for a point in time.
fn date(sentence: &Sentence, preposition: usize, at: usize) -> Option<usize> {
    let word = &sentence.tokens.get(at)?.word;
    let numeric = word.chars().next().is_some_and(|c| c.is_ascii_digit());
    let clock = word.ends_with("am") || word.ends_with("pm") || word.contains(':');
    let ordinal = ["st", "nd", "rd", "th"].iter().any(|end| word.ends_with(end));
    let by = sentence.tokens[preposition].word == "by" && at + 1 == sentence.tokens.len();
    (numeric && (clock || ordinal || by)).then_some(at + 1)
}

fn event(sentence: &Sentence, start: usize, end: usize, cues: &Cues) -> Option<usize> {
    let first = start + cues::at(sentence, start, cues.events)?;
    let to = (first..end).find(|at| *at > first && marked(sentence, *at)).unwrap_or(end);
    (to > first && to - first <= EVENT_WORDS).then_some(to)
}
