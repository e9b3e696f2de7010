//! The built-in backend: no model, no network; everything it says was said in the meeting.
//!
//! Deterministic: no clock, no randomness, and no result ever depends on the order of a hash map.

mod actions;
mod cohesion;
mod headings;
mod lexicon;
mod phrases;
mod ranking;
mod reading;
mod summary;
mod tidy;
mod tokens;
mod topics;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::reading::Reading;
use super::backend::{LanguageBackend, LanguageError, Summary};
use super::empty;
use super::meeting::MeetingText;
use crate::transcript::{ActionItems, Topic};

/// Topics by lexical cohesion, titles by key phrases, summaries by sentence ranking, action items by cue words.
///
/// The work is done on a blocking thread. It takes well under a second for a meeting of hours; a cancelled call returns
/// at once and its thread's result is dropped.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtractiveBackend;

impl ExtractiveBackend {
    /// The topics, on this thread.
    pub fn topics_now(meeting: &MeetingText) -> Vec<Topic> {
        topics::topics(&Reading::of(meeting))
    }

    /// The title, on this thread.
    pub fn title_now(meeting: &MeetingText, topics: &[Topic]) -> String {
        if meeting.is_empty() {
            return empty::UNTITLED.to_owned();
        }
        summary::title(&Reading::of(meeting), topics)
    }

    /// The summaries, on this thread.
    pub fn summary_now(meeting: &MeetingText, topics: &[Topic]) -> Summary {
        summary::summary(&Reading::of(meeting), topics)
    }

    /// The action items, on this thread.
    pub fn action_items_now(meeting: &MeetingText) -> ActionItems {
        actions::action_items(&Reading::of(meeting))
    }
}

/// Runs `work` on a blocking thread until it is done or cancelled.
async fn off_thread<T: Send + 'static>(
    question: &'static str,
    cancel: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LanguageError> {
    if cancel.is_cancelled() {
        return Err(LanguageError::Cancelled { question });
    }
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(LanguageError::Cancelled { question }),
        done = tokio::task::spawn_blocking(work) => {
            done.map_err(|error| match error.is_cancelled() {
                true => LanguageError::Cancelled { question },
                false => LanguageError::Crashed { question, reason: error.to_string() },
            })
        }
    }
}

#[async_trait]
impl LanguageBackend for ExtractiveBackend {
    fn name(&self) -> &str {
        "extractive"
    }

    async fn topics(&self, meeting: &MeetingText, cancel: &CancellationToken) -> Result<Vec<Topic>, LanguageError> {
        let meeting = meeting.clone();
        off_thread("topics", cancel, move || Self::topics_now(&meeting)).await
    }

    async fn title(
        &self,
        meeting: &MeetingText,
        topics: &[Topic],
        cancel: &CancellationToken,
    ) -> Result<String, LanguageError> {
        let (meeting, topics) = (meeting.clone(), topics.to_vec());
        off_thread("title", cancel, move || Self::title_now(&meeting, &topics)).await
    }

    async fn summary(
        &self,
        meeting: &MeetingText,
        topics: &[Topic],
        cancel: &CancellationToken,
    ) -> Result<Summary, LanguageError> {
        let (meeting, topics) = (meeting.clone(), topics.to_vec());
        off_thread("summary", cancel, move || Self::summary_now(&meeting, &topics)).await
    }

    async fn action_items(
        &self,
        meeting: &MeetingText,
        cancel: &CancellationToken,
    ) -> Result<ActionItems, LanguageError> {
        let meeting = meeting.clone();
        off_thread("action items", cancel, move || Self::action_items_now(&meeting)).await
    }
}

#[cfg(test)]
mod tests;
