//! Moments as people give them on the command line.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

use crate::clock::{Clock as _, SystemClock};

/// For `--since` and `--until`: a moment, a day (its beginning, UTC), or how long ago.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::from_microsecond(SystemClock.now().as_micros()).map_err(|error| error.to_string())?;
    read(text, now)
        .ok_or_else(|| "write a moment (2026-01-05T09:00:00Z), a day (2026-01-05) or how long ago (7d, 12h)".to_owned())
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    if let Ok(day) = text.parse::<Date>() {
        return Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let ago = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if ago.is_negative() { None } else { now.checked_sub(ago).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_days_and_spans_are_read_and_nothing_else() {
        let now: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
        let table = [
            ("2026-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z")),
            ("2026-01-01T01:00:00+01:00", Some("2026-01-01T00:00:00Z")),
            ("2026-01-01", Some("2026-01-01T00:00:00Z")),
            ("7d", Some("2025-12-29T09:00:00Z")),
            ("12h", Some("2026-01-04T21:00:00Z")),
            ("1d 1h", Some("2026-01-04T08:00:00Z")),
            ("-7d", None),
            ("yesterday", None),
            ("", None),
            ("2026-13-01", None),
            ("5", None),
        ];
        for (text, expected) in table {
            assert_eq!(read(text, now).map(|at| at.to_string()).as_deref(), expected, "{text:?}");
        }
    }
}
