//! Topics, title, summary and action items out of a transcript.
//!
//! Callers speak to a [`LanguageBackend`] and ask one question at a time, so that each answer can be kept before the next
//! is asked for. [`ExtractiveBackend`] is always there: it needs no server, no key and no model, and gives the same
//! bytes for the same transcript. An empty meeting has an answer too, the same from every backend: see [`empty`].

mod backend;
pub mod empty;
mod extractive;
mod markdown;
mod meeting;
#[cfg(test)]
mod scripts;

pub use backend::{LanguageBackend, LanguageError, Summary};
pub use extractive::ExtractiveBackend;
pub use meeting::MeetingText;
