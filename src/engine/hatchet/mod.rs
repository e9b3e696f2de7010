//! Hatchet: an engine with a server of its own. We speak its protocol ourselves, over gRPC; what the server does with it is
//! told where it matters, because most of it stands in no document.
//!
//! [`Connection`] is the way there, [`HatchetEngine`] starts and watches runs, [`Worker`] executes them.

mod account;
mod client;
mod connection;
mod error;
mod failure_text;
mod log_layer;
mod names;
mod patience;
mod post;
mod registration;
pub mod rest;
mod run_end;
mod run_reader;
mod settings;
mod status;
mod subscription;
#[cfg(test)]
mod testing;
mod tls;
mod token;
mod version;
mod wire;
mod wire_thread;
mod worker;

pub use account::Account;
pub use client::HatchetEngine;
pub use connection::Connection;
pub use error::HatchetError;
pub use log_layer::task_logs;
pub use names::Namespace;
pub use rest::Rest;
pub use settings::{Settings, SettingsError, Tls};
pub use worker::{Counts, CurrentTask, Pace, PostSnapshot, Snapshot, Worker, WorkerOptions};
