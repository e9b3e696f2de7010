//! Transcript text inside Markdown: what somebody said must not become formatting.

/// `text` on one line, with everything escaped that CommonMark or GitHub's tables, strikes and HTML would act on.
/// A mark that only counts at a line's start (`#`, `-`, `+`, `1.`) is escaped only there.
pub(super) fn escape(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(line.len() + 8);
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    for (at, c) in line.char_indices() {
        let opens_line = at == 0 && matches!(c, '#' | '-' | '+' | '=');
        let numbers_list = digits > 0 && at == digits && matches!(c, '.' | ')');
        let acts_anywhere = matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&');
        if opens_line || numbers_list || acts_anywhere {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_format_is_escaped_and_the_rest_is_left() {
        let table = [
            ("plain words, no marks.", "plain words, no marks."),
            ("the *big* one", "the \\*big\\* one"),
            ("<script>&amp;", "\\<script\\>\\&amp;"),
            ("[a](b)", "\\[a\\](b)"),
            ("# not a heading", "\\# not a heading"),
            ("1. not a list", "1\\. not a list"),
            ("version 1.2 is out", "version 1.2 is out"),
            ("- dash", "\\- dash"),
            ("two\nlines", "two lines"),
            ("a|b~c`d\\", "a\\|b\\~c\\`d\\\\"),
            ("日本語 🙂", "日本語 🙂"),
        ];
        for (text, escaped) in table {
            assert_eq!(escape(text), escaped);
        }
    }
}
