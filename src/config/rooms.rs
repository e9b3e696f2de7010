//! Which rooms' recordings are processed.

use std::convert::Infallible;
use std::str::FromStr;

/// Which rooms' recordings are processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rooms {
    /// Every room's.
    All,
    /// Those of rooms that the database knows.
    Configured,
    /// Those whose base name fits one of these, which have commas between them: `*` stands for any letters.
    Pattern(String),
}

impl FromStr for Rooms {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "all" => Self::All,
            "configured" => Self::Configured,
            patterns => Self::Pattern(patterns.to_owned()),
        })
    }
}
