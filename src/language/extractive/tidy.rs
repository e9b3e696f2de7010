//! What people said, as it can be read: without "Okay, so" in front, not longer than a few lines.

use super::phrases::upper_first;
use super::reading::{Reading, Sentence};

/// Words after which a quoted sentence is cut off.
const LONGEST_QUOTE: usize = 45;

/// The sentence without openers, with a capital first letter, cut off with `…` when it is very long.
pub(super) fn quote(reading: &Reading<'_>, sentence: &Sentence) -> String {
    let from = opening(reading, sentence);
    let tokens = &sentence.tokens[from..];
    let Some(first) = tokens.first() else { return sentence.text.clone() };
    let begin = if from == 0 { 0 } else { first.start };
    if let Some(last) = tokens.get(LONGEST_QUOTE) {
        let text = sentence.text[begin..last.start].trim_end_matches([' ', ',', ';', ':']);
        return format!("{}…", upper_first(text));
    }
    upper_first(&sentence.text[begin..])
}

/// How many words at the beginning can go: words like "okay" that a comma or another of them follows, and "so" or
/// "and" even without. Never all of them.
pub(super) fn opening(reading: &Reading<'_>, sentence: &Sentence) -> usize {
    let openers = reading.lexicon.words.openers;
    let mut from = 0;
    let mut at = 0;
    while at + 3 < sentence.tokens.len() && openers.contains(&sentence.tokens[at].word.as_str()) {
        let gap = &sentence.text[sentence.tokens[at].end..sentence.tokens[at + 1].start];
        at += 1;
        let bare = matches!(
            sentence.tokens[at - 1].word.as_str(),
            "so" | "and" | "but" | "um" | "uh" | "well" | "okay" | "ok"
        );
        if gap.contains([',', '.', '!']) || (bare && reading.lexicon.words.code == "en") {
            from = at;
        }
    }
    from
}

/// `a`, `a and b`, `a, b and c` with the language's word for "and".
pub(super) fn list(items: &[String], and: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] if !and.is_empty() => format!("{} {and} {last}", front.join(", ")),
        _ => items.join(", "),
    }
}
