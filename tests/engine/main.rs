//! The embedded engine with toy workflows: real databases of both kinds, time moved by hand.

#[macro_use]
#[path = "../servers/both_databases.rs"]
mod both_databases;

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
mod rates;
mod recovery;
mod standby;
mod support;
mod takeover;
