//! Who asks for a run, and what follows from that.

use std::fmt;

use crate::engine::Priority;
use crate::notify::NotifyMode;

/// Who asks for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Daily said that a recording is ready.
    Webhook,
    /// The recording was found in Daily's list.
    Poller,
    /// Somebody asked for old recordings.
    Backfill,
    /// Somebody asked on the command line.
    Command,
    /// Somebody asked by the API.
    Api,
}

impl Origin {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poller => "poller",
            Self::Backfill => "backfill",
            Self::Command => "command",
            Self::Api => "api",
        }
    }

    /// Whom the transcript is told to unless somebody says otherwise. A program that asks by the API wants its receivers
    /// told like everybody else's; who repeats a run by hand corrects what was told; old recordings are old news.
    pub fn notify(self) -> NotifyMode {
        match self {
            Self::Webhook | Self::Poller | Self::Api => NotifyMode::All,
            Self::Command => NotifyMode::Update,
            Self::Backfill => NotifyMode::None,
        }
    }

    /// Whoever asked by hand waits for it; old recordings wait for everybody else.
    pub fn priority(self) -> Priority {
        match self {
            Self::Backfill => Priority::Low,
            Self::Webhook | Self::Poller => Priority::Normal,
            Self::Command | Self::Api => Priority::High,
        }
    }

    /// Whether this is about a recording that was just made: such a one is processed once, whoever notices it how often.
    pub(super) fn is_notice(self) -> bool {
        matches!(self, Self::Webhook | Self::Poller)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
