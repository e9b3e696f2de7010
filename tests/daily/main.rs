//! Daily's side against a Daily that runs in the test's process: the client on good and bad days, subscriptions, and
//! recordings fetched into folders.

#[path = "../servers/daily.rs"]
mod stub;

mod client;
mod commands;
mod deliveries;
mod faults;
mod fetching;
mod subscriptions;
mod support;
