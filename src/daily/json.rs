//! Daily's JSON as it comes: with half a character in it where somebody cut a text in the middle of an emoji, as
//! JavaScript's `JSON.stringify` writes it.

use std::borrow::Cow;

use serde_json::Value;

/// What the escape of half a character becomes: U+FFFD.
const REPLACEMENT: &[u8] = br"\ufffd";
/// `\u` and four digits.
const ESCAPE: usize = 6;

/// Reads JSON; escapes of half a character (`"Bob \ud83d"`), which are no text, become U+FFFD.
///
/// # Errors
/// What is no JSON otherwise. The error tells line and column, never the text.
pub(super) fn read(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(body).or_else(|error| match with_whole_characters(body) {
        Cow::Borrowed(_) => Err(error),
        Cow::Owned(mended) => serde_json::from_slice(&mended),
    })
}

/// The same JSON with each escape of half a character replaced. Backslashes stand only in strings, so strings need not be
/// told apart from the rest.
fn with_whole_characters(json: &[u8]) -> Cow<'_, [u8]> {
    let (mut mended, mut copied, mut at) = (Vec::new(), 0, 0);
    while let Some(backslash) = json[at..].iter().position(|byte| *byte == b'\\').map(|found| at + found) {
        at = match (half_at(json, backslash), half_at(json, backslash + ESCAPE)) {
            (Some(Half::First), Some(Half::Second)) => backslash + 2 * ESCAPE,
            (Some(_), _) => {
                mended.extend_from_slice(&json[copied..backslash]);
                mended.extend_from_slice(REPLACEMENT);
                copied = backslash + ESCAPE;
                copied
            }
            // Whatever is escaped is no backslash that escapes.
            (None, _) => (backslash + 2).min(json.len()),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    mended.extend_from_slice(&json[copied..]);
    Cow::Owned(mended)
}

/// Half of a character outside of Unicode's first 65,536, as JSON escapes it.
enum Half {
    First,
    Second,
}

/// The half that is escaped at this place, if one is.
fn half_at(json: &[u8], at: usize) -> Option<Half> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(br"\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    match u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::First),
        0xDC00..=0xDFFF => Some(Half::Second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_character_becomes_a_replacement_character() {
        for (json, text) in [
            (r#""Bob \ud83d""#, "Bob \u{fffd}"),
            (r#""\uDC00 Bob""#, "\u{fffd} Bob"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\\ud83d \ud83d""#, r"\ud83d �"),
            (r#""\ud83d\ude00 \u00e9""#, "😀 é"),
        ] {
            assert_eq!(read(json.as_bytes()).unwrap(), Value::from(text), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for json in
            ["", "\\", "\"\\", r#""\ud83"#, r#""\ud83d"#, r#"{"a":1e999,"b":"\ud83d"}"#, r"\ud83d", r#""\u+123""#]
        {
            assert!(read(json.as_bytes()).is_err(), "{json}");
        }
    }

    /// A JSON string as JavaScript writes it when it escapes all that is not ASCII, from any sequence of UTF-16 units.
    fn escaped(units: &[u16]) -> String {
        let unit = |unit: &u16| match u8::try_from(*unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        };
        format!("\"{}\"", units.iter().map(unit).collect::<String>())
    }

    fn units() -> impl Strategy<Value = Vec<u16>> {
        prop::collection::vec(prop_oneof![any::<u16>(), 0xD800..=0xDBFFu16, 0xDC00..=0xDFFFu16, 0x5C..=0x7Bu16], 0..20)
    }

    proptest! {
        #[test]
        fn any_text_of_javascript_is_read_as_if_it_had_been_decoded_with_replacements(units in units()) {
            let read = read(escaped(&units).as_bytes()).unwrap();
            prop_assert_eq!(read, Value::from(String::from_utf16_lossy(&units)));
        }

        #[test]
        fn any_bytes_are_read_as_before_when_they_are_json_and_never_panic(body: Vec<u8>, text: String) {
            let _ = read(&body);
            let json = Value::from(text).to_string();
            prop_assert_eq!(read(json.as_bytes()).unwrap(), serde_json::from_str::<Value>(&json).unwrap());
        }
    }
}
