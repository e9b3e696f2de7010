//! What can go wrong between us and Hatchet.

use tonic::Status;

use super::settings::SettingsError;
use super::status::{Meaning, meaning};
use crate::engine::EngineError;
use crate::failure::{Failure, FailureClass};
use crate::secret::redacted;

/// A failure of Hatchet, of the way there, or of what we asked for.
#[derive(Debug, thiserror::Error)]
pub enum HatchetError {
    /// Settings must be mended first.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The engine does not take the token: make a new one. It keeps doing so, so this is not its database being away.
    #[error(
        "Hatchet at {address} refuses the token ({why}): it was revoked, made for another engine, or the engine's \
         SERVER_URL or keys have changed since; make a new one and set HATCHET_CLIENT_TOKEN"
    )]
    Refused {
        /// The engine.
        address: String,
        /// Its own words.
        why: String,
    },
    /// The engine can't do what is needed: update it.
    #[error("{0}")]
    TooOld(String),
    /// Somebody else's worker holds our action ids.
    #[error("{0}")]
    Foreign(String),
    /// The engine does not know what was asked for.
    #[error("{call}: Hatchet does not know it ({why})")]
    Unknown {
        /// What was asked.
        call: &'static str,
        /// Its own words.
        why: String,
    },
    /// What we asked for is wrong: asking again won't help.
    #[error("{call} was refused by Hatchet: {why}")]
    Rejected {
        /// What was asked.
        call: &'static str,
        /// Its own words.
        why: String,
    },
    /// The engine, its database or the way there failed: ask again later.
    #[error("{call}: Hatchet can't be reached or is in trouble: {why}")]
    Away {
        /// What was asked.
        call: &'static str,
        /// What happened.
        why: String,
    },
}

impl HatchetError {
    /// What a status says about `call`. A refusal is told from trouble by whoever knows how long it has lasted.
    pub(super) fn of(call: &'static str, status: &Status) -> Self {
        let why = told(status);
        match meaning(status.code()) {
            // Within one call nobody can tell whether the engine only lacks its database.
            Meaning::Again | Meaning::Refused => Self::Away { call, why },
            Meaning::Unknown => Self::Unknown { call, why },
            Meaning::Wrong => Self::Rejected { call, why },
        }
    }
}

/// A status for people: its code and text, and what lay under it.
pub(super) fn told(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut cause = std::error::Error::source(status);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    redacted(&text)
}

impl Failure for HatchetError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Settings(_)
            | Self::Refused { .. }
            | Self::TooOld(_)
            | Self::Foreign(_)
            | Self::Unknown { .. }
            | Self::Rejected { .. } => FailureClass::Permanent,
            Self::Away { .. } => FailureClass::Retryable,
        }
    }
}

impl From<HatchetError> for EngineError {
    fn from(error: HatchetError) -> Self {
        Self::Backend { class: error.class(), message: error.to_string() }
    }
}
