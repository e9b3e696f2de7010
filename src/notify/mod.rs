//! What is told and done outside: whom a finished transcript is told to, and effects that must still happen, whether or not
//! the run lives, taken from the outbox and tried again.

mod deletions;
mod mode;
mod outbox;

pub use deletions::{DELETE_OBJECT, Deletion, Deletions, ObjectDeletions, Target};
pub use mode::{NotifyMode, UnknownNotifyMode};
pub use outbox::{Deliver, Delivered, MOST_TRIES, NotDelivered, Outbox};
