//! The face that every language backend shows: one question a call, an answer or a classed error.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::meeting::MeetingText;
use crate::failure::{Failure, FailureClass};
use crate::transcript::{ActionItems, Topic};

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// The token was cancelled before the answer was there.
    #[error("cancelled before the {question} was ready")]
    Cancelled {
        /// `topics`, `title`, `summary` or `action items`.
        question: &'static str,
    },
    /// The thread that worked on the answer died. The same text would kill it again.
    #[error("the {question} could not be worked out: {reason}")]
    Crashed {
        /// `topics`, `title`, `summary` or `action items`.
        question: &'static str,
        /// What the thread left as its last words.
        reason: String,
    },
}

impl Failure for LanguageError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Cancelled { .. } => FailureClass::Cancelled,
            Self::Crashed { .. } => FailureClass::Permanent,
        }
    }
}

/// A summary twice, both Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// One to three sentences.
    pub short: String,
    /// A heading per topic, bullet points with who said what.
    pub long: String,
}

/// Answers questions about a meeting. One question a call: a backend that cuts a long transcript into chunks, or that
/// pays for each answer, is given what keeps the pieces when it is made, so the face stays the same for all.
///
/// An empty answer is a value and never an error ([`super::empty`] has the rule). Every method returns
/// [`LanguageError::Cancelled`] soon after `cancel` is cancelled.
#[async_trait]
pub trait LanguageBackend: Send + Sync {
    /// What results say about who made them, e.g. `extractive`.
    fn name(&self) -> &str;

    /// The meeting cut into stretches about one thing each: in order, without gap or overlap, from the first word to
    /// the end of the last. Empty exactly when nothing was said.
    async fn topics(&self, meeting: &MeetingText, cancel: &CancellationToken) -> Result<Vec<Topic>, LanguageError>;

    /// What the meeting was about, in a few words. Never empty.
    async fn title(
        &self,
        meeting: &MeetingText,
        topics: &[Topic],
        cancel: &CancellationToken,
    ) -> Result<String, LanguageError>;

    /// The meeting in short and in long. Neither is ever empty.
    async fn summary(
        &self,
        meeting: &MeetingText,
        topics: &[Topic],
        cancel: &CancellationToken,
    ) -> Result<Summary, LanguageError>;

    /// What was decided, and who does what until when. Both lists may be empty.
    async fn action_items(
        &self,
        meeting: &MeetingText,
        cancel: &CancellationToken,
    ) -> Result<ActionItems, LanguageError>;
}
