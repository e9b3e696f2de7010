//! Segments gathered for reading: a speaker who goes on is one paragraph.

use super::{name_of, one_line};
use crate::transcript::TranscriptDocument;
use crate::transcript::sentence::append_word;

/// A pause longer than this begins a new paragraph. Seconds.
const LONGEST_PAUSE: f64 = 5.0;
/// So does a paragraph's getting this long: readers want times to look for. Seconds.
const LONGEST_TURN: f64 = 60.0;

/// A paragraph of one speaker.
pub(super) struct Turn {
    /// Seconds.
    pub(super) start: f64,
    pub(super) name: String,
    /// One line.
    pub(super) text: String,
}

/// The transcript's paragraphs, in order.
pub(super) fn turns(document: &TranscriptDocument) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut last: Option<(usize, f64)> = None;
    for segment in &document.segments {
        let text = one_line(&segment.text);
        match (turns.last_mut(), last) {
            (Some(turn), Some((speaker, end)))
                if speaker == segment.speaker
                    && segment.start - end <= LONGEST_PAUSE
                    && segment.end - turn.start <= LONGEST_TURN =>
            {
                append_word(&mut turn.text, &text);
            }
            _ => turns.push(Turn { start: segment.start, name: name_of(document, segment.speaker), text }),
        }
        last = Some((segment.speaker, segment.end));
    }
    turns
}
