//! Daily's JSON as it may be kept: without what could be used by whoever reads it.

use serde_json::Value;

use crate::secret::redacted;

/// The same value without fields that are named like a token or secret, and without the secret parts of addresses. The
/// recursion is as deep as the JSON parser allows, 128 levels.
pub(super) fn without_secrets(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(name, _)| !names_a_secret(name))
                .map(|(name, value)| (name, without_secrets(value)))
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(without_secrets).collect()),
        Value::String(text) if text.contains("://") => Value::String(redacted(&text)),
        other => other,
    }
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["token", "secret", "password", "hmac", "authorization", "signature"].iter().any(|word| name.contains(word))
}
