//! A key of the API: 256 random bits, so that a plain hash is enough to keep at rest. Nobody guesses one, and nobody
//! finds one from its hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret::Secret;

/// How keys begin, so that people and scanners of leaked secrets know one when they see it.
const PREFIX: &str = "ts_";

/// A key, as it is shown once and sent with each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey(Secret);

impl ApiKey {
    /// A new key.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn generate() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))))
    }

    /// A key that somebody sent: any text.
    pub(super) fn presented(text: &str) -> Self {
        Self(Secret::new(text))
    }

    /// The key itself, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// What is kept of it: BLAKE3, as hexadecimal text.
    pub fn hash(&self) -> String {
        blake3::hash(self.0.reveal().as_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_different_and_do_not_print_themselves() {
        let (one, two) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());
        assert!(one.reveal().starts_with("ts_") && one.reveal().len() == 3 + 43);
        assert!(one != two && one.hash() != two.hash());
        assert_eq!(ApiKey::presented(one.reveal()).hash(), one.hash());
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
