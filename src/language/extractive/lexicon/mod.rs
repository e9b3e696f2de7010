//! What the extractive backend knows about a language: stop words, stems, and small tables of closed-class words.
//!
//! Stop words are NLTK's where it has the language, else stopwords-iso's. The latter's English list is a web search
//! engine's (`test`, `page`, `system`, `order`, `problem`): it would take the subjects out of a meeting.

mod english;
mod other;

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};

/// Closed-class words and phrases of one language. All lower case; an apostrophe is `'`.
pub(super) struct Words {
    /// ISO 639-1.
    pub code: &'static str,
    /// Joins the last two items of a list.
    pub and: &'static str,
    /// Put before a phrase that was mostly said with it; only where it does not depend on gender or case.
    pub article: Option<&'static str>,
    /// A noun follows.
    pub before_nouns: &'static [&'static str],
    /// A verb follows.
    pub before_verbs: &'static [&'static str],
    /// The word before is a noun when one of these follows.
    pub after_nouns: &'static [&'static str],
    /// The word before is a verb when one of these follows.
    pub after_verbs: &'static [&'static str],
    /// Endings of nouns, and endings of verbs and adverbs.
    pub endings: (&'static [&'static str], &'static [&'static str]),
    /// May be dropped at a sentence's beginning.
    pub openers: &'static [&'static str],
    /// Carries no subject: small talk, vague words, days, numbers, common verbs.
    pub light: &'static [&'static str],
    /// Nouns are written with a capital, as in German.
    pub capital_nouns: bool,
    /// Joins two nouns to one term, as in `base de datos`.
    pub inner: &'static [&'static str],
    /// A sentence that begins with one of these is hard to understand alone.
    pub leaning: &'static [&'static str],
    /// The sentence moves on to another subject.
    pub moving_on: &'static [&'static str],
    /// The sentence is a greeting, thanks, or about the call itself.
    pub small_talk: &'static [&'static str],
    /// Frames of the short summary.
    pub frames: Option<Frames>,
}

/// Sentences of the short summary; `{who}`, `{what}`, `{said}` are filled in.
pub(super) struct Frames {
    /// Who took part, and what it was about.
    pub about: &'static str,
    /// Who took part, when no subject was found.
    pub met: &'static str,
    /// The sentence to remember.
    pub said: &'static str,
}

/// One language's knowledge, ready to use. Unknown languages have no stop words, no stems and empty tables.
pub(super) struct Lexicon {
    stop: HashSet<&'static str>,
    light: HashSet<&'static str>,
    stemmer: Option<Stemmer>,
    /// The tables.
    pub words: &'static Words,
}

impl Lexicon {
    /// For an ISO 639-1 code, known or not.
    pub fn of(language: &str) -> Self {
        let words = std::iter::once(&english::WORDS)
            .chain(other::ALL)
            .find(|words| words.code == language)
            .unwrap_or(&other::UNKNOWN);
        Self {
            stop: stop_words::lookup(language).unwrap_or_default().iter().copied().collect(),
            light: words.light.iter().copied().collect(),
            stemmer: algorithm(language).map(Stemmer::create),
            words,
        }
    }

    /// Whether `word` (lower case) only holds sentences together.
    pub fn is_stop(&self, word: &str) -> bool {
        self.stop.contains(word)
            || word.split_once('\'').is_some_and(|(front, _)| self.stop.contains(front) && !front.is_empty())
    }

    /// Whether `word` (lower case) says nothing about the subject though it is no stop word.
    pub fn is_light(&self, word: &str) -> bool {
        self.light.contains(word) || word.chars().all(|c| c.is_numeric() || c.is_ascii_punctuation())
    }

    /// What the forms of one word share.
    pub fn stem(&self, word: &str) -> String {
        // Snowball's rules are for words; they were never meant for a line of thousands of letters.
        match &self.stemmer {
            Some(stemmer) if word.len() <= 64 => stemmer.stem(word).into_owned(),
            _ => word.to_owned(),
        }
    }
}

fn algorithm(language: &str) -> Option<Algorithm> {
    Some(match language {
        "ar" => Algorithm::Arabic,
        "da" => Algorithm::Danish,
        "nl" => Algorithm::Dutch,
        "en" => Algorithm::English,
        "fi" => Algorithm::Finnish,
        "fr" => Algorithm::French,
        "de" => Algorithm::German,
        "el" => Algorithm::Greek,
        "hu" => Algorithm::Hungarian,
        "it" => Algorithm::Italian,
        "no" | "nb" | "nn" => Algorithm::Norwegian,
        "pt" => Algorithm::Portuguese,
        "ro" => Algorithm::Romanian,
        "ru" => Algorithm::Russian,
        "es" => Algorithm::Spanish,
        "sv" => Algorithm::Swedish,
        "ta" => Algorithm::Tamil,
        "tr" => Algorithm::Turkish,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subjects_of_meetings_are_not_stop_words_in_english() {
        let english = Lexicon::of("en");
        for word in ["test", "page", "system", "order", "problem", "computer", "work", "server"] {
            assert!(!english.is_stop(word), "{word}");
        }
        for word in ["the", "don't", "we're", "i'll", "would"] {
            assert!(english.is_stop(word) || english.is_light(word), "{word}");
        }
    }

    #[test]
    fn an_unknown_language_has_no_stop_words_and_no_stems() {
        let unknown = Lexicon::of("xx");
        assert!(!unknown.is_stop("the"));
        assert_eq!(unknown.stem("tests"), "tests");
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        let english = Lexicon::of("en");
        assert_eq!(english.stem("migrations"), english.stem("migration"));
        assert_eq!(Lexicon::of("de").stem("projekte"), Lexicon::of("de").stem("projekt"));
    }

    proptest! {
        #[test]
        fn no_word_of_any_language_panics_a_stemmer(word in "\\PC{0,24}", at in 0usize..19) {
            let codes = ["ar","da","nl","en","fi","fr","de","el","hu","it","no","pt","ro","ru","es","sv","ta","tr","ja"];
            Lexicon::of(codes[at]).stem(&word.to_lowercase());
        }
    }
}
