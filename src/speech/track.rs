//! One track's way to words. The track is decoded twice, streaming: once to find speech, once to recognise it, so that
//! never more than one window of audio is held. Each finished window is kept by the caller, so that a killed or
//! retried attempt goes on where the last one stopped.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::error::SpeechError;
use super::recognizer::{DropReason, DroppedText, Recognizer};
use super::windows::{SpeechWindow, pack};
use crate::audio::TrackDecoder;
use crate::audio::voice_activity::{SpeechInterval, VOICE_RATE, VoiceActivity, VoiceActivitySettings};

/// A track's audio from the recording's start: mono, 16 kHz, -1..=1, silence where nothing was sent.
pub trait SamplesSource {
    /// Appends the next samples (possibly none) to `out`. False when the track has ended.
    fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, SpeechError>;
}

/// Open it with [`DecodeRate::Hz16000`](crate::audio::DecodeRate).
impl SamplesSource for TrackDecoder {
    fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, SpeechError> {
        TrackDecoder::read(self, out).map_err(SpeechError::audio)
    }
}

/// Keeps finished windows of one track. What it returns must have been kept for the same audio, recogniser identity and
/// settings: the caller sees to that by what it keeps them under.
pub trait WindowKeeper {
    /// The window with this index, when an attempt before finished it.
    fn kept(&self, index: usize) -> Result<Option<KeptWindow>, SpeechError>;
    /// Keeps a finished window; once this returns, the window must survive the process.
    fn keep(&self, index: usize, window: &KeptWindow) -> Result<(), SpeechError>;
}

/// What one window gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptWindow {
    /// The window's first sample at 16 kHz on the recording's clock, and the one after its last. A window that lies
    /// elsewhere than today's (other cutting rules) is not used.
    pub samples: (u64, u64),
    /// The language it was recognised in, ISO 639-1.
    pub language: String,
    /// Whether that language holds for the rest of the track.
    pub language_is_sure: bool,
    /// On the recording's clock.
    pub words: Vec<SpokenWord>,
    /// Heard and not believed.
    pub dropped: Vec<DroppedWindowText>,
}

/// One word on the recording's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpokenWord {
    /// With its punctuation, no outer space.
    pub text: String,
    /// Seconds.
    pub start: f64,
    /// Seconds; not before `start`.
    pub end: f64,
    /// The recogniser's confidence, 0..=1.
    pub probability: f64,
}

/// Text that was heard and not believed, and about where: for audits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DroppedWindowText {
    /// As heard.
    pub text: String,
    /// Why it is not shown.
    pub reason: DropReason,
    /// The window's borders in seconds of the recording.
    pub within: (f64, f64),
}

/// How a track is to be transcribed.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackSettings {
    /// ISO 639-1, or `auto`: found out from the first speech.
    pub language: String,
    /// Where the track should end, seconds of the recording, when that is known: to say when it ends early.
    pub expected_seconds: Option<f64>,
    /// How speech is found.
    pub voice_activity: VoiceActivitySettings,
}

impl TrackSettings {
    /// The usual settings for `language`.
    pub fn new(language: impl Into<String>) -> Self {
        Self { language: language.into(), expected_seconds: None, voice_activity: VoiceActivitySettings::default() }
    }
}

/// How far a track is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackProgress {
    /// 0..=1.
    pub fraction: f64,
    /// Windows done.
    pub windows_done: usize,
    /// All windows; 0 while speech is still being looked for.
    pub windows: usize,
}

/// A track's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackTranscript {
    /// Sorted by start, not overlapping.
    pub words: Vec<SpokenWord>,
    /// ISO 639-1; none when nothing was said and no language was asked for.
    pub language: Option<String>,
    /// Heard and not believed.
    pub dropped: Vec<DroppedWindowText>,
    /// Seconds of audio that the track gave.
    pub decoded_seconds: f64,
    /// Seconds of it that are speech.
    pub speech_seconds: f64,
    /// Seconds that were expected and did not come, when that is more than a lost packet or two.
    pub missing_seconds: Option<f64>,
    /// How many windows were recognised, in this attempt or an earlier one.
    pub windows: usize,
}

/// The share of the work that looking for speech is.
const FINDING: f64 = 0.05;
/// Missing audio at a track's end that is worth a word, seconds.
const MISSING: f64 = 0.5;
/// A language is settled for the track once its probability is this high, or enough speech was judged.
const SURE_OF_LANGUAGE: f32 = 0.7;

