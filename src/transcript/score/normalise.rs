//! Words as they are compared: what a listener would not hear makes no error.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The comparable words in `text`: Unicode's NFKC, lower case, without punctuation and symbols. Apostrophes inside a word
/// stay (`don't`), curly ones made straight; so does a point between digits (`3.5`), while a comma between digits goes
/// (`1,000`). A hyphen or slash parts two words (`follow-up`). Text without a letter or digit gives no word.
pub(super) fn words(text: &str) -> Vec<String> {
    let folded: Vec<char> = text.nfkc().flat_map(char::to_lowercase).nfc().collect();
    let mut words = vec![String::new()];
    for (at, &c) in folded.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| folded.get(at)).copied().unwrap_or(' ');
        let after = folded.get(at + 1).copied().unwrap_or(' ');
        let between_digits = before.is_numeric() && after.is_numeric();
        let Some(word) = words.last_mut() else { continue };
        match c {
            '\'' | '’' | '‘' | 'ʼ' if before.is_alphanumeric() && after.is_alphanumeric() => word.push('\''),
            '.' if between_digits => word.push('.'),
            ',' if between_digits => {}
            _ if c.is_alphanumeric() || is_combining_mark(c) => word.push(c),
            _ if c.is_whitespace() || matches!(c, '-' | '‐' | '‑' | '–' | '—' | '/') => {
                words.push(String::new())
            }
            _ => {}
        }
    }
    words.retain(|word| word.chars().any(char::is_alphanumeric));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_heard_is_compared() {
        let table: [(&str, &[&str]); 13] = [
            ("Hello,", &["hello"]),
            ("“Don’t!”", &["don't"]),
            ("'tis", &["tis"]),
            ("follow-up", &["follow", "up"]),
            ("1,000.50", &["1000.50"]),
            ("end.", &["end"]),
            ("p.m.", &["pm"]),
            ("-", &[]),
            ("", &[]),
            ("ＡＢＣ", &["abc"]),
            ("cafe\u{301}", &["café"]),
            ("हिन्दी।", &["हिन्दी"]),
            ("ﬁne", &["fine"]),
        ];
        for (text, expected) in table {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
