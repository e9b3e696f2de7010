//! What Hatchet's token says of itself. Nobody but the engine can verify it; we only read where it leads.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::settings::{SettingsError, named};
use crate::clock::Timestamp;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the token claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    /// The tenant's UUID.
    #[serde(default, rename = "sub")]
    pub(super) tenant: Option<String>,
    /// Where the REST API was when the token was made.
    #[serde(default)]
    pub(super) server_url: Option<String>,
    /// `host:port` of the engine when the token was made.
    #[serde(default, rename = "grpc_broadcast_address")]
    pub(super) host_port: Option<String>,
    /// Seconds since the epoch.
    #[serde(default)]
    exp: Option<i64>,
}

impl Claims {
    /// Reads a token.
    ///
    /// # Errors
    /// When it is none, without its text.
    pub(super) fn read(token: &str) -> Result<Self, SettingsError> {
        let not = |why: &str| {
            SettingsError::new(
                named::TOKEN,
                format!(
                    "is no token of Hatchet's ({why}): copy it whole from the dashboard or hatchet-admin token create"
                ),
            )
        };
        let mut parts = token.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(not("it has no three parts with dots between them"));
        };
        let json = BASE64.decode(claims).map_err(|_| not("its middle part is no base64"))?;
        serde_json::from_slice(&json).map_err(|_| not("its middle part says nothing readable"))
    }

    /// When it ends, if it says so.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.exp.map(|seconds| Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::token;
    use super::*;

    #[test]
    fn a_token_says_who_and_where() {
        let claims = Claims::read(&token(&serde_json::json!({
            "sub": "707d0855", "server_url": "http://localhost:8888", "grpc_broadcast_address": "localhost:7077",
            "exp": 1_900_000_000, "token_id": "x", "aud": "http://localhost:8888",
        })))
        .unwrap();
        assert_eq!(claims.tenant.as_deref(), Some("707d0855"));
        assert_eq!(claims.host_port.as_deref(), Some("localhost:7077"));
        assert_eq!(claims.expires(), Some(Timestamp::from_micros(1_900_000_000_000_000)));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for text in ["", "s3cr3t", "a.b", "a.s3cr3t!.c", "a.czNjcjN0.c", "a.b.c.d"] {
            let error = Claims::read(text).unwrap_err().to_string();
            assert!(error.contains("HATCHET_CLIENT_TOKEN") && !error.contains("s3cr3t"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,60}") {
            let _ = Claims::read(&text);
        }
    }
}
