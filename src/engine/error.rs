//! How an engine refuses or fails.

use crate::failure::{Failure, FailureClass};
use crate::ids::RunId;

/// What can go wrong when runs are started, watched or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No workflow has exactly this name. A mistake of the caller's.
    #[error("there is no workflow {name:?}; known: {}", known.join(", "))]
    UnknownWorkflow {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The input is larger than a run's input may be.
    #[error("the input has {bytes} bytes, more than the {most} allowed")]
    InputTooLarge {
        /// Bytes of compact JSON.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The input is no JSON object.
    #[error("the input must be a JSON object")]
    InputNoObject,
    /// There is no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The run can't be resumed because another active one has its dedupe key.
    #[error("run {0} cannot be resumed: another active run has the same key")]
    KeyInUse(RunId),
    /// Another process executes the runs of this database. Let it, or stop it first.
    #[error("another process is at work on this database (it holds {lock})")]
    AlreadyRunning {
        /// The lock that it holds.
        lock: String,
    },
    /// This process no longer executes runs: it was told to stop, or another took over.
    #[error("the engine has stopped: {0}")]
    Stopped(String),
    /// What the engine keeps its runs in failed: its database or server. The class says whether asking again may help.
    #[error("{message}")]
    Backend {
        /// What kind of failure.
        class: FailureClass,
        /// What happened, causes included.
        message: String,
    },
}

impl Failure for EngineError {
    fn class(&self) -> FailureClass {
        match self {
            Self::UnknownWorkflow { .. }
            | Self::InputTooLarge { .. }
            | Self::InputNoObject
            | Self::UnknownRun(_)
            | Self::KeyInUse(_)
            | Self::AlreadyRunning { .. } => FailureClass::Permanent,
            Self::Stopped(_) => FailureClass::Cancelled,
            Self::Backend { class, .. } => *class,
        }
    }
}
