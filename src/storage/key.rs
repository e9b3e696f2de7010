//! Keys of objects, checked so that none leaves its folder.

use std::fmt;
use std::str::FromStr;

use super::StorageError;

/// S3's own limit on a key, in bytes.
const LONGEST: usize = 1024;

/// A relative path of non-empty parts divided by `/`; none is `.` or `..`, none has a control character, a backslash
/// or a colon at a place where some system would read it as something else than a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key `name` under this one.
    ///
    /// # Errors
    /// [`StorageError::BadKey`] when `name` leaves it.
    pub fn join(&self, name: &str) -> Result<Self, StorageError> {
        format!("{}/{name}", self.0).parse()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, StorageError> {
        let why = if text.len() > LONGEST {
            "it is longer than 1024 bytes"
        } else if text.chars().any(|c| c.is_control() || c == '\\') {
            "it has a control character or a backslash"
        } else if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "each part between slashes must be a name"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(StorageError::BadKey { key: text.chars().take(100).collect(), why })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_that_leave_their_folder_are_refused() {
        for bad in ["", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "a/", "a\\b", "a\0b", "a\nb"] {
            assert!(bad.parse::<ObjectKey>().is_err(), "{bad:?}");
        }
        for good in ["a", "a/b.opus", "domain/room/123-uuid-cam-audio-456", "..a/b..", "ä/ü"] {
            assert!(good.parse::<ObjectKey>().is_ok(), "{good:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_key_stays_below_its_root(text in "[a-z./\\\\]{0,20}") {
            if let Ok(key) = text.parse::<ObjectKey>() {
                let path = std::path::Path::new("/root").join(key.as_str());
                prop_assert!(path.starts_with("/root"));
                prop_assert!(path.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
            }
        }
    }
}
