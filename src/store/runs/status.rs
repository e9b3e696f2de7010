//! The states of runs, tasks and attempts, and their words in the database.

use std::fmt;

use crate::failure::FailureClass;
use crate::store::StoreError;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// The word stored and shown.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// Reads a stored word back.
            ///
            /// # Errors
            /// [`StoreError::Garbled`] for any other word.
            pub fn parse(word: &str) -> Result<Self, StoreError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(StoreError::garbled($what, format!("{word:?}"))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(
    /// Where a run is.
    RunStatus, "run status", {
        /// Waits for a place in its concurrency group, or for an executor.
        Queued = "queued",
        /// Under way.
        Running = "running",
        /// All tasks are done.
        Completed = "completed",
        /// A task failed for good.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
    }
);

impl RunStatus {
    /// Whether nothing more happens, unless somebody resumes the run.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

words!(
    /// Where a task of a run is.
    TaskStatus, "task status", {
        /// Waits for parents, for a slot, or for a retry's time.
        Pending = "pending",
        /// An attempt is under way.
        Running = "running",
        /// Has its output.
        Completed = "completed",
        /// No try is left, or none would help.
        Failed = "failed",
        /// Its run was cancelled.
        Cancelled = "cancelled",
        /// Never ran, because a task before it failed.
        Skipped = "skipped",
    }
);

words!(
    /// How an attempt ended.
    AttemptOutcome, "attempt outcome", {
        /// With an output.
        Completed = "completed",
        /// With an error.
        Failed = "failed",
        /// A limit was reached, or no slot came free in time.
        TimedOut = "timed_out",
        /// Its run was cancelled.
        Cancelled = "cancelled",
        /// Its process was killed or stopped.
        Interrupted = "interrupted",
    }
);

/// Why a run, task or attempt did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFailure {
    /// The task; a child's is `process_tracks[t001]/pad_track`. `None` when it was no task's doing.
    pub task: Option<String>,
    /// What kind of failure.
    pub class: FailureClass,
    /// What happened, for people.
    pub message: String,
}

/// Reads a stored class back.
pub(super) fn parse_class(word: &str) -> Result<FailureClass, StoreError> {
    [FailureClass::Retryable, FailureClass::Permanent, FailureClass::Cancelled]
        .into_iter()
        .find(|class| class.as_str() == word)
        .ok_or_else(|| StoreError::garbled("failure class", format!("{word:?}")))
}
