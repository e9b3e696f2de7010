//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.

mod database;
mod error;
pub mod runs;

pub use database::{Database, WriteTransaction};
pub use error::StoreError;
