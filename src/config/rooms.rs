//! Which rooms' recordings are processed.

use std::str::FromStr;

/// Which rooms' recordings are processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rooms {
    /// Every room's.
    All,
    /// Those of rooms that the database knows.
    Configured,
    /// Those whose base name fits one of these.
    Pattern(Patterns),
}

/// Patterns of rooms' base names, with commas between them; at least one is not empty. `*` stands for any letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(pub String);

/// Text with no pattern in it, which no room would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no name of a room in it")]
pub struct NoPattern;

impl FromStr for Patterns {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        if text.split(',').all(|pattern| pattern.trim().is_empty()) {
            return Err(NoPattern);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Rooms {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "all" => Self::All,
            "configured" => Self::Configured,
            _ => Self::Pattern(text.parse()?),
        })
    }
}
