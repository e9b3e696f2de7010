//! What starts runs, on whichever engine: webhooks, the poller that finds what webhooks missed, backfill, people. One
//! function starts a run; the reconciler starts what could not be started, and what died of something that may pass.
//!
//! Knows the engines' one face and the pipeline's name, and nothing of what a run does.

mod backfill;
mod error;
mod follow;
mod inbox;
mod intake;
mod look;
mod origin;
mod pages;
mod poller;
mod reconciler;
mod rooms;
mod start;
mod watch;

pub use backfill::{Backfill, BackfillError, BackfillEvent, BackfillPlan, BackfillRange, Planned};
pub use error::TriggerError;
pub use follow::Followed;
pub use inbox::Inbox;
pub use intake::{Intake, Taken};
pub use origin::Origin;
pub use poller::{PollError, Polled, Poller};
pub use reconciler::{Reconciled, Reconciler};
pub use rooms::{RoomPolicy, base_name};
pub use start::{Trigger, TriggerParts, Triggered, WORKFLOW, Wanted};
pub use watch::{Wakers, Watch};
