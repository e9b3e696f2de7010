//! Daily's side against a Daily that runs in the test's process: the client on good and bad days, subscriptions, and
//! recordings fetched into folders.

#[path = "../servers/daily.rs"]
mod stub;

mod client;
mod deliveries;
mod faults;
mod subscriptions;
mod support;
