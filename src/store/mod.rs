//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.

pub mod api_keys;
pub mod consents;
pub mod cursors;
pub mod daily_events;
mod database;
mod error;
mod executor_lock;
pub mod leases;
pub mod meetings;
pub mod outbox;
pub mod recording_standing;
pub mod recordings;
pub mod results;
pub mod rooms;
pub mod run_requests;
pub mod runs;
pub mod speech_windows;
#[cfg(test)]
#[path = "../../tests/servers/postgres.rs"]
pub(crate) mod test_server;
mod text;
pub mod transcript_list;
pub mod transcript_repair;
pub mod transcripts;

pub use database::{Database, DatabaseKind, Migrated, WriteTransaction};
pub use error::StoreError;
pub use executor_lock::ExecutorLock;
pub use transcripts::{TranscriptRow, TranscriptWriter};
