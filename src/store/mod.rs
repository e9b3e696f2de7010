//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.

pub mod api_keys;
pub mod consents;
pub mod daily_events;
mod database;
mod error;
pub mod meetings;
pub mod outbox;
pub mod recordings;
pub mod results;
pub mod rooms;
pub mod runs;
pub mod speech_windows;
pub mod transcript_list;
pub mod transcripts;

pub use database::{Database, WriteTransaction};
pub use error::StoreError;
pub use transcripts::{TranscriptRow, TranscriptWriter};
