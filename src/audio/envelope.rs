//! Peaks over time: what the mixdown leaves behind so that a waveform can be drawn without decoding anything again.
//!
//! At most [`MOST_PEAKS`] values whatever the length: where they run out, neighbours are joined and each covers twice
//! the time.

use super::error::AudioError;
use super::timeline::Samples48k;

/// Kept peaks at most.
const MOST_PEAKS: usize = 1 << 16;

/// Samples of the first bucket size: 10 ms.
const FINEST: u64 = 480;

/// Stored full scale.
const FULL_SCALE: f32 = 65_535.0;

/// Loudest peaks below this (-60 dBFS) are silence, not something to be drawn large.
const SILENT: u16 = 65;

const MAGIC: &[u8; 4] = b"TSPK";
const VERSION: u32 = 1;
const HEADER: usize = 28;

/// The largest absolute sample of each bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    bucket: u64,
    samples: u64,
    peaks: Vec<u16>,
}

impl Default for Envelope {
    fn default() -> Self {
        Self { bucket: FINEST, samples: 0, peaks: Vec::new() }
    }
}

impl Envelope {
    /// Adds sound at 48 kHz in -1..1.
    pub fn push(&mut self, mut sound: &[f32]) {
        while !sound.is_empty() {
            let filled = self.samples % self.bucket;
            if filled == 0 {
                self.make_room();
                self.peaks.push(0);
            }
            let taken = sound.len().min((self.bucket - self.samples % self.bucket) as usize);
            let peak = sound[..taken].iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            let peak = (peak.min(1.0) * FULL_SCALE).round() as u16;
            if let Some(last) = self.peaks.last_mut() {
                *last = (*last).max(peak);
            }
            self.samples += taken as u64;
            sound = &sound[taken..];
        }
    }

    /// Joins neighbours once all places are taken; only called at a bucket's border, with an even number of peaks.
    fn make_room(&mut self) {
        if self.peaks.len() == MOST_PEAKS {
            self.peaks = self.peaks.chunks(2).map(|pair| pair.iter().copied().max().unwrap_or(0)).collect();
            self.bucket *= 2;
        }
    }

    /// Length of the sound.
    pub fn length(&self) -> Samples48k {
        Samples48k(self.samples)
    }

    /// The envelope as `values` numbers from 0 to 1 with two decimals, relative to the loudest peak. Sound shorter
    /// than that still gives all values; silence gives zeros.
    pub fn reduce(&self, values: usize) -> Vec<f64> {
        let loudest = self.peaks.iter().copied().max().unwrap_or(0);
        if loudest < SILENT {
            return vec![0.0; values];
        }
        let buckets = self.samples as f64 / self.bucket as f64;
        (0..values)
            .map(|value| {
                let from = (buckets * value as f64 / values as f64) as usize;
                let to = (buckets * (value + 1) as f64 / values as f64).ceil() as usize;
                let from = from.min(self.peaks.len() - 1);
                let to = to.clamp(from + 1, self.peaks.len());
                let peak = self.peaks[from..to].iter().copied().max().unwrap_or(0);
                (f64::from(peak) / f64::from(loudest) * 100.0).round() / 100.0
            })
            .collect()
    }

    /// The stored form: magic, version, bucket, samples, count, then the peaks, all little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 2 * self.peaks.len());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.bucket.to_le_bytes());
        bytes.extend(self.samples.to_le_bytes());
        bytes.extend((self.peaks.len() as u32).to_le_bytes());
        bytes.extend(self.peaks.iter().flat_map(|peak| peak.to_le_bytes()));
        bytes
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`AudioError::BadEnvelope`] for anything that [`Envelope::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AudioError> {
        let bad = AudioError::BadEnvelope;
        let (header, peaks) = bytes.split_at_checked(HEADER).ok_or(bad("too short"))?;
        let number = |from: usize, length: usize| {
            header[from..from + length].iter().rev().fold(0u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        if &header[..4] != MAGIC {
            return Err(bad("wrong magic"));
        }
        if number(4, 4) != u64::from(VERSION) {
            return Err(bad("unknown version"));
        }
        let (bucket, samples, count) = (number(8, 8), number(16, 8), number(24, 4));
        if bucket % FINEST != 0 || !(bucket / FINEST).is_power_of_two() {
            return Err(bad("impossible bucket"));
        }
        if count > MOST_PEAKS as u64 || samples.div_ceil(bucket) != count || peaks.len() as u64 != 2 * count {
            return Err(bad("length and number of peaks differ"));
        }
        let peaks = peaks.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        Ok(Self { bucket, samples, peaks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_waveform_shows_where_it_is_loud_relative_to_the_loudest() {
        let mut envelope = Envelope::default();
        envelope.push(&vec![0.1; 480 * 255]);
        envelope.push(&vec![-0.4; 480 * 255]);
        let values = envelope.reduce(255);
        assert_eq!(values.len(), 255);
        assert_eq!((values[0], values[126], values[128], values[254]), (0.25, 0.25, 1.0, 1.0));
    }

    #[test]
    fn silence_gives_zeros_and_short_sound_still_all_values() {
        assert_eq!(Envelope::default().reduce(255), vec![0.0; 255]);
        let mut noise_floor = Envelope::default();
        noise_floor.push(&[0.0005; 48_000]);
        assert_eq!(noise_floor.reduce(255), vec![0.0; 255]);
        let mut short = Envelope::default();
        short.push(&[0.5; 1000]);
        assert_eq!(short.reduce(255), vec![1.0; 255]);
    }

    #[test]
    fn the_size_is_bounded_however_long_the_sound() {
        let mut envelope = Envelope::default();
        let block = vec![0.25; 480 * 1000];
        for _ in 0..300 {
            envelope.push(&block);
        }
        assert_eq!(envelope.length(), Samples48k(480 * 300_000));
        let bytes = envelope.to_bytes();
        assert!(bytes.len() <= HEADER + 2 * MOST_PEAKS);
        assert_eq!(Envelope::from_bytes(&bytes).unwrap(), envelope);
        assert_eq!(envelope.reduce(255), vec![1.0; 255]);
    }

    proptest! {
        #[test]
        fn what_is_stored_comes_back(lengths in proptest::collection::vec(0usize..2000, 0..20)) {
            let mut envelope = Envelope::default();
            for (at, length) in lengths.into_iter().enumerate() {
                envelope.push(&vec![at as f32 / 20.0; length]);
            }
            prop_assert_eq!(Envelope::from_bytes(&envelope.to_bytes()).unwrap(), envelope);
        }

        #[test]
        fn foreign_bytes_are_refused_or_read_but_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), ours: bool) {
            if ours {
                let mut envelope = Envelope::default();
                envelope.push(&[0.5; 2000]);
                for (there, byte) in bytes.iter_mut().zip(envelope.to_bytes()).take(20) {
                    *there = byte;
                }
            }
            if let Ok(envelope) = Envelope::from_bytes(&bytes) {
                prop_assert_eq!(envelope.reduce(255).len(), 255);
            }
        }
    }
}
