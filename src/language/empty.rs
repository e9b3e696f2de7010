//! What an empty answer means, the same for every backend (known failure H7: an empty answer was retried for ever).
//!
//! * Nothing was said: no topics, [`UNTITLED`], [`NOTHING_SAID`] as both summaries, no action items.
//! * Words, but no title in them (a backend answered with nothing or blanks): [`UNTITLED`].
//! * Words, but no action items: two empty lists.
//!
//! None of these is an error and none is asked for again.

/// The title when there is nothing to name the meeting after.
pub const UNTITLED: &str = "Untitled Meeting";

/// Both summaries when nothing was said.
pub const NOTHING_SAID: &str = "Nothing was said in this meeting.";

/// `answer` on one line without outer space, or [`UNTITLED`] when that leaves nothing.
pub fn title_or_untitled(answer: &str) -> String {
    let line = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { UNTITLED.to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h7_a_blank_title_is_a_value_with_a_rule() {
        assert_eq!(title_or_untitled(""), UNTITLED);
        assert_eq!(title_or_untitled(" \n\t "), UNTITLED);
        assert_eq!(title_or_untitled(" Budget\nReview "), "Budget Review");
    }
}
