//! Plain text: who said what, when.

use std::fmt::Write as _;

use super::turns::turns;
use super::{name_of, one_line};
use crate::transcript::TranscriptDocument;
use crate::transcript::time::clock_face;

/// Title, participants with talk time, then one line per turn.
pub fn to_text(document: &TranscriptDocument) -> String {
    let mut text = String::new();
    let title = one_line(&document.title);
    if !title.is_empty() {
        let _ = writeln!(text, "{title}");
    }
    let _ = writeln!(text, "Duration {}", clock_face(document.duration));
    for participant in &document.participants {
        let name = name_of(document, participant.speaker);
        let _ = writeln!(text, "{name}: {} of talk", clock_face(participant.talk_time));
    }
    for (at, turn) in turns(document).into_iter().enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}[{}] {}: {}", clock_face(turn.start), turn.name, turn.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn a_speaker_who_goes_on_is_one_line() {
        let expected = "Release & database\nDuration 1:02:05\nAlice: 0:02 of talk\nBob: 0:01 of talk\nCarol: 0:00 of talk\n\n\
            [0:00] Alice: Hello Bob.\n[0:01] Bob: Hi!\n[0:03] Alice: The release is done. Any questions?\n[1:02:03] Bob: No.\n";
        assert_eq!(to_text(&fixtures::small()), expected);
    }

    #[test]
    fn hostile_text_makes_no_line_of_its_own_and_sends_nothing_to_a_terminal() {
        let text = to_text(&fixtures::hostile());
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| !line.starts_with("SPEAKER")), "{text}");
        assert!(text.contains("Speaker 3: 0:00 of talk"));
    }
}
