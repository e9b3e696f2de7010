//! trackscribe turns a Daily.co multitrack recording (one WebM/Opus track per participant) into a finished meeting
//! transcript, as a durable workflow. ARCHITECTURE.md has the plan of the house.

pub mod audio;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consent;
pub mod daily;
pub mod duty;
pub mod engine;
pub mod failure;
pub mod http;
pub mod ids;
pub mod language;
pub mod notify;
pub mod pipeline;
pub mod results;
pub mod secret;
pub mod speech;
pub mod storage;
pub mod store;
pub mod transcript;
pub mod trigger;
pub mod workflow;

// Servers for tests (tests/servers/) name this crate as test programs do, and unit tests use them too.
#[cfg(test)]
extern crate self as trackscribe;
