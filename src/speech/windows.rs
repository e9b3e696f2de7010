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
    /// Silence put in place of a longer pause inside one window.
    pub packed_pause: f64,
    /// No window is longer; below whisper's 30 s, so that a window is one pass.
    pub max_window: f64,
    /// A window is closed at a pause that is joined no more once it is this long.
    pub enough: f64,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self { context: 0.2, join_pause: 2.0, packed_pause: 0.6, max_window: 28.0, enough: 0.0 }
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
    let packed_pause = samples(settings.packed_pause);
    let (max, enough) = (samples(settings.max_window), samples(settings.enough));
    let mut windows: Vec<SpeechWindow> = Vec::new();
    for mut piece in groups {
        match windows.last_mut() {
            Some(window) if window.len() < enough && window.len() + packed_pause + piece.len() <= max => {
                piece.packed_at = window.len() + packed_pause;
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

fn onto_speech(speech: &[SpeechInterval], start: f64, end: f64) -> (f64, f64) {
    let shared = |interval: &SpeechInterval| end.min(interval.end) - start.max(interval.start);
    let Some(home) = speech.iter().max_by(|a, b| shared(a).total_cmp(&shared(b))) else {
        return (start, end);
    };
    // A word may well run over a short dip between two intervals: only stretches over pauses are cut off.
    let in_pause = |at: f64| speech.iter().all(|i| at < i.start - LEEWAY || at > i.end + LEEWAY);
    let start = if in_pause(start) { start.clamp(home.start - LEEWAY, home.end) } else { start };
    let end = if in_pause(end) { end.clamp(home.start, home.end + LEEWAY) } else { end };
    (start, end.max(start))
}
