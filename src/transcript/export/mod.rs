//! The transcript as files for people and programs. Each format is a pure function of the document; names, titles and
//! words come from outside, so each format neutralises what would mean something in it.

mod json;
mod markdown;
mod rttm;
mod subtitles;
mod text;
mod turns;

pub use json::to_json;
pub use markdown::to_markdown;
pub(super) use markdown::{escape as escape_markdown, harmless as harmless_markdown};
pub use rttm::to_rttm;
pub use subtitles::{to_srt, to_vtt};
pub use text::to_text;

use super::TranscriptDocument;

/// Writes a document in one format.
pub type Writer = fn(&TranscriptDocument) -> String;

/// Every format: the file's extension (the file is named `transcript`) and its writer.
pub const FORMATS: [(&str, Writer); 6] =
    [("json", to_json), ("vtt", to_vtt), ("srt", to_srt), ("md", to_markdown), ("txt", to_text), ("rttm", to_rttm)];

/// The name of a speaker; a number nobody has still gets one.
fn name_of(document: &TranscriptDocument, speaker: usize) -> String {
    let found = document.participants.iter().find(|participant| participant.speaker == speaker);
    found
        .map(|participant| one_line(&participant.name))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("Speaker {}", speaker + 1))
}

/// Text on one line: each run of white space is one space; control characters and marks that turn the direction of
/// writing, with which a name could disguise what follows it, are gone.
pub(super) fn one_line(text: &str) -> String {
    let shown: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'))
        .collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod fixtures;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_one_line_without_control_characters() {
        assert_eq!(one_line(" a\r\n\u{2028}b\u{1b}[31m\u{202E}c\0 "), "a b[31mc");
    }

    #[test]
    fn every_format_writes_an_empty_meeting_and_ends_with_one_newline() {
        for (extension, write) in FORMATS {
            let text = write(&fixtures::empty());
            assert!(text.is_empty() || (text.ends_with('\n') && !text.ends_with("\n\n")), "{extension}: {text:?}");
        }
    }
}
