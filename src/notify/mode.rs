//! Whom a finished transcript is told to. Chosen when a run is asked for, carried by the run's metadata.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Whom a finished transcript is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NotifyMode {
    /// Nobody.
    None,
    /// Those who were told of this transcript before; nobody else.
    Update,
    /// Everybody who is configured.
    #[default]
    All,
}

impl NotifyMode {
    /// The name under which a run's metadata carry it.
    pub const METADATA: &'static str = "notify";

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Update => "update",
            Self::All => "all",
        }
    }

    /// What a run was asked for with. Runs that others started say nothing: everybody is told.
    pub fn of_run(metadata: &BTreeMap<String, String>) -> Self {
        metadata.get(Self::METADATA).and_then(|word| word.parse().ok()).unwrap_or_default()
    }
}

impl fmt::Display for NotifyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that is no such word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be none, update or all")]
pub struct UnknownNotifyMode;

impl FromStr for NotifyMode {
    type Err = UnknownNotifyMode;

    fn from_str(word: &str) -> Result<Self, UnknownNotifyMode> {
        [Self::None, Self::Update, Self::All].into_iter().find(|mode| mode.as_str() == word).ok_or(UnknownNotifyMode)
    }
}
