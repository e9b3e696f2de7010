//! How a task fails.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureClass};

/// A task's failure: its class decides whether the engine retries, its message is what people read.
///
/// Any room error that implements [`Failure`] converts by `?`, its class and its chain of causes kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// What the engine should do next.
    pub class: FailureClass,
    /// What happened, causes included, without secrets.
    pub message: String,
}

impl TaskError {
    /// The same call may succeed later.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Retryable, message: message.into() }
    }

    /// The same call will fail again.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Permanent, message: message.into() }
    }

    /// Somebody asked the task to stop.
    pub fn cancelled() -> Self {
        Self { class: FailureClass::Cancelled, message: "cancelled".to_owned() }
    }

    /// The same error with `context` in front of its message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Failure> From<E> for TaskError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            // thiserror's transparent variants repeat their cause's text; once is enough.
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Self { class: error.class(), message }
    }
}
