//! Which engine runs the workflows.

use std::str::FromStr;

use super::names;
use super::reader::Reader;

/// What Hatchet's own tools set: who has it probably means to use Hatchet.
const HATCHET_CLIENT_TOKEN: &str = "HATCHET_CLIENT_TOKEN";

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

    pub(super) fn warning(self, reader: &mut Reader<'_>) -> Option<String> {
        let token = reader.text(HATCHET_CLIENT_TOKEN);
        let provider = names::DURABLE_WORKFLOW_PROVIDER;
        (self == Self::None && token.is_some()).then(|| {
            format!("{HATCHET_CLIENT_TOKEN} is set, but {provider} is none: the built-in engine runs the workflows")
        })
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
