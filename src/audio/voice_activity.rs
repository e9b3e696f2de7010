//! Where somebody speaks on a track. Speech recognition must only ever be given speech: on silence and noise it
//! invents text, and word times are only trustworthy when we cut the audio ourselves and know where each cut was.
//!
//! Probabilities come from the `earshot` network, one per 16 ms; this module makes intervals of them, streaming:
//! it never holds more audio than one frame, and what it keeps of a long track is the list of intervals.

use std::collections::VecDeque;

use earshot::{DefaultPredictor, Detector};
use serde::{Deserialize, Serialize};

/// The rate voice activity works at, Hz.
pub const VOICE_RATE: u32 = 16_000;

/// Samples in one frame of the network.
const FRAME: usize = 256;
/// Seconds in one frame.
const FRAME_SECONDS: f64 = FRAME as f64 / VOICE_RATE as f64;
/// A frame whose loudest sample is below this (-84 dBFS: two steps of 16-bit audio) holds nothing to hear. Muted
/// stretches of an aligned track are exactly that, and are most of many tracks.
const INAUDIBLE: f32 = 2.0 / 32_768.0;
/// Inaudible frames the network is still shown, so that its memory of what came before fades; later ones are skipped.
const FADE_FRAMES: u32 = 16;

/// A stretch of speech, in seconds from the first sample. On an aligned track that is the recording's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SpeechInterval {
    /// Seconds.
    pub start: f64,
    /// Seconds; after `start`.
    pub end: f64,
}

impl SpeechInterval {
    /// Seconds.
    pub fn duration(&self) -> f64 {
        self.end - self.start
    }
}

/// How probabilities become intervals. All durations in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiceActivitySettings {
    /// Speech begins at a frame of at least this probability.
    pub enter: f32,
    /// Speech goes on while frames have at least this probability: lower than `enter`, so that weak syllables don't end it.
    pub stay: f32,
    /// Speech ends once frames were below `stay` for this long.
    pub hang_over: f64,
    /// An interval with less voiced time than this is a click or a knock, not a word.
    pub min_voiced: f64,
    /// An interval that gets longer than this is cut in two at its least speech-like place.
    pub max_interval: f64,
}

impl Default for VoiceActivitySettings {
    fn default() -> Self {
        Self { enter: 0.5, stay: 0.35, hang_over: 0.3, min_voiced: 0.1, max_interval: 24.0 }
    }
}

/// One frame's probability inside the open interval.
#[derive(Debug, Clone, Copy)]
struct Frame {
    index: u64,
    probability: f32,
}

/// An interval that has begun and not ended.
struct Open {
    first: u64,
    last_voiced: u64,
    voiced: u64,
    /// Cut off from an interval before it: it was proved to be speech already.
    continued: bool,
    /// The latest frames, at most `max_interval` of them: where to cut is chosen among these.
    frames: VecDeque<Frame>,
}

/// Finds speech in mono 16 kHz audio that arrives in pieces of any size.
pub struct VoiceActivity {
    settings: VoiceActivitySettings,
    detector: Box<Detector<DefaultPredictor>>,
    partial: Vec<f32>,
    next_frame: u64,
    samples: u64,
    inaudible_run: u32,
    open: Option<Open>,
    intervals: Vec<SpeechInterval>,
}

impl Default for VoiceActivity {
    fn default() -> Self {
        Self::new(VoiceActivitySettings::default())
    }
}

impl VoiceActivity {
    /// A fresh detector at second 0.
    pub fn new(settings: VoiceActivitySettings) -> Self {
        Self {
            settings,
            detector: Box::new(Detector::default()),
            partial: Vec::with_capacity(FRAME),
            next_frame: 0,
            samples: 0,
            inaudible_run: 0,
            open: None,
            intervals: Vec::new(),
        }
    }

    /// Takes the next samples: mono, 16 kHz, -1..=1 (louder or not-a-number samples are taken as the nearest sane value).
    pub fn push(&mut self, samples: &[f32]) {
        self.samples += samples.len() as u64;
        let mut rest = samples;
        while !rest.is_empty() {
            let take = (FRAME - self.partial.len()).min(rest.len());
            let (now, later) = rest.split_at(take);
            self.partial.extend(now.iter().map(|s| if s.is_nan() { 0.0 } else { s.clamp(-1.0, 1.0) }));
            rest = later;
            if self.partial.len() == FRAME {
                self.take_frame();
            }
        }
    }

    /// Seconds of audio taken so far.
    pub fn seconds(&self) -> f64 {
        self.samples as f64 / f64::from(VOICE_RATE)
    }

    /// The end of the audio: speech that still goes on ends here. Intervals are sorted and never overlap.
    pub fn finish(mut self) -> Vec<SpeechInterval> {
        if !self.partial.is_empty() {
            self.partial.resize(FRAME, 0.0);
            self.take_frame();
        }
        let end = self.seconds();
        self.close();
        if let Some(last) = self.intervals.last_mut() {
            last.end = last.end.min(end);
        }
        self.intervals.retain(|interval| interval.end > interval.start);
        self.intervals
    }

    fn take_frame(&mut self) {
        let index = self.next_frame;
        self.next_frame += 1;
        let audible = self.partial.iter().any(|sample| sample.abs() >= INAUDIBLE);
        self.inaudible_run = if audible { 0 } else { self.inaudible_run.saturating_add(1) };
        let probability = if audible {
            self.detector.predict_f32(&self.partial)
        } else {
            if self.inaudible_run <= FADE_FRAMES {
                self.detector.predict_f32(&self.partial);
            }
            0.0
        };
        self.partial.clear();
        self.place(Frame { index, probability });
    }

