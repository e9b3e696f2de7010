//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.

pub mod consents;
pub mod daily_events;
mod database;
mod error;
pub mod outbox;
pub mod recordings;
pub mod results;
pub mod runs;
pub mod speech_windows;
pub mod transcripts;

pub use database::{Database, WriteTransaction};
pub use error::StoreError;
pub use transcripts::{TranscriptRow, TranscriptWriter};
