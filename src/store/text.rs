//! Text as every database can keep it.

/// `text` without the one character that PostgreSQL refuses in text: zero becomes the replacement character. JSON has no
/// need of this, because there it is written as an escape.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
