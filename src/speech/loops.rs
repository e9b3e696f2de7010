//! Finds text that a stuck decoder made: the same few words over and over. Known failure of every whisper; people
//! repeat themselves too, so only more repetitions than people use count, and what is taken out is kept for audits.

use std::ops::Range;

/// The longest repeated phrase that is looked for, in words.
const LONGEST_PHRASE: usize = 12;

/// Copies of an `n`-word phrase in a row that people do not say.
fn too_many(n: usize) -> usize {
    match n {
        1 => 6,
        2 => 4,
        _ => 3,
    }
}

/// Index ranges of `words` that repeat the phrase before them: all copies but the first of each loop. Case and
/// punctuation do not count.
pub fn repeats(words: &[&str]) -> Vec<Range<usize>> {
    let plain: Vec<String> = words
        .iter()
        .map(|w| w.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < plain.len() {
        let loop_here = (1..=LONGEST_PHRASE.min(plain.len() - at)).find_map(|n| {
            let phrase = &plain[at..at + n];
            let whole = plain[at..].chunks_exact(n).take_while(|copy| *copy == phrase).count();
            (whole >= too_many(n)).then(|| {
                // A loop that was cut off ends in part of the phrase.
                let rest = &plain[at + whole * n..];
                let partial = rest.iter().zip(phrase).take_while(|(a, b)| a == b).count();
                let partial = if at + whole * n + partial == plain.len() { partial } else { 0 };
                at + n..at + whole * n + partial
            })
        });
        match loop_here {
            Some(range) => {
                at = range.end;
                found.push(range);
            }
            None => at += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_repeats(text: &str) -> String {
        let words: Vec<&str> = text.split(' ').collect();
        let found = repeats(&words);
        let kept: Vec<&str> =
            words.iter().enumerate().filter(|(i, _)| !found.iter().any(|r| r.contains(i))).map(|(_, w)| *w).collect();
        kept.join(" ")
    }

    #[test]
    fn e20_loops_lose_all_copies_but_the_first() {
        assert_eq!(
            without_repeats("So that is it. Thank you. Thank you. Thank you. Thank you."),
            "So that is it. Thank you."
        );
        assert_eq!(without_repeats("we will see the plan, see the plan see the plan see the"), "we will see the plan,");
        assert_eq!(without_repeats(&["the"; 80].join(" ")), "the");
        assert_eq!(without_repeats("a b c d a b c d a b c d and on"), "a b c d and on");
    }

    #[test]
    fn people_may_repeat_themselves() {
        for said in [
            "No, no, no, no.",
            "yes yes yes yes yes I know",
            "very good, very good, very good",
            "I think I think we should",
            "one two three one two three four",
            "",
        ] {
            assert_eq!(without_repeats(said), said);
        }
    }
}
