//! Which engine runs the workflows.

use std::str::FromStr;

use super::{HatchetSettings, TokenSource, names};

/// Which engine runs the workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// The embedded engine.
    #[default]
    None,
    /// Hatchet.
    Hatchet,
    /// Conductor.
    Conductor,
}

impl Provider {
    /// The word for it in settings and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hatchet => "hatchet",
            Self::Conductor => "conductor",
        }
    }

    /// Who has a token of Hatchet's probably means to use it.
    pub(super) fn warning(self, hatchet: &HatchetSettings) -> Option<String> {
        let provider = names::DURABLE_WORKFLOW_PROVIDER;
        let token = match hatchet.token.as_ref()? {
            TokenSource::Given(_) => names::HATCHET_CLIENT_TOKEN,
            TokenSource::File(_) => names::HATCHET_CLIENT_TOKEN_FILE,
        };
        (self == Self::None)
            .then(|| format!("{token} is set, but {provider} is none: the built-in engine runs the workflows"))
    }
}

/// Text that names no engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be none, hatchet or conductor")]
pub struct UnknownProvider;

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(text: &str) -> Result<Self, UnknownProvider> {
        [Self::None, Self::Hatchet, Self::Conductor]
            .into_iter()
            .find(|known| known.as_str() == text)
            .ok_or(UnknownProvider)
    }
}
