//! Seconds as they are written: three decimals, rounded in this one place. Comparisons that decide something (pauses,
//! overlaps) are made on whole milliseconds, so that what is decided can be checked against what is written.

use serde::Serializer;

/// Whole milliseconds, rounded half away from zero. Not-a-number is 0; infinities saturate.
pub fn to_millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// The nearest multiple of 0.001 s.
pub fn round_seconds(seconds: f64) -> f64 {
    from_millis(to_millis(seconds))
}

/// Seconds out of whole milliseconds.
pub fn from_millis(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// The meeting's duration in seconds: Daily's, where it says one, else the media's end.
///
/// Daily leaves it null while it still works on a recording, and a folder without `recording.json` has none.
pub fn meeting_duration(daily: Option<f64>, media_end: f64) -> f64 {
    let usable = daily.filter(|duration| duration.is_finite() && *duration > 0.0);
    round_seconds(usable.unwrap_or(media_end).max(0.0))
}

/// Writes seconds with three decimals (`serialize_with`).
pub(super) fn serialize<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(round_seconds(*seconds))
}

/// `1:02:03` or `2:03`, for people; fractions are cut off.
pub fn clock_face(seconds: f64) -> String {
    let whole = to_millis(seconds).max(0) / 1000;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_to_the_nearest_millisecond_and_nothing_odd_survives() {
        assert_eq!(round_seconds(1.0005), 1.001);
        assert_eq!(round_seconds(0.1 + 0.2), 0.3);
        assert_eq!((to_millis(f64::NAN), to_millis(f64::INFINITY)), (0, i64::MAX));
    }

    #[test]
    fn h3_the_duration_is_dailys_and_the_medias_end_only_where_daily_has_none() {
        assert_eq!(meeting_duration(Some(77.0), 76.999), 77.0);
        for none in [None, Some(0.0), Some(-1.0), Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(meeting_duration(none, 76.9994), 76.999, "{none:?}");
        }
        assert_eq!(meeting_duration(None, -1.0), 0.0);
    }

    #[test]
    fn people_read_minutes_and_seconds() {
        assert_eq!((clock_face(59.999), clock_face(3723.0)), ("0:59".to_owned(), "1:02:03".to_owned()));
    }
}
