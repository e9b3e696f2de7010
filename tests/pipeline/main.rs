//! The whole pipeline on the embedded engine, with everything real that can be: what it makes of the recorded meetings,
//! and that no kill, failure, retry, denial or size of a meeting changes that.

mod cancelling;
mod consent;
mod failures;
mod house;
mod kills;
mod made_meeting;
mod payload;
mod records;
mod repetition;
mod speakers;
