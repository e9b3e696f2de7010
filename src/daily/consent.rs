//! Who agreed to audio being kept, as a recorded folder's `consent.json` says it.

use std::collections::BTreeMap;

use super::DailyError;
use super::rest::{parse_json, typed};

/// `{"<user_id or participant_id>": false}`: whoever is not named has not denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent(BTreeMap<String, bool>);

impl Consent {
    /// Reads the file's bytes; errors name `document` and the field.
    pub fn parse(document: &str, body: &[u8]) -> Result<Self, DailyError> {
        typed(document, "", parse_json(document, body)?).map(Self)
    }

    /// The ids, of users or of sessions, that denied.
    pub fn denied(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, agreed)| !**agreed).map(|(id, _)| id.as_str())
    }

    /// Each id with its answer, sorted.
    pub fn answers(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(id, agreed)| (id.as_str(), *agreed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_no_is_a_denial_and_anything_else_is_an_error_with_its_field() {
        let consent = Consent::parse("consent.json", br#"{"user-bob":false,"user-alice":true}"#).unwrap();
        assert_eq!(consent.denied().collect::<Vec<_>>(), ["user-bob"]);
        assert_eq!(consent.answers().count(), 2);
        let error = Consent::parse("consent.json", br#"{"user-bob":"no"}"#).unwrap_err().to_string();
        assert_eq!(error, "consent.json: user-bob: invalid type: string \"no\", expected a boolean");
        assert!(Consent::parse("consent.json", b"[]").is_err());
    }
}
