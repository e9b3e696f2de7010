//! Where a sentence ends and how words are put side by side, for any script.

/// Marks that end a sentence, of the scripts that have marks of their own. Ellipses count as their full stops do.
const ENDERS: &str = ".?!…。？！｡．؟۔।॥։።፧၊။។‼⁇⁈⁉‽";

/// Marks that may stand behind the one that ends a sentence.
const CLOSERS: &str = "\"'”’»›)]}」』】）］〉》";

/// Short forms whose full stop is followed by what belongs to them: titles before names, and the two that introduce an
/// example or an explanation. Forms that may as well end a sentence (etc., p.m., Inc.) are not here.
const SHORT_FORMS: [&str; 9] = ["mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "vs.", "e.g.", "i.e."];

/// Whether a sentence ends with this word. `3.5` ends none: only a word's last mark counts.
pub(super) fn ends_sentence(word: &str) -> bool {
    let bare = word.trim_end_matches(|c| CLOSERS.contains(c));
    let Some(last) = bare.chars().next_back() else {
        return false;
    };
    if !ENDERS.contains(last) {
        return false;
    }
    let opened = bare.trim_start_matches(|c: char| !c.is_alphanumeric());
    last != '.' || !SHORT_FORMS.iter().any(|short| opened.eq_ignore_ascii_case(short))
}

/// Puts one more word behind `text`: with a space between them, except where both neighbours are of a script that is
/// written without.
pub(super) fn append_word(text: &mut String, word: &str) {
    if let (Some(before), Some(after)) = (text.chars().next_back(), word.chars().next())
        && !(is_unspaced(before) && is_unspaced(after))
    {
        text.push(' ');
    }
    text.push_str(word);
}

/// Han, kana, Thai, Lao, Khmer, Myanmar, and the full-width marks used with them. (Korean is written with spaces.)
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3000..=0x30FF | 0x31F0..=0x31FF | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF00..=0xFF65 | 0xFF66..=0xFF9F | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join_words<const N: usize>(words: [&str; N]) -> String {
        let mut text = String::new();
        words.iter().for_each(|word| append_word(&mut text, word));
        text
    }

    #[test]
    fn a_sentence_ends_at_its_mark_in_any_script_and_behind_closing_quotes() {
        for word in ["done.", "why?", "no!", "go.\"", "(really?)", "wait…", "です。", "吗？", "はい！」", "ہے۔", "है।"]
        {
            assert!(ends_sentence(word), "{word}");
        }
        for word in ["done", "3.5", "well,", "Dr.", "“Mrs.", "e.g.", "", "\"", "-", "a.b"] {
            assert!(!ends_sentence(word), "{word}");
        }
    }

    #[test]
    fn words_are_joined_as_their_script_is_written() {
        assert_eq!(join_words(["Good", "morning,", "Bob."]), "Good morning, Bob.");
        assert_eq!(join_words(["今日", "は", "。", "OK", "です"]), "今日は。 OK です");
        assert_eq!(join_words(["안녕", "하세요"]), "안녕 하세요");
        assert_eq!(join_words([]), "");
    }
}
