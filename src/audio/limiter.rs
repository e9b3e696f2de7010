//! Keeps a sum of voices from clipping without touching anything else.
//!
//! A look-ahead limiter: where the sum would pass the ceiling, the gain goes down over the 5 ms before and comes back
//! within about a tenth of a second. Below the ceiling nothing changes, ever: there is no make-up gain and no
//! normalisation, so nobody gets quieter or louder because of what others do minutes away.

use std::collections::VecDeque;

/// What no sample exceeds: 2 dB below full scale, because MP3 gives peaks back a little higher than they went in.
pub const CEILING: f32 = 0.794;

/// Look-ahead in samples at 48 kHz: 5 ms.
const AHEAD: usize = 240;

/// Part of the missing gain that comes back with each sample: a time constant of 80 ms.
const RELEASE: f64 = 1.0 / (0.080 * 48_000.0);

/// Gain closer to one than this is one.
const AT_REST: f64 = 1.0 - 1e-6;

/// The state between blocks. Sound comes out [`Limiter::DELAY`] samples late.
pub struct Limiter {
    /// The last `AHEAD - 1` samples that are still to come out.
    delayed: VecDeque<f32>,
    /// (number of the sample, gain it needs), gains rising: the first is the smallest of the window.
    needed: VecDeque<(u64, f64)>,
    /// The last `AHEAD` gains, whose mean is applied.
    gains: VecDeque<f64>,
    sum: f64,
    released: f64,
    now: u64,
    limited: u64,
}

impl Limiter {
    /// Samples by which the output is late.
    pub const DELAY: usize = AHEAD - 1;

    /// At rest.
    pub fn new() -> Self {
        Self {
            delayed: VecDeque::from(vec![0.0; Self::DELAY]),
            needed: VecDeque::new(),
            gains: VecDeque::from(vec![1.0; AHEAD]),
            sum: AHEAD as f64,
            released: 1.0,
            now: 0,
            limited: 0,
        }
    }

    /// Limits a block in place; what stands in it afterwards is late by [`Limiter::DELAY`].
    pub fn process(&mut self, block: &mut [f32]) {
        if self.is_at_rest() && block.iter().all(|sample| sample.abs() <= CEILING) {
            return self.pass(block);
        }
        for sample in block {
            let gain = self.gain_for(*sample);
            self.delayed.push_back(*sample);
            let before = self.delayed.pop_front().unwrap_or(0.0);
            *sample = if gain >= AT_REST { before } else { (f64::from(before) * gain) as f32 };
            self.limited += u64::from(gain < AT_REST);
        }
    }

    /// Samples so far that were made quieter.
    pub fn limited(&self) -> u64 {
        self.limited
    }

    /// Whether any sample has come in.
    pub fn has_heard_anything(&self) -> bool {
        self.now > 0
    }

    fn is_at_rest(&self) -> bool {
        self.released >= AT_REST && self.sum >= AHEAD as f64 * AT_REST && self.needed.is_empty()
    }

    /// Only delays.
    fn pass(&mut self, block: &mut [f32]) {
        self.now += block.len() as u64;
        self.delayed.extend(block.iter());
        let out = self.delayed.drain(..block.len());
        for (sample, delayed) in block.iter_mut().zip(out) {
            *sample = delayed;
        }
    }

    /// The gain to apply `AHEAD - 1` samples before this one.
    fn gain_for(&mut self, sample: f32) -> f64 {
        let level = f64::from(sample.abs());
        let needs = if level > f64::from(CEILING) { f64::from(CEILING) / level } else { 1.0 };
        if needs < 1.0 {
            while self.needed.back().is_some_and(|(_, gain)| *gain >= needs) {
                self.needed.pop_back();
            }
            self.needed.push_back((self.now, needs));
        }
        if self.needed.front().is_some_and(|(at, _)| at + AHEAD as u64 <= self.now) {
            self.needed.pop_front();
        }
        self.now += 1;
        let smallest = self.needed.front().map_or(1.0, |(_, gain)| *gain);
        self.released = smallest.min(self.released + (1.0 - self.released) * RELEASE);
        if self.released >= AT_REST {
            self.released = 1.0;
        }
        self.gains.push_back(self.released);
        self.sum += self.released - self.gains.pop_front().unwrap_or(1.0);
        self.sum / AHEAD as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(input: &[f32], block: usize) -> Vec<f32> {
        let mut limiter = Limiter::new();
        let mut sound = input.to_vec();
        sound.extend([0.0; Limiter::DELAY]);
        for block in sound.chunks_mut(block) {
            limiter.process(block);
        }
        sound.split_off(Limiter::DELAY)
    }

    fn voice(seconds: f32, level: f32, hz: f32) -> Vec<f32> {
        (0..(seconds * 48_000.0) as usize)
            .map(|at| level * (at as f32 * hz * std::f32::consts::TAU / 48_000.0).sin())
            .collect()
    }

    #[test]
    fn below_the_ceiling_every_sample_is_as_it_was() {
        let input = voice(0.5, 0.79, 220.0);
        assert!(limited(&input, 4800) == input);
    }

    #[test]
    fn nothing_passes_the_ceiling_and_quiet_before_and_after_is_untouched() {
        let mut input = voice(1.0, 0.3, 220.0);
        input.extend(voice(0.2, 3.0, 317.0));
        input.extend(voice(2.0, 0.3, 220.0));
        let output = limited(&input, 4800);
        assert_eq!(output.len(), input.len());
        assert!(output.iter().all(|sample| sample.abs() <= CEILING + 1e-6));
        assert!(output[..47_000] == input[..47_000]);
        let later = 48_000 * 5 / 2;
        assert!(output[later..].iter().zip(&input[later..]).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn the_result_does_not_depend_on_how_the_sound_is_cut_into_blocks() {
        let mut input = voice(0.3, 0.5, 220.0);
        input.extend(voice(0.3, 1.7, 317.0));
        input.extend(voice(0.9, 0.6, 220.0));
        let whole = limited(&input, input.len());
        for block in [1, 77, 4800] {
            let cut = limited(&input, block);
            assert!(cut.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