/// Transcribes one track. `open` opens the track from its start, and is called once or twice. Blocks and burns CPU: call
/// it on a blocking thread. A track without speech never reaches the recogniser.
///
/// # Errors
/// What the source, the recogniser and the keeper return; [`SpeechError::Cancelled`] soon after `cancel` is. A language the
/// recogniser does not know fails before any work.
pub fn transcribe_track(
    open: &dyn Fn() -> Result<Box<dyn SamplesSource>, SpeechError>,
    recognizer: &dyn Recognizer,
    settings: &TrackSettings,
    keeper: &dyn WindowKeeper,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(TrackProgress),
) -> Result<TrackTranscript, SpeechError> {
    recognizer.accepts(&settings.language)?;
    let Found { decoded_seconds, speech, windows } = find_speech(open, recognizer, settings, cancel, progress)?;
    let missing_seconds = settings.expected_seconds.map(|expected| expected - decoded_seconds).filter(|m| *m > MISSING);
    if let Some(missing) = missing_seconds {
        tracing::warn!(missing_seconds = missing, decoded_seconds, "the track ends early");
    }
    let mut run = Run { open, recognizer, settings, cancel, reader: None, language: None };
    let all: f64 = windows.iter().map(SpeechWindow::speech_seconds).sum();
    let (mut words, mut dropped, mut done) = (Vec::new(), Vec::new(), 0.0);
    for (index, window) in windows.iter().enumerate() {
        if cancel.is_cancelled() {
            return Err(SpeechError::Cancelled);
        }
        let kept = keeper.kept(index)?.filter(|kept| kept.samples == borders(window));
        let result = match kept {
            Some(kept) => kept,
            None => {
                tracing::debug!(window = index + 1, of = windows.len(), "hearing");
                let fresh = run.window(window)?;
                keeper.keep(index, &fresh)?;
                fresh
            }
        };
        run.language = Some((result.language, result.language_is_sure));
        words.extend(result.words);
        dropped.extend(result.dropped);
        done += window.speech_seconds();
        let fraction = FINDING + (1.0 - FINDING) * (done / all).min(1.0);
        progress(TrackProgress { fraction, windows_done: index + 1, windows: windows.len() });
    }
    untangle(&mut words);
    let asked = Some(settings.language.clone()).filter(|language| language != "auto");
    Ok(TrackTranscript {
        words,
        language: run.language.map(|(language, _)| language).or(asked),
        dropped,
        decoded_seconds,
        speech_seconds: speech.iter().map(|interval| interval.duration()).sum(),
        missing_seconds,
        windows: windows.len(),
    })
}

/// Which language is spoken on a track, by the rule that [`transcribe_track`] has for `auto`; none when nothing is said.
/// For people with several tracks: what the longest one says holds for all, so that a few words after a re-join are not
/// taken for another language.
///
/// # Errors
/// As [`transcribe_track`].
pub fn track_language(
    open: &dyn Fn() -> Result<Box<dyn SamplesSource>, SpeechError>,
    recognizer: &dyn Recognizer,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(TrackProgress),
) -> Result<Option<String>, SpeechError> {
    if let Some(language) = recognizer.only_language() {
        return Ok(Some(language));
    }
    let settings = TrackSettings::new("auto");
    let found = find_speech(open, recognizer, &settings, cancel, progress)?;
    let mut run = Run { open, recognizer, settings: &settings, cancel, reader: None, language: None };
    for window in &found.windows {
        let pcm = run.read(window)?;
        run.language = Some(run.language(&pcm, window)?);
        if let Some((_, true)) = run.language {
            break;
        }
    }
    Ok(run.language.map(|(language, _)| language))
}

/// The first pass's findings.
struct Found {
    decoded_seconds: f64,
    speech: Vec<SpeechInterval>,
    windows: Vec<SpeechWindow>,
}

fn find_speech(
    open: &dyn Fn() -> Result<Box<dyn SamplesSource>, SpeechError>,
    recognizer: &dyn Recognizer,
    settings: &TrackSettings,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(TrackProgress),
) -> Result<Found, SpeechError> {
    let mut activity = VoiceActivity::new(settings.voice_activity);
    let mut track = Reader::open(open, cancel)?;
    let mut told = 0.0;
    while track.next_chunk()? {
        activity.push(&track.chunk);
        if activity.seconds() - told >= 1.0 {
            told = activity.seconds();
            let share = settings.expected_seconds.map_or(0.0, |expected| (told / expected.max(1.0)).min(1.0));
            progress(TrackProgress { fraction: FINDING * share, windows_done: 0, windows: 0 });
        }
    }
    let decoded_seconds = activity.seconds();
    let total = (decoded_seconds * f64::from(VOICE_RATE)).round() as u64;
    let speech = activity.finish();
    let windows = pack(&speech, total, recognizer.windows());
    Ok(Found { decoded_seconds, speech, windows })
}

/// The second pass.
struct Run<'a> {
    open: &'a dyn Fn() -> Result<Box<dyn SamplesSource>, SpeechError>,
    recognizer: &'a dyn Recognizer,
    settings: &'a TrackSettings,
    cancel: &'a CancellationToken,
    /// Opened at the first window that was not kept.
    reader: Option<Reader<'a>>,
    /// As of the last window, and whether it is settled.
    language: Option<(String, bool)>,
}

