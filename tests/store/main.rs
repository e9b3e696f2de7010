//! The store on SQLite and on a real PostgreSQL: the same tests on both, and what is different about each.

#[macro_use]
#[path = "../servers/both_databases.rs"]
mod both_databases;

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
mod support;
mod text;
mod transcripts;
