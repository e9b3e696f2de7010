//! The `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).

use std::time::Duration;

use jiff::fmt::rfc2822;

use crate::clock::Timestamp;

/// How long to wait from `now`; `None` for what is neither seconds nor a date. A date in the past is no wait.
pub(super) fn wait(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = rfc2822::parse(header).ok()?.timestamp();
    Some(Timestamp::from_micros(date.as_microsecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_nonsense_is_not() {
        let now = Timestamp::from_micros(1_445_412_450_000_000); // 2015-10-21T07:27:30Z
        let table = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("-3", None),
            ("soon", None),
            ("", None),
            ("NaN", None),
            ("1e300", None),
        ];
        for (header, seconds) in table {
            assert_eq!(wait(header, now), seconds.map(Duration::from_secs), "{header:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(header: String, now: i64) {
            let _ = wait(&header, Timestamp::from_micros(now));
        }
    }
}
