//! Packs stretches of speech into windows for a recogniser. Whisper pays for 30 s of audio however little it is given,
//! and hears better with a sentence's surroundings than without; but silence makes it invent. So each window is filled
//! with whole stretches of speech, up to 28 s, and a [`TimeMap`] remembers where on the recording each stretch lies.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::audio::voice_activity::{SpeechInterval, VOICE_RATE};

/// Seconds from a window's first sample. Only the window's [`TimeMap`] turns them into seconds of the recording.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct PackedSeconds(pub f64);

/// How intervals become windows. All in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowSettings {
    /// Audio kept before and after speech: weak first and last sounds lie there.
    pub context: f64,
    /// Pauses shorter than this stay as they are: the recogniser hears how the speaker paused.
    pub join_pause: f64,
    /// No window is longer; below whisper's 30 s, so that a window is one pass.
    pub max_window: f64,
    /// Silence put in place of longer pauses, so that a window holds several stretches of speech. None: one stretch a window.
    pub packed_pause: Option<f64>,
}

impl Default for WindowSettings {
    /// For recognisers that were made for 30 s of audio, as whisper is.
    fn default() -> Self {
        Self { context: 0.2, join_pause: 2.0, max_window: 28.0, packed_pause: Some(0.6) }
    }
}

impl WindowSettings {
    /// One stretch of speech a window: for recognisers that know single sentences best.
    pub fn one_stretch_each() -> Self {
        Self { packed_pause: None, ..Self::default() }
    }
}

/// Part of the recording that lies in a window as one unbroken piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Samples at 16 kHz from the recording's start.
    pub samples: Range<u64>,
    /// Where the piece's first sample lies in the window, in samples.
    pub packed_at: u64,
    /// The speech in it, on the recording's clock.
    pub speech: Vec<SpeechInterval>,
}

impl Piece {
    fn len(&self) -> u64 {
        self.samples.end - self.samples.start
    }

    fn packed_end(&self) -> u64 {
        self.packed_at + self.len()
    }
}

/// One call of the recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechWindow {
    /// In order of time, at least one; between them the window is silent.
    pub pieces: Vec<Piece>,
}

impl SpeechWindow {
    /// The window's length in samples.
    pub fn len(&self) -> u64 {
        self.pieces.last().map_or(0, Piece::packed_end)
    }

    /// Whether there is nothing in it; windows made by [`pack`] never are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Seconds of speech in it.
    pub fn speech_seconds(&self) -> f64 {
        self.pieces.iter().flat_map(|piece| &piece.speech).map(SpeechInterval::duration).sum()
    }

    /// The window's clock.
    pub fn time_map(&self) -> TimeMap<'_> {
        TimeMap { pieces: &self.pieces }
    }
}

/// Packs `intervals` (sorted, not overlapping) of a track with `total` samples at 16 kHz. The same intervals give the
/// same windows, and no sample of the recording is in two of them.
pub fn pack(intervals: &[SpeechInterval], total: u64, settings: WindowSettings) -> Vec<SpeechWindow> {
    let groups = group(intervals, total, settings);
    let (pause, max) = (settings.packed_pause.map(samples), samples(settings.max_window));
    let mut windows: Vec<SpeechWindow> = Vec::new();
    for mut piece in groups {
        match (windows.last_mut(), pause) {
            (Some(window), Some(pause)) if window.len() + pause + piece.len() <= max => {
                piece.packed_at = window.len() + pause;
                window.pieces.push(piece);
            }
            _ => windows.push(SpeechWindow { pieces: vec![piece] }),
        }
    }
    windows
}

