//! Words by Unicode's rules (UAX #29), and something word-like for scripts that write none.
//!
//! Japanese and Chinese have no spaces, and the default rules give one word per ideograph. Runs of one script are nearer
//! to words: in Japanese subjects are written in kanji and katakana and grammar in hiragana, so hiragana is left
//! out. Longer runs of Han characters are cut into pairs, the usual index unit for Chinese.

use unicode_segmentation::UnicodeSegmentation;

/// A word in a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// Byte offset of the first letter.
    pub start: usize,
    /// Byte offset behind the last letter.
    pub end: usize,
    /// Lower case, with a plain apostrophe and without a possessive `'s`.
    pub word: String,
    /// Whether it is written with a capital.
    pub capital: bool,
    /// Hiragana, which holds Japanese sentences together.
    pub grammar: bool,
    /// How many words it counts for.
    pub count: usize,
}

#[derive(PartialEq, Clone, Copy)]
enum Script {
    Spaced,
    Han,
    Hiragana,
    /// Thai, Lao, Burmese and Khmer: no spaces, and no simple way to tell words.
    Running,
}

fn script(word: &str) -> Script {
    match word.chars().next().map_or(0, u32::from) {
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_134f | 0x3005 => Script::Han,
        0x3040..=0x309f => Script::Hiragana,
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff => Script::Running,
        _ => Script::Spaced,
    }
}

/// A run of Han characters up to this long is taken for one word.
const HAN_WORD: usize = 4;

/// Words whose `'s` is a verb or a pronoun.
const CONTRACTED: [&str; 14] =
    ["let", "it", "that", "there", "here", "what", "who", "where", "how", "when", "he", "she", "everything", "one"];

/// The words of `text`, in order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut words = text.unicode_word_indices().peekable();
    while let Some((start, word)) = words.next() {
        let kind = script(word);
        let mut end = start + word.len();
        if kind != Script::Spaced {
            while let Some((_, next)) = words.next_if(|(at, next)| *at == end && script(next) == kind) {
                end += next.len();
            }
        }
        match kind {
            Script::Han => han_words(text, start, end, &mut found),
            _ => found.push(token(text, start, end, kind)),
        }
    }
    found
}

fn han_words(text: &str, start: usize, end: usize, found: &mut Vec<Token>) {
    let run = &text[start..end];
    let length = run.chars().count();
    if length <= HAN_WORD {
        found.push(token(text, start, end, Script::Han));
        return;
    }
    let starts: Vec<usize> = run.char_indices().map(|(at, _)| start + at).step_by(2).collect();
    for (nth, &from) in starts.iter().enumerate() {
        let to = starts.get(nth + 1).copied().unwrap_or(end);
        found.push(token(text, from, to, Script::Han));
    }
}

fn token(text: &str, start: usize, end: usize, kind: Script) -> Token {
    let written = &text[start..end];
    let mut word = written.to_lowercase().replace(['’', 'ʼ'], "'");
    if let Some(owner) = word.strip_suffix("'s") {
        // `Bob's` is Bob; `let's` and `it's` stay what they are, for the tables to know.
        if !CONTRACTED.contains(&owner) {
            word.truncate(owner.len());
        }
    }
    let count = if kind == Script::Spaced { 1 } else { written.chars().count().div_ceil(2) };
    let capital = written.chars().next().is_some_and(char::is_uppercase);
    Token { start, end, word, capital, grammar: kind == Script::Hiragana, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.word).collect()
    }

    #[test]
    fn words_follow_unicodes_rules() {
        assert_eq!(
            words("Let’s review Carol's café, it’s 3.5 km!"),
            ["let's", "review", "carol", "café", "it's", "3.5", "km"]
        );
        assert_eq!(words("🙂🙂 — …"), Vec::<String>::new());
        assert_eq!(words("שלום עולם"), ["שלום", "עולם"]);
    }

    #[test]
    fn japanese_is_cut_where_the_script_changes() {
        assert_eq!(
            words("明日の会議はデータベースについてです。"),
            ["明日", "の", "会議", "は", "データベース", "についてです"]
        );
        let grammar: Vec<bool> = tokens("明日の会議").iter().map(|token| token.grammar).collect();
        assert_eq!(grammar, [false, true, false]);
    }

    #[test]
    fn long_runs_of_han_characters_become_pairs() {
        assert_eq!(words("我们讨论数据库"), ["我们", "讨论", "数据", "库"]);
    }
}