    fn place(&mut self, frame: Frame) {
        let settings = self.settings;
        let Some(open) = &mut self.open else {
            if frame.probability >= settings.enter {
                self.open = Some(Open {
                    first: frame.index,
                    last_voiced: frame.index,
                    voiced: 1,
                    continued: false,
                    frames: VecDeque::from([frame]),
                });
            }
            return;
        };
        open.frames.push_back(frame);
        if frame.probability >= settings.stay {
            open.last_voiced = frame.index;
            open.voiced += 1;
        }
        if seconds(frame.index - open.last_voiced) >= settings.hang_over {
            self.close();
        } else if seconds(frame.index + 1 - open.first) >= settings.max_interval {
            self.cut();
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.continued || seconds(open.voiced) >= self.settings.min_voiced {
            self.intervals.push(SpeechInterval { start: seconds(open.first), end: seconds(open.last_voiced + 1) });
        }
    }

    /// Ends the open interval at the least speech-like place of its second half, and goes on from there. Probabilities
    /// are averaged over five frames, so that one odd frame inside a word does not attract the cut.
    fn cut(&mut self) {
        let Some(open) = &mut self.open else { return };
        let frames = open.frames.make_contiguous();
        let half = frames.len() / 2;
        let smooth = |at: usize| frames[at - 2..=at + 2].iter().map(|f| f.probability).sum::<f32>() / 5.0;
        let Some(at) = (half.max(2)..frames.len().saturating_sub(2)).min_by(|a, b| smooth(*a).total_cmp(&smooth(*b)))
        else {
            return;
        };
        let border = frames[at].index;
        let voiced = frames[at..].iter().filter(|f| f.probability >= self.settings.stay).count() as u64;
        self.intervals.push(SpeechInterval { start: seconds(open.first), end: seconds(border) });
        open.frames.drain(..at);
        open.first = border;
        open.last_voiced = open.last_voiced.max(border);
        open.voiced = voiced;
        open.continued = true;
    }
}

/// When frame `index` begins.
fn seconds(index: u64) -> f64 {
    index as f64 * FRAME_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random noise, the same on each run; peak at `amplitude`.
    fn noise(samples: usize, amplitude: f32) -> Vec<f32> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        (0..samples)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                amplitude * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
            })
            .collect()
    }

    /// A buzz with formants that the network takes for a vowel: a 120 Hz pulse train through two resonators.
    fn vowel(samples: usize) -> Vec<f32> {
        let mut out = vec![0.0_f32; samples];
        for (frequency, width) in [(700.0_f32, 80.0_f32), (1200.0, 100.0), (2500.0, 150.0)] {
            let r = (-std::f32::consts::PI * width / 16_000.0).exp();
            let a = 2.0 * r * (2.0 * std::f32::consts::PI * frequency / 16_000.0).cos();
            let (mut y1, mut y2) = (0.0_f32, 0.0_f32);
            for (i, sample) in out.iter_mut().enumerate() {
                // Speech moves: pitch drifts and syllables come about four times a second.
                let t = i as f32 / 16_000.0;
                let period = (133.0 + 20.0 * (t * 5.0).sin()) as usize;
                let syllable = 0.5 + 0.5 * (t * 25.0).sin();
                let x = if i % period == 0 { syllable } else { 0.0 };
                let y = x + a * y1 - r * r * y2;
                y2 = y1;
                y1 = y;
                *sample += y * 0.05;
            }
        }
        out
    }

    fn find(samples: &[f32]) -> Vec<SpeechInterval> {
        let mut activity = VoiceActivity::default();
        activity.push(samples);
        activity.finish()
    }

    #[test]
    fn digital_silence_and_quiet_noise_hold_no_speech() {
        assert_eq!(find(&[]), vec![]);
        assert_eq!(find(&vec![0.0; 160_000]), vec![]);
        assert_eq!(find(&noise(160_000, 0.01)), vec![]);
    }

    #[test]
    fn insane_samples_are_taken_as_the_nearest_sane_ones() {
        let mut samples = noise(16_000, 0.01);
        samples[100] = f32::NAN;
        samples[5_000] = f32::INFINITY;
        samples[9_000] = -7.0;
        find(&samples);
    }

    #[test]
    fn h18_speech_up_to_the_end_of_the_file_is_a_closed_interval() {
        let mut samples = vec![0.0; 32_000];
        samples.extend(vowel(40_000 + 77));
        let found = find(&samples);
        let last = found.last().expect("speech");
        assert!((last.end - samples.len() as f64 / 16_000.0).abs() < 0.05, "{found:?}");
        assert!((found[0].start - 2.0).abs() < 0.2, "{found:?}");
    }

    #[test]
    fn the_size_of_the_pieces_does_not_matter() {
        let mut samples = vec![0.0; 20_000];
        samples.extend(vowel(30_000));
        samples.extend(noise(20_000, 0.001));
        let whole = find(&samples);
        assert!(!whole.is_empty());
        for size in [1, 100, 255, 257, 4096] {
            let mut activity = VoiceActivity::default();
            samples.chunks(size).for_each(|piece| activity.push(piece));
            assert_eq!(activity.finish(), whole, "pieces of {size}");
        }
    }

    #[test]
    fn endless_speech_is_cut_into_intervals_that_touch() {
        let found = find(&vowel(16_000 * 100));
        assert!(found.len() >= 4, "{found:?}");
        for pair in found.windows(2) {
            assert!(pair[0].end <= pair[1].start);
        }
        assert!(found.iter().all(|i| i.duration() <= 24.0), "{found:?}");
    }
}