/// Joins intervals with short pauses between them to pieces, each no longer than a window, with context around.
fn group(intervals: &[SpeechInterval], total: u64, settings: WindowSettings) -> Vec<Piece> {
    let mut groups: Vec<Vec<SpeechInterval>> = Vec::new();
    for interval in intervals {
        match groups.last_mut() {
            Some(group)
                if interval.start - group[group.len() - 1].end < settings.join_pause
                    && interval.end - group[0].start + 2.0 * settings.context <= settings.max_window =>
            {
                group.push(*interval);
            }
            _ => groups.push(vec![*interval]),
        }
    }
    // Context reaches at most to the middle of the pause, so that no audio is heard twice.
    let border = |before: f64, after: f64, wanted: f64| wanted.min((after - before).max(0.0) / 2.0);
    let bounds: Vec<(f64, f64)> = groups.iter().map(|g| (g[0].start, g[g.len() - 1].end)).collect();
    groups
        .into_iter()
        .enumerate()
        .map(|(i, speech)| {
            let (start, end) = bounds[i];
            let before = if i == 0 { settings.context } else { border(bounds[i - 1].1, start, settings.context) };
            let after = bounds.get(i + 1).map_or(settings.context, |next| border(end, next.0, settings.context));
            let from = samples((start - before).max(0.0)).min(total);
            let to = samples(end + after).clamp(from, total);
            Piece { samples: from..to, packed_at: 0, speech }
        })
        .filter(|piece| !piece.samples.is_empty())
        .collect()
}

fn samples(seconds: f64) -> u64 {
    (seconds * f64::from(VOICE_RATE)).round() as u64
}

/// Turns a window's clock into the recording's.
#[derive(Debug, Clone, Copy)]
pub struct TimeMap<'a> {
    pieces: &'a [Piece],
}

impl TimeMap<'_> {
    /// Where a word heard from `start` to `end` was said, in seconds of the recording: inside the piece that it shares
    /// most time with (the nearest when none), and, where it begins or ends in a pause, at the speech's border.
    /// Recognisers stretch a first or last word over silence, also over the silence that we put between pieces.
    pub fn span(&self, start: PackedSeconds, end: PackedSeconds) -> (f64, f64) {
        let (start, end) = (start.0, end.0.max(start.0));
        let rate = f64::from(VOICE_RATE);
        let bounds = |piece: &Piece| (piece.packed_at as f64 / rate, piece.packed_end() as f64 / rate);
        // Negative when apart: then the greatest is the nearest.
        let shared = |piece: &Piece| {
            let (from, to) = bounds(piece);
            end.min(to) - start.max(from)
        };
        let Some(piece) = self.pieces.iter().max_by(|a, b| shared(a).total_cmp(&shared(b))) else {
            return (start, end);
        };
        let (from, to) = bounds(piece);
        let shift = piece.samples.start as f64 / rate - from;
        onto_speech(&piece.speech, start.clamp(from, to) + shift, end.clamp(from, to) + shift)
    }
}

/// How far outside of detected speech a word's border may lie: weak sounds do.
const LEEWAY: f64 = 0.1;

/// Two intervals closer than this are one stretch that was cut for its length, and a word may lie across the cut.
const CUT: f64 = 0.05;

