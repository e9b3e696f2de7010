//! Durations as people write them in workflow files: `90s`, `30m`, `1h30m`.
//!
//! Whole seconds only, one second to a week: Conductor counts in seconds, and Hatchet is only ever sent `"<n>s"`
//! because its versions disagree on `42m30s`.

use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reads a duration; the error says what is wrong with the text and what to write instead.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad =
        || format!("{text:?} is no duration: write hours, minutes and seconds as in \"90s\", \"30m\" or \"1h30m\"");
    let mut seconds: u64 = 0;
    let mut smallest = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let unit = match tail.as_bytes().first() {
            Some(b'h') => 3600,
            Some(b'm') => 60,
            Some(b's') => 1,
            _ => return Err(bad()),
        };
        // Larger units first, each once: `30s1h` and `1h1h` are more likely slips than meant.
        if unit >= smallest {
            return Err(bad());
        }
        smallest = unit;
        seconds = number.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(bad)?;
        rest = &tail[1..];
    }
    match Duration::from_secs(seconds) {
        _ if text.is_empty() => Err(bad()),
        Duration::ZERO => Err(format!("{text:?} is zero: the shortest duration is \"1s\"")),
        duration if duration > LONGEST => Err(format!("{text:?} is too long: the longest duration is \"168h\"")),
        duration => Ok(duration),
    }
}

/// Shows a duration the way [`parse_duration`] reads it: `90s` as `1m30s`. Fractions of a second are dropped.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("30m", 1800), ("6h", 21_600), ("1h30m", 5400), ("168h", 604_800)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "0s", "90", "s", "1.5s", "-1s", "1d", "30s1h", "1h1h", "169h", "1 h", "99999999999999999999s", "1é"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn showing_a_duration_and_reading_it_again_changes_nothing(seconds in 1u64..=604_800) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_the_duration_reader_panic(text in ".{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
