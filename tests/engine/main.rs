//! The embedded engine with toy workflows: real database, time moved by hand.

mod cancelling;
mod children;
mod dag;
mod face;
mod groups;
mod kills;
mod limits;
mod logs;
mod recovery;
mod support;
mod takeover;
