//! Settings that are well formed and still can't be used.

use anyhow::anyhow;

use super::exit::Exit;
use crate::failure::{Failure, FailureClass, with_causes};
use crate::secret::redacted;

/// Something that a setting names and that can't be used: bad input unless it may pass.
pub fn unusable(setting: &str, error: impl Failure) -> Exit {
    let told = anyhow!("{setting}: {}", redacted(&with_causes(&error)));
    match error.class() {
        FailureClass::Permanent => Exit::BadInput(told),
        FailureClass::Retryable | FailureClass::Cancelled => Exit::Failed(told),
    }
}
