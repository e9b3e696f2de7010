//! The database: transcripts, recordings, consent, runs, outbox. One portable SQL for SQLite and PostgreSQL.
