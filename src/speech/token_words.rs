//! Words out of whisper's tokens. A token is part of a word, and may be part of a character: only the bytes of a whole
//! word are text.

use super::recognizer::HeardWord;
use super::windows::PackedSeconds;

/// A text token as whisper.cpp gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TextToken {
    pub bytes: Vec<u8>,
    /// Hundredths of a second from the window's first sample.
    pub start: i64,
    /// Hundredths of a second.
    pub end: i64,
    /// 0..=1.
    pub probability: f32,
}

/// Languages written without spaces between words: there each token that completes a character begins a new word.
/// The list is that of OpenAI's own implementation.
pub(super) fn is_spaced(language: &str) -> bool {
    !matches!(language, "zh" | "ja" | "th" | "lo" | "my" | "yue")
}

/// The words of one segment. A word begins at a token with a leading space; punctuation stays with the word before it.
pub(super) fn words(tokens: &[TextToken], spaced: bool) -> Vec<HeardWord> {
    let mut words: Vec<Building> = Vec::new();
    for token in tokens {
        let begins = match words.last() {
            None => true,
            Some(_) if token.bytes.starts_with(b" ") => true,
            Some(word) => !spaced && word.is_whole() && !is_punctuation(&token.bytes),
        };
        if begins {
            words.push(Building::default());
        }
        if let Some(word) = words.last_mut() {
            word.add(token);
        }
    }
    let mut heard: Vec<HeardWord> = Vec::new();
    for word in words {
        let word = word.finish();
        if word.text.is_empty() {
            continue;
        }
        if word.text.chars().any(char::is_alphanumeric)
            || !word.text.is_ascii()
            || word.text.contains(['$', '%', '&', '+', '='])
        {
            heard.push(word);
        } else if let (Some(before), true) = (heard.last_mut(), word.text.chars().all(|c| ".,?!;:".contains(c))) {
            before.text.push_str(&word.text);
        }
    }
    heard
}

fn is_punctuation(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_alphanumeric() || c.is_whitespace()))
}

#[derive(Default)]
struct Building {
    bytes: Vec<u8>,
    start: Option<i64>,
    end: i64,
    /// Natural logarithms, of the tokens that are said.
    log_probability: f64,
    spoken_tokens: u32,
}

impl Building {
    fn is_whole(&self) -> bool {
        std::str::from_utf8(&self.bytes).is_ok()
    }

    fn add(&mut self, token: &TextToken) {
        self.bytes.extend_from_slice(&token.bytes);
        let start = *self.start.get_or_insert(token.start);
        // Punctuation is not said: its time and its probability are not the word's.
        if !is_punctuation(&token.bytes) || self.spoken_tokens == 0 {
            self.end = self.end.max(token.end).max(start);
            self.log_probability += f64::from(token.probability.clamp(1e-6, 1.0)).ln();
            self.spoken_tokens += 1;
        }
    }

    fn finish(self) -> HeardWord {
        let start = self.start.unwrap_or(0).max(0);
        HeardWord {
            text: String::from_utf8_lossy(&self.bytes).trim().to_owned(),
            start: PackedSeconds(start as f64 / 100.0),
            end: PackedSeconds(self.end.max(start) as f64 / 100.0),
            // The geometric mean, so that long words are not doubted for their length.
            probability: (self.log_probability / f64::from(self.spoken_tokens.max(1))).exp() as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(bytes: &[u8], start: i64, end: i64) -> TextToken {
        TextToken { bytes: bytes.to_vec(), start, end, probability: 0.5 }
    }

    fn texts(words: &[HeardWord]) -> Vec<&str> {
        words.iter().map(|w| w.text.as_str()).collect()
    }

    #[test]
    fn words_are_put_together_from_bytes_of_tokens() {
        let tokens = [
            token(b" The", 0, 20),
            token(b" caf\xc3", 20, 40),
            token(b"\xa9", 40, 60),
            token(b",", 60, 90),
            token(b" data", 90, 110),
            token(b"base", 110, 130),
            token(b".", 130, 200),
        ];
        let words = words(&tokens, true);
        assert_eq!(texts(&words), ["The", "café,", "database."]);
        assert_eq!((words[1].start, words[1].end), (PackedSeconds(0.2), PackedSeconds(0.6)));
        assert_eq!(words[2].end, PackedSeconds(1.3));
        assert!((words[2].probability - 0.5).abs() < 1e-6);
    }

    #[test]
    fn languages_without_spaces_get_a_word_per_token() {
        let tokens = [token("今日".as_bytes(), 0, 20), token("は".as_bytes(), 20, 30), token("。".as_bytes(), 30, 40)];
        assert_eq!(texts(&words(&tokens, false)), ["今日", "は。"]);
    }

    #[test]
    fn lone_punctuation_is_no_word() {
        let tokens = [
            token(b" -", 0, 1),
            token(b" Yes", 1, 20),
            token(b" ...", 20, 30),
            token(b" 5", 30, 40),
            token(b"%", 40, 50),
        ];
        assert_eq!(texts(&words(&tokens, true)), ["Yes...", "5%"]);
    }

    proptest! {
        #[test]
        fn any_bytes_make_words_without_outer_space_that_do_not_end_before_they_start(
            tokens in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..6), -5i64..4000, -5i64..4000), 0..40),
            spaced: bool,
        ) {
            let tokens: Vec<_> = tokens.iter().map(|(bytes, start, end)| token(bytes, *start, *end)).collect();
            for word in words(&tokens, spaced) {
                prop_assert_eq!(word.text.trim(), &word.text);
                prop_assert!(!word.text.is_empty());
                prop_assert!(word.end >= word.start);
            }
        }
    }
}
