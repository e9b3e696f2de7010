//! Settings that are well formed and still can't be used.

use anyhow::anyhow;

use super::exit::Exit;
use crate::failure::{Failure, FailureClass};
use crate::secret::redacted;

/// Something that a setting names and that can't be used: bad input unless it may pass.
pub fn unusable(setting: &str, error: impl Failure) -> Exit {
    let class = error.class();
    let error = anyhow!("{setting}: {}", redacted(&format!("{:#}", anyhow::Error::from(error))));
    match class {
        FailureClass::Permanent => Exit::BadInput(error),
        FailureClass::Retryable | FailureClass::Cancelled => Exit::Failed(error),
    }
}
