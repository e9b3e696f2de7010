//! Clocks. A track's packets count on the track's own clock, everything else on the recording's; sound is counted in
//! samples at 48 kHz (Opus' own rate) or 16 kHz (speech). The newtypes keep them apart, and only a [`Timeline`]
//! turns one into another.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// A moment or a length in samples at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples48k(pub u64);

/// A moment or a length in samples at 16 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples16k(pub u64);

/// Seconds from the recording's start, the same zero for every track.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordingTime(pub f64);

/// Seconds as a track file's own timestamps count them. In Daily's files that is the recording's clock already;
/// a file whose stamps count from its own start differs by its offset.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackTime(pub f64);

impl Add for Samples48k {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Samples48k {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// Where a track's offset came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// The first packet's timestamp: precise.
    Packets,
    /// The file's name (up to 200 ms off): the packets carry no usable start.
    FileName,
}

/// A file name that puts the start this much later than a first timestamp of exactly zero shows that the stamps count
/// from the track's own start. The documented difference between the two is about 0.2 s.
const NAME_DISAGREES: f64 = 1.0;

/// Later than any recording lasts (Daily stops after a day): such a timestamp is damage.
pub const LONGEST_RECORDING: RecordingTime = RecordingTime(48.0 * 3600.0);

/// How one track's clock lies on the recording's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeline {
    shift: f64,
}

impl Timeline {
    /// For files that are on the recording's clock: aligned tracks, the mixdown.
    pub const RECORDING: Self = Self { shift: 0.0 };

    /// From a track's first timestamp, if it has one, and the offset that its file name tells, in seconds.
    pub fn of_track(first: Option<TrackTime>, name: Option<RecordingTime>) -> (Self, StartFrom) {
        let name = name.filter(|name| name.0.is_finite() && name.0 >= 0.0 && *name < LONGEST_RECORDING);
        match (first, name) {
            (Some(TrackTime(first)), Some(name)) if first == 0.0 && name.0 > NAME_DISAGREES => {
                (Self { shift: name.0 }, StartFrom::FileName)
            }
            (None, Some(name)) => (Self { shift: name.0 }, StartFrom::FileName),
            _ => (Self::RECORDING, StartFrom::Packets),
        }
    }

    /// A track's moment on the recording's clock.
    pub fn on_recording(&self, time: TrackTime) -> RecordingTime {
        RecordingTime(time.0 + self.shift)
    }

    /// The recording's moment on the track's clock.
    pub fn on_track(&self, time: RecordingTime) -> TrackTime {
        TrackTime(time.0 - self.shift)
    }

    /// The sample at 48 kHz nearest to a moment; moments before the start are sample 0.
    pub fn samples_48k(&self, time: RecordingTime) -> Samples48k {
        Samples48k(nearest(time.0 * 48_000.0))
    }

    /// The sample at 16 kHz nearest to a moment; moments before the start are sample 0.
    pub fn samples_16k(&self, time: RecordingTime) -> Samples16k {
        Samples16k(nearest(time.0 * 16_000.0))
    }

    /// The moment of a sample at 48 kHz.
    pub fn time_48k(&self, samples: Samples48k) -> RecordingTime {
        RecordingTime(samples.0 as f64 / 48_000.0)
    }

    /// The moment of a sample at 16 kHz.
    pub fn time_16k(&self, samples: Samples16k) -> RecordingTime {
        RecordingTime(samples.0 as f64 / 16_000.0)
    }
}

/// `as` saturates, and takes not-a-number and what is below zero to zero.
fn nearest(samples: f64) -> u64 {
    samples.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(first: f64, name: f64) -> (RecordingTime, StartFrom) {
        let (timeline, from) = Timeline::of_track(Some(TrackTime(first)), Some(RecordingTime(name)));
        (timeline.on_recording(TrackTime(first)), from)
    }

    #[test]
    fn the_first_packet_is_the_offset_even_where_the_name_differs() {
        assert_eq!(track(21.34, 21.5), (RecordingTime(21.34), StartFrom::Packets));
        assert_eq!(track(0.0, 0.2), (RecordingTime(0.0), StartFrom::Packets));
        assert_eq!(track(3.0, 60.0), (RecordingTime(3.0), StartFrom::Packets));
    }

    #[test]
    fn u8_without_a_usable_start_the_file_name_is_the_offset_and_that_is_said() {
        assert_eq!(track(0.0, 21.5), (RecordingTime(21.5), StartFrom::FileName));
        let (timeline, from) = Timeline::of_track(None, Some(RecordingTime(4.5)));
        assert_eq!((timeline.on_recording(TrackTime(0.0)), from), (RecordingTime(4.5), StartFrom::FileName));
        let (timeline, from) = Timeline::of_track(None, Some(RecordingTime(f64::NAN)));
        assert_eq!((timeline.on_recording(TrackTime(0.0)), from), (RecordingTime(0.0), StartFrom::Packets));
    }

    #[test]
    fn samples_and_seconds_convert_both_ways() {
        let timeline = Timeline::RECORDING;
        assert_eq!(timeline.samples_48k(RecordingTime(1.5)), Samples48k(72_000));
        assert_eq!(timeline.samples_16k(RecordingTime(1.5)), Samples16k(24_000));
        assert_eq!(timeline.time_16k(Samples16k(24_000)), RecordingTime(1.5));
        assert_eq!(timeline.time_48k(Samples48k(72_000)), RecordingTime(1.5));
        assert_eq!(timeline.samples_48k(RecordingTime(-1.0)), Samples48k(0));
        assert_eq!(timeline.samples_48k(RecordingTime(f64::NAN)), Samples48k(0));
    }
}
