//! What starts runs, catches up, repairs and hears late denials: on both databases, time moved by hand, with an engine that
//! does as the test says, and with the embedded one where it matters.

#[macro_use]
mod support;

mod catching_up;
mod deliveries;
mod deployment;
#[allow(dead_code)] // The pipeline's own tests use all of it.
#[path = "../pipeline/house.rs"]
mod house;
mod late_consent;
#[allow(dead_code)]
#[path = "../pipeline/made_meeting.rs"]
mod made_meeting;
mod outage;
mod outbox;
#[path = "../servers/postgres.rs"]
mod postgres;
mod repair;
mod shape;
mod starting;
