//! What unit tests of this room need: tokens and settings.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::settings::{Settings, Tls};
use crate::secret::Secret;

/// A token with these claims and a made-up signature.
pub(super) fn token(claims: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"ES256"}"#), part(&claims.to_string()), part("signature"))
}

/// Settings with nothing but a token.
pub(super) fn settings(claims: &Value) -> Settings {
    Settings {
        token: Secret::new(token(claims)),
        tenant: None,
        host_port: None,
        server_url: None,
        namespace: String::new(),
        tls: Tls::System,
        server_name: None,
    }
}