/// Takes off what of a word lies beyond the stretch of speech it shares most time with: nobody pauses inside a word for
/// as long as it takes to end an interval.
fn onto_speech(speech: &[SpeechInterval], start: f64, end: f64) -> (f64, f64) {
    let shared = |interval: &SpeechInterval| end.min(interval.end) - start.max(interval.start);
    let Some(home) = (0..speech.len()).max_by(|a, b| shared(&speech[*a]).total_cmp(&shared(&speech[*b]))) else {
        return (start, end);
    };
    let is_cut = |before: usize| speech[before + 1].start - speech[before].end < CUT;
    let first = (0..home).rev().take_while(|before| is_cut(*before)).last().unwrap_or(home);
    let last = (home + 1..speech.len()).take_while(|after| is_cut(after - 1)).last().unwrap_or(home);
    let (from, to) = (speech[first].start, speech[last].end);
    let start = start.clamp(from - LEEWAY, to);
    (start, end.clamp(from, to + LEEWAY).max(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interval(start: f64, end: f64) -> SpeechInterval {
        SpeechInterval { start, end }
    }

    fn span(window: &SpeechWindow, start: f64, end: f64) -> (f64, f64) {
        window.time_map().span(PackedSeconds(start), PackedSeconds(end))
    }

    #[test]
    fn long_pauses_are_left_out_and_the_map_knows() {
        let speech = [interval(40.0, 42.0), interval(43.0, 45.0), interval(100.0, 103.0)];
        let windows = pack(&speech, 16_000 * 200, WindowSettings::default());
        assert_eq!(windows.len(), 1);
        let window = &windows[0];
        assert_eq!(window.pieces.len(), 2);
        // 5.4 s, a pause of 0.6 s, 3.4 s
        assert_eq!(window.len(), 16_000 * 94 / 10);
        assert_eq!(window.speech_seconds(), 7.0);
        let (start, end) = span(window, 0.5, 1.0);
        assert!((start - 40.3).abs() < 1e-9 && (end - 40.8).abs() < 1e-9);
        let (start, end) = span(window, 6.5, 7.0);
        assert!((start - 100.3).abs() < 1e-9 && (end - 100.8).abs() < 1e-9);
    }

    #[test]
    fn e21_a_word_stretched_over_a_pause_is_put_back_onto_speech() {
        let speech = [interval(40.0, 42.0), interval(43.0, 45.0), interval(100.0, 103.0)];
        let windows = pack(&speech, 16_000 * 200, WindowSettings::default());
        // From inside the packed pause into the second piece: it begins where speech does.
        assert_eq!(span(&windows[0], 5.0, 6.9).0, 99.9);
        // From before the second interval of the first piece.
        assert_eq!(span(&windows[0], 2.6, 3.6).0, 42.9);
        // Beyond the window's end.
        assert_eq!(span(&windows[0], 9.0, 29.0).1, 103.1);
        assert_eq!(span(&windows[0], 20.0, 29.0), (103.0, 103.1));
    }

    #[test]
    fn context_stops_at_the_recordings_borders_and_halfway_to_other_speech() {
        let settings = WindowSettings { join_pause: 0.1, ..WindowSettings::one_stretch_each() };
        let windows = pack(&[interval(0.1, 1.0), interval(1.2, 2.0)], 16_000 * 2, settings);
        let samples: Vec<_> = windows.iter().map(|w| w.pieces[0].samples.clone()).collect();
        assert_eq!(samples, [0..17_600, 17_600..32_000]);
    }

    #[test]
    fn silence_makes_no_window() {
        assert!(pack(&[], 16_000 * 60, WindowSettings::default()).is_empty());
    }

    proptest! {
        #[test]
        fn windows_hold_all_speech_once_and_words_stay_inside(
            lengths in proptest::collection::vec((0.0f64..40.0, 0.05f64..24.0), 0..60),
            packed: bool,
            word in (0.0f64..30.0, 0.0f64..3.0),
        ) {
            let mut at = 0.0;
            let speech: Vec<_> = lengths.iter().map(|(pause, length)| {
                let start = at + pause;
                at = start + length;
                interval(start, at)
            }).collect();
            let total = samples(at + 1.0);
            let settings = if packed { WindowSettings::default() } else { WindowSettings::one_stretch_each() };
            let windows = pack(&speech, total, settings);
            let pieces: Vec<_> = windows.iter().flat_map(|w| &w.pieces).collect();
            prop_assert!(pieces.windows(2).all(|p| p[0].samples.end <= p[1].samples.start));
            prop_assert!(pieces.iter().all(|p| p.samples.end <= total));
            prop_assert_eq!(pieces.iter().map(|p| p.speech.len()).sum::<usize>(), speech.len());
            for window in &windows {
                prop_assert!(window.len() <= samples(settings.max_window));
                let (start, end) = span(window, word.0, word.0 + word.1);
                prop_assert!(end >= start);
                let inside = |t: f64| window.pieces.iter().any(|p| {
                    let (from, to) = (p.samples.start as f64 / 16e3, p.samples.end as f64 / 16e3);
                    (from - LEEWAY..=to + LEEWAY).contains(&t)
                });
                prop_assert!(inside(start) && inside(end), "{start} {end}");
            }
        }
    }
}
