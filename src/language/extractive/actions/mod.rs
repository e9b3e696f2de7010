//! What was decided and who does what next, by the words people use for it.
//!
//! A list of cue phrases per language; a language without one gives empty lists, never guesses. Wrong action items
//! cost more trust than missing ones: hedges, negations, questions and talk about the call itself are left out.

mod cues;
mod cues_english;
mod cues_other;
mod deadline;
mod decisions;
mod next_steps;

use super::reading::Reading;
use crate::transcript::ActionItems;

/// Decisions and next steps in the order in which they were said; both empty for a language without cues.
pub(super) fn action_items(reading: &Reading<'_>) -> ActionItems {
    match cues::of(reading.meeting.language()) {
        Some(cues) => ActionItems {
            decisions: decisions::decisions(reading, cues),
            next_steps: next_steps::next_steps(reading, cues),
        },
        None => ActionItems::default(),
    }
}

#[cfg(test)]
mod tests;
