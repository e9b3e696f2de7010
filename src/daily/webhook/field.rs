//! Fields of an event, read with patience: null, missing and mistyped are all "not said", and numbers may come as text.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::daily::epoch::moment;

/// Longer texts are no names.
const LONGEST: usize = 500;

/// Text without control characters, which no database and no terminal should get, and not empty.
pub(super) fn text(fields: &Value, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?;
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// A number; Daily's own example of `recording.error` has one as text.
pub(super) fn number(fields: &Value, name: &str) -> Option<f64> {
    let value = fields.get(name)?;
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    number.is_finite().then_some(number)
}

/// A moment, in seconds or milliseconds.
pub(super) fn time(fields: &Value, name: &str) -> Option<Timestamp> {
    number(fields, name).and_then(moment)
}

/// An identity.
pub(super) fn id<T: std::str::FromStr>(fields: &Value, name: &str) -> Option<T> {
    fields.get(name)?.as_str()?.parse().ok()
}
