//! Recorded meetings with their truth, decoded by our own decoder, and a score of what was recognised.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use trackscribe::audio::{DecodeRate, TrackDecoder};
use trackscribe::speech::{
    KeptWindow, SamplesSource, SpeechError, SpokenWord, TrackSettings, TrackTranscript, WhisperModel, WindowKeeper,
    transcribe_track,
};

#[derive(Debug, Clone, Deserialize)]
pub struct Track {
    pub file: String,
    pub speaker: usize,
    pub kind: String,
    pub user_name: String,
    pub first_packet_ms: u64,
    pub speech: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct TrueWord {
    pub speaker: usize,
    pub text: String,
    pub start: f64,
}

#[derive(Debug, Deserialize)]
struct Truth {
    tracks: Vec<Track>,
    words: Vec<TrueWord>,
}

pub struct Meeting {
    folder: PathBuf,
    truth: Truth,
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub fn model_path() -> PathBuf {
    fixtures().join("model/ggml-fixture.en-q8_0.bin")
}

pub fn model() -> WhisperModel {
    WhisperModel::load(&model_path(), 1).unwrap()
}

impl Meeting {
    pub fn fixture(name: &str) -> Self {
        Self::at(fixtures().join("meetings").join(name))
    }

    pub fn at(folder: PathBuf) -> Self {
        let truth = serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
        Self { folder, truth }
    }

    pub fn cam_tracks(&self) -> Vec<Track> {
        self.truth.tracks.iter().filter(|track| track.kind == "cam-audio").cloned().collect()
    }

    /// What was said on this track, of all its speaker's tracks.
    pub fn words_of(&self, track: &Track) -> Vec<TrueWord> {
        let here = |start: f64| track.speech.iter().any(|(from, to)| from - 0.01 <= start && start < *to);
        self.truth.words.iter().filter(|w| w.speaker == track.speaker && here(w.start)).cloned().collect()
    }

    /// Opens the track's audio on the recording's clock.
    pub fn open(&self, track: &Track) -> Result<Box<dyn SamplesSource>, SpeechError> {
        let file = File::open(self.folder.join(&track.file)).unwrap();
        let decoder = TrackDecoder::open(Box::new(file), DecodeRate::Hz16000, &CancellationToken::new());
        Ok(Box::new(decoder.map_err(SpeechError::audio)?))
    }

    /// The whole track on the recording's clock.
    pub fn samples(&self, track: &Track) -> Vec<f32> {
        let (mut source, mut samples) = (self.open(track).unwrap(), Vec::new());
        while source.read(&mut samples).unwrap() {}
        samples
    }
}

/// Samples in memory, handed out in pieces of an odd size.
pub struct InMemory {
    samples: Vec<f32>,
    at: usize,
}

impl InMemory {
    pub fn boxed(samples: &[f32]) -> Result<Box<dyn SamplesSource>, SpeechError> {
        Ok(Box::new(Self { samples: samples.to_vec(), at: 0 }))
    }
}

impl SamplesSource for InMemory {
    fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, SpeechError> {
        let to = (self.at + 3_333).min(self.samples.len());
        out.extend_from_slice(&self.samples[self.at..to]);
        let more = to > self.at;
        self.at = to;
        Ok(more)
    }
}

/// Keeps windows in memory, as a store would.
#[derive(Default)]
pub struct Kept(pub RefCell<HashMap<usize, KeptWindow>>);

impl WindowKeeper for Kept {
    fn kept(&self, index: usize) -> Result<Option<KeptWindow>, SpeechError> {
        Ok(self.0.borrow().get(&index).cloned())
    }

    fn keep(&self, index: usize, window: &KeptWindow) -> Result<(), SpeechError> {
        self.0.borrow_mut().insert(index, window.clone());
        Ok(())
    }
}

pub fn transcribe(meeting: &Meeting, track: &Track, model: &WhisperModel) -> TrackTranscript {
    transcribe_track(
        &|| meeting.open(track),
        model,
        &TrackSettings::new("auto"),
        &Kept::default(),
        &CancellationToken::new(),
        &mut |_| {},
    )
    .unwrap()
}

/// Errors against the truth.
#[derive(Default)]
pub struct Scores {
    pub errors: usize,
    pub words: usize,
    pub start_errors: Vec<f64>,
}

impl Scores {
    pub fn add(&mut self, truth: &[TrueWord], heard: &[SpokenWord]) {
        let said: Vec<String> = truth.iter().map(|w| plain(&w.text)).collect();
        let got: Vec<String> = heard.iter().map(|w| plain(&w.text)).collect();
        let (errors, pairs) = align(&said, &got);
        self.errors += errors;
        self.words += said.len();
        self.start_errors.extend(pairs.iter().map(|(i, j)| (truth[*i].start - heard[*j].start).abs()));
    }

    pub fn error_rate(&self) -> f64 {
        self.errors as f64 / self.words.max(1) as f64
    }

    fn quantile(&self, q: f64) -> f64 {
        let mut sorted = self.start_errors.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(((sorted.len() as f64 - 1.0) * q).round().max(0.0) as usize).copied().unwrap_or(0.0)
    }

    pub fn median_start_error(&self) -> f64 {
        self.quantile(0.5)
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} errors ({:.1} %), word starts off by {:.3} s in the median, 90 % {:.3} s, at most {:.3} s",
            self.errors,
            self.words,
            100.0 * self.error_rate(),
            self.quantile(0.5),
            self.quantile(0.9),
            self.quantile(1.0)
        )
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || *c == '\'').flat_map(char::to_lowercase).collect()
}

/// The least number of insertions, deletions and substitutions, and which words match.
fn align(said: &[String], got: &[String]) -> (usize, Vec<(usize, usize)>) {
    let width = got.len() + 1;
    let mut cost = vec![0; (said.len() + 1) * width];
    for i in 0..=said.len() {
        for j in 0..=got.len() {
            cost[i * width + j] = match (i, j) {
                (0, j) => j,
                (i, 0) => i,
                _ => {
                    let same = usize::from(said[i - 1] != got[j - 1]);
                    (cost[(i - 1) * width + j - 1] + same)
                        .min(cost[(i - 1) * width + j] + 1)
                        .min(cost[i * width + j - 1] + 1)
                }
            };
        }
    }
    let (mut i, mut j, mut pairs) = (said.len(), got.len(), Vec::new());
    while i > 0 && j > 0 {
        let here = cost[i * width + j];
        if said[i - 1] == got[j - 1] && here == cost[(i - 1) * width + j - 1] {
            pairs.push((i - 1, j - 1));
            (i, j) = (i - 1, j - 1);
        } else if here == cost[(i - 1) * width + j - 1] + 1 {
            (i, j) = (i - 1, j - 1);
        } else if here == cost[(i - 1) * width + j] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    pairs.reverse();
    (cost[said.len() * width + got.len()], pairs)
}
