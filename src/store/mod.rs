//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.

pub mod api_keys;
pub mod consents;
pub mod daily_events;
mod database;
mod error;
mod executor_lock;
pub mod meetings;
pub mod outbox;
pub mod recordings;
pub mod results;
pub mod rooms;
pub mod runs;
pub mod speech_windows;
#[cfg(test)]
#[path = "../../tests/servers/postgres.rs"]
pub(crate) mod test_server;
pub mod transcript_list;
pub mod transcripts;

pub use database::{Database, DatabaseKind, Migrated, WriteTransaction};
pub use error::StoreError;
pub use executor_lock::ExecutorLock;
pub use transcripts::{TranscriptRow, TranscriptWriter};
