//! The store on SQLite and on a real PostgreSQL: the same tests on both, and what is different about each.

#[macro_use]
mod support;

mod first_release;
mod leases;
mod migrations;
mod plans;
#[path = "../servers/postgres.rs"]
mod postgres;
mod races;
mod recordings;
mod service;
mod sessions;
mod text;
mod transcripts;
