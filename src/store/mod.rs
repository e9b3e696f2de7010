//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.

pub mod consents;
pub mod cursors;
pub mod daily_events;
mod database;
mod error;
pub mod leases;
pub mod outbox;
pub mod recording_standing;
pub mod recordings;
pub mod results;
pub mod run_requests;
pub mod runs;
pub mod speech_windows;
pub mod transcripts;

pub use database::{Database, WriteTransaction};
pub use error::StoreError;
pub use transcripts::{TranscriptRow, TranscriptWriter};
