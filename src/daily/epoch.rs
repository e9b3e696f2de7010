//! Moments as Daily writes them: a number since the epoch whose unit the reference does not always say.

use crate::clock::Timestamp;

/// From here on a number can't be seconds (that would be the year 5138), and before it can't be milliseconds (1973).
const LEAST_MILLISECONDS: f64 = 1e11;
/// Beyond this neither unit gives a moment that anybody means.
const MOST_MILLISECONDS: f64 = 1e14;

/// Seconds or milliseconds since the epoch, whole or with a fraction, told apart by magnitude. `None` for what is no
/// moment: negative, infinite, beyond all calendars.
pub(super) fn moment(number: f64) -> Option<Timestamp> {
    if !(0.0..MOST_MILLISECONDS).contains(&number) {
        return None;
    }
    let micros = if number >= LEAST_MILLISECONDS { number * 1e3 } else { number * 1e6 };
    Some(Timestamp::from_micros(micros.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_milliseconds_are_told_apart_by_magnitude() {
        let table = [
            (1_708_972_302.0, Some("2024-02-26T18:31:42.000Z")),
            (1_708_972_302.96, Some("2024-02-26T18:31:42.960Z")),
            (1_708_972_302_960.0, Some("2024-02-26T18:31:42.960Z")),
            (1_708_972_302_960.4, Some("2024-02-26T18:31:42.960Z")),
            (0.0, Some("1970-01-01T00:00:00.000Z")),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e300, None),
        ];
        for (number, shown) in table {
            assert_eq!(moment(number).map(|at| at.to_string()).as_deref(), shown, "{number}");
        }
    }
}
