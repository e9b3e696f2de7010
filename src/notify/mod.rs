//! What must still happen outside, whether or not the run lives: taken from the outbox and tried again.

mod deletions;

pub use deletions::{Deletion, Deletions, Target};
