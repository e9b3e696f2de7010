//! The HTTP face through a real listener: what others send, and what they are answered.

#[path = "../servers/postgres.rs"]
mod postgres;
mod support;

mod auth;
mod consent;
mod health;
mod hostile;
mod limits;
mod problems;
mod rooms_and_meetings;
mod stopping;
mod transcripts;
mod webhook;
mod worker_pages;
