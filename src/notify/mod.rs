//! What must still happen outside, whether or not the run lives: taken from the outbox and tried again.

mod deletions;
mod outbox;

pub use deletions::{DELETE_OBJECT, Deletion, Deletions, ObjectDeletions, Target};
pub use outbox::{Deliver, Delivered, MOST_TRIES, NotDelivered, Outbox};
