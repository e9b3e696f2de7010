//! The embedded engine with toy workflows: real databases of both kinds, time moved by hand.

#[macro_use]
mod support;

mod cancelling;
mod children;
mod dag;
mod face;
mod groups;
mod kills;
mod limits;
mod logs;
mod outage;
#[path = "../servers/postgres.rs"]
mod postgres;
mod recovery;
mod standby;
mod takeover;
