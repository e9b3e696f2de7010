//! Titles out of key phrases, for topics and for the meeting.

use std::collections::BTreeSet;

use super::phrases::{Phrase, lower_first, upper_first};
use super::reading::Reading;
use super::tidy::list;

/// A second phrase joins a title when it is at least this good, compared with the first.
const SECOND_ENOUGH: f64 = 0.6;
/// Letters in a title of several phrases.
const LONGEST_TITLE: usize = 60;
/// English words that stay small inside a title.
const SMALL: [&str; 14] = ["a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to"];

/// The best of `phrases` (best first) that have no word in common, at most `count`.
pub(super) fn distinct(phrases: &[Phrase], count: usize, enough: f64) -> Vec<Phrase> {
    let mut picked: Vec<Phrase> = Vec::new();
    for phrase in phrases {
        let good = picked.first().is_none_or(|first| phrase.score >= first.score * enough);
        if good && picked.len() < count && !picked.iter().any(|other| other.overlaps(phrase)) {
            picked.push(phrase.clone());
        }
    }
    picked
}

/// The phrases as one title, as many as fit.
pub(super) fn heading(reading: &Reading<'_>, phrases: &[Phrase]) -> String {
    let and = reading.lexicon.words.and;
    for count in (1..=phrases.len()).rev() {
        let items: Vec<String> = phrases[..count].iter().map(|phrase| capitals(reading, &phrase.text)).collect();
        let title = upper_first(&list(&items, and));
        if count == 1 || title.chars().count() <= LONGEST_TITLE {
            return title;
        }
    }
    String::new()
}

/// Title case in English; elsewhere only the first phrase's first letter is changed, by [`heading`].
fn capitals(reading: &Reading<'_>, text: &str) -> String {
    if reading.lexicon.words.code != "en" {
        return text.to_owned();
    }
    (text.split(' ').enumerate())
        .map(|(nth, word)| {
            if word.chars().any(char::is_uppercase) {
                word.to_owned()
            } else if nth > 0 && SMALL.contains(&word) {
                lower_first(word)
            } else {
                word.split('-').map(upper_first).collect::<Vec<_>>().join("-")
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// A title for each topic, no two alike. `candidates` are each topic's phrases, best first. The best phrase of all goes
/// first, to where it is best; a topic whose phrases are all taken says so with an empty title.
pub(super) fn headings(reading: &Reading<'_>, candidates: &[Vec<Phrase>]) -> Vec<String> {
    let mut offers: Vec<(f64, usize, usize)> = Vec::new();
    for (topic, phrases) in candidates.iter().enumerate() {
        offers.extend(phrases.iter().take(40).enumerate().map(|(nth, phrase)| (phrase.score, topic, nth)));
    }
    offers.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));

    let mut chosen: Vec<Vec<Phrase>> = vec![Vec::new(); candidates.len()];
    let mut taken: Vec<Phrase> = Vec::new();
    for second in [false, true] {
        for &(score, topic, nth) in &offers {
            let phrase = &candidates[topic][nth];
            let wanted = if second {
                chosen[topic].len() == 1 && score >= chosen[topic][0].score * SECOND_ENOUGH
            } else {
                chosen[topic].is_empty()
            };
            let free = !taken.iter().any(|other| other.overlaps(phrase));
            if wanted && free {
                chosen[topic].push(phrase.clone());
                taken.push(phrase.clone());
            }
        }
    }
    // Many topics about few things: sharing a word is allowed then, an equal title is not.
    let mut titles: Vec<String> = chosen.iter().map(|phrases| heading(reading, phrases)).collect();
    let mut used: BTreeSet<String> = titles.iter().map(|title| title.to_lowercase()).collect();
    for (topic, title) in titles.iter_mut().enumerate() {
        if title.is_empty() {
            let free = (candidates[topic].iter())
                .map(|phrase| heading(reading, std::slice::from_ref(phrase)))
                .find(|title| !used.contains(&title.to_lowercase()));
            if let Some(free) = free {
                used.insert(free.to_lowercase());
                *title = free;
            }
        }
    }
    titles
}
