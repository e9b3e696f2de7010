//! The store on SQLite and on a real PostgreSQL: the same tests on both, and what is different about each.

#[macro_use]
mod support;

mod migrations;
#[path = "../servers/postgres.rs"]
mod postgres;
mod races;
mod sessions;
mod text;
mod transcripts;
