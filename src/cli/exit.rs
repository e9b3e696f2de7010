//! How the program ends when it does not end well.

use std::process::ExitCode;

use crate::failure::{Failure, FailureClass, with_causes};

/// An end with its exit code and what to tell people.
#[derive(Debug)]
pub enum Exit {
    /// 1: the run failed; it was reported already.
    FailedRun,
    /// 1: something that should have worked did not.
    Failed(anyhow::Error),
    /// 2: usage or input must be mended first.
    BadInput(anyhow::Error),
    /// 3: an engine does not take our token: nothing helps but a new one.
    Refused(anyhow::Error),
    /// 130: somebody pressed Ctrl-C; how to go on was said already.
    Interrupted,
}

impl Exit {
    /// Usage or input must be mended first.
    pub fn bad_input(error: anyhow::Error) -> Self {
        Self::BadInput(error)
    }

    /// By the error's class: what will fail again must be mended first, what may pass has failed.
    pub fn of(error: impl Failure) -> Self {
        match error.class() {
            FailureClass::Permanent => Self::BadInput(error.into()),
            FailureClass::Retryable => Self::Failed(error.into()),
            FailureClass::Cancelled => Self::Interrupted,
        }
    }

    /// Tells people, and gives the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Self::FailedRun => ExitCode::from(1),
            Self::Failed(error) => {
                eprintln!("error: {}", with_causes(error.as_ref()));
                ExitCode::from(1)
            }
            Self::BadInput(error) => {
                eprintln!("error: {}", with_causes(error.as_ref()));
                ExitCode::from(2)
            }
            Self::Refused(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(3)
            }
            Self::Interrupted => ExitCode::from(130),
        }
    }
}