impl Run<'_> {
    fn window(&mut self, window: &SpeechWindow) -> Result<KeptWindow, SpeechError> {
        let pcm = self.read(window)?;
        let (language, language_is_sure) = self.language(&pcm, window)?;
        let heard = self.recognizer.recognize(&pcm, &language, self.cancel)?;
        let map = window.time_map();
        let mut words: Vec<SpokenWord> = heard
            .words
            .into_iter()
            .map(|word| {
                let (start, end) = map.span(word.start, word.end);
                let probability = f64::from(word.probability).clamp(0.0, 1.0);
                SpokenWord { text: word.text, start: milliseconds(start), end: milliseconds(end), probability }
            })
            .collect();
        untangle(&mut words);
        let samples = borders(window);
        let within = (milliseconds(seconds(samples.0)), milliseconds(seconds(samples.1)));
        let dropped = heard
            .dropped
            .into_iter()
            .map(|DroppedText { text, reason }| DroppedWindowText { text, reason, within })
            .collect();
        Ok(KeptWindow { samples, language, language_is_sure, words, dropped })
    }

    fn read(&mut self, window: &SpeechWindow) -> Result<Vec<f32>, SpeechError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(Reader::open(self.open, self.cancel)?),
        };
        let mut pcm = Vec::with_capacity(window.len() as usize);
        for piece in &window.pieces {
            pcm.resize(piece.packed_at as usize, 0.0);
            reader.take(piece.samples.start, piece.samples.end, &mut pcm)?;
        }
        Ok(pcm)
    }

    /// The asked-for language, or the one settled before, or a guess at this window's.
    fn language(&self, pcm: &[f32], window: &SpeechWindow) -> Result<(String, bool), SpeechError> {
        if self.settings.language != "auto" {
            return Ok((self.settings.language.clone(), true));
        }
        if let Some((language, true)) = &self.language {
            return Ok((language.clone(), true));
        }
        let guess = self.recognizer.detect_language(pcm, self.cancel)?;
        // A long window is all that can be judged at once: a second look would see no more.
        let sure = guess.probability >= SURE_OF_LANGUAGE || window.speech_seconds() > 15.0;
        Ok((guess.language, sure))
    }
}

/// Reads a track forward.
struct Reader<'a> {
    source: Box<dyn SamplesSource>,
    cancel: &'a CancellationToken,
    chunk: Vec<f32>,
    /// Samples before the chunk's first.
    chunk_start: u64,
}

impl<'a> Reader<'a> {
    fn open(
        open: &dyn Fn() -> Result<Box<dyn SamplesSource>, SpeechError>,
        cancel: &'a CancellationToken,
    ) -> Result<Self, SpeechError> {
        Ok(Self { source: open()?, cancel, chunk: Vec::new(), chunk_start: 0 })
    }

    /// Goes on to the next chunk; false at the track's end.
    fn next_chunk(&mut self) -> Result<bool, SpeechError> {
        if self.cancel.is_cancelled() {
            return Err(SpeechError::Cancelled);
        }
        self.chunk_start += self.chunk.len() as u64;
        self.chunk.clear();
        self.source.read(&mut self.chunk)
    }

    /// Appends the samples `from..to` to `out`; never goes back.
    fn take(&mut self, from: u64, to: u64, out: &mut Vec<f32>) -> Result<(), SpeechError> {
        let mut at = from;
        while at < to {
            let chunk_end = self.chunk_start + self.chunk.len() as u64;
            if at >= chunk_end {
                if !self.next_chunk()? {
                    return Err(SpeechError::Recognition(
                        "the track gave less audio the second time it was read".into(),
                    ));
                }
                continue;
            }
            let begin = (at - self.chunk_start) as usize;
            let end = (to.min(chunk_end) - self.chunk_start) as usize;
            out.extend_from_slice(&self.chunk[begin..end]);
            at = to.min(chunk_end);
        }
        Ok(())
    }
}

fn borders(window: &SpeechWindow) -> (u64, u64) {
    let first = window.pieces.first().map_or(0, |piece| piece.samples.start);
    let last = window.pieces.last().map_or(0, |piece| piece.samples.end);
    (first, last)
}

fn seconds(samples: u64) -> f64 {
    samples as f64 / f64::from(VOICE_RATE)
}

fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// Sorts words by start and ends each where the next begins: one person says one word at a time.
fn untangle(words: &mut [SpokenWord]) {
    words.sort_by(|a, b| a.start.total_cmp(&b.start));
    for i in 1..words.len() {
        let next = words[i].start;
        let word = &mut words[i - 1];
        word.end = word.end.min(next).max(word.start);
    }
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
