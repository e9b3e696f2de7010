//! Whisper in this process, through whisper.cpp. The model is loaded once and shared; states (the memory of one call)
//! are kept for the next call.

use std::ffi::c_void;
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use tokio_util::sync::CancellationToken;
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperSegment, WhisperState,
};

use super::error::SpeechError;
use super::loops;
use super::model_file::{self, ModelFile};
use super::recognizer::{DetectedLanguage, DropReason, DroppedText, HeardWord, Recognition, Recognizer};
use super::token_words::{TextToken, is_spaced, words};
use super::windows::WindowSettings;

/// Goes up with every change that gives other words for the same audio and model.
const SETTINGS_VERSION: u32 = 1;
/// A segment is doubted when the model gives silence more than this …
const NO_SPEECH: f32 = 0.6;
/// … and its own words less than this, as the mean of natural logarithms. Both figures are OpenAI's.
const NO_SPEECH_LOG_PROBABILITY: f64 = -1.0;
/// How warm a stuck decoder is made for its one second try.
const SECOND_TRY_TEMPERATURE: f32 = 0.4;
/// whisper.cpp reads nothing shorter than 100 ms, and pads the rest itself.
const SHORTEST: usize = 16_000 / 8;

static LOGGING: Once = Once::new();

/// A loaded model. Put it in an `Arc` and share it: it is as large as its file, and safe to use from several threads.
pub struct WhisperModel {
    file: ModelFile,
    context: WhisperContext,
    threads: i32,
    idle: Mutex<Vec<WhisperState>>,
}

impl std::fmt::Debug for WhisperModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhisperModel").field("file", &self.file).field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl WhisperModel {
    /// Loads and checks the model at `path`; each call of the recogniser will use `threads` threads. Reads the whole file
    /// twice, so call it on a blocking thread, once per process.
    pub fn load(path: &Path, threads: usize) -> Result<Self, SpeechError> {
        // whisper.cpp writes to stderr unless it is told otherwise.
        LOGGING.call_once(whisper_rs::install_logging_hooks);
        let file = ModelFile::open(path)?;
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::default()).map_err(|_| {
            SpeechError::NotAModel {
                path: path.to_owned(),
                reason: "whisper.cpp can't load it, it may be cut off".into(),
            }
        })?;
        let threads = i32::try_from(threads.clamp(1, 64)).unwrap_or(1);
        Ok(Self { file, context, threads, idle: Mutex::default() })
    }

    /// What a model of this file is called, loaded or not.
    pub fn name_of(path: &Path) -> String {
        format!("whisper ({})", model_file::file_name(path))
    }

    /// BLAKE3 of the model's file, hexadecimal.
    pub fn checksum(&self) -> &str {
        &self.file.checksum
    }

    /// Whether it knows other languages than English.
    pub fn is_multilingual(&self) -> bool {
        self.context.is_multilingual()
    }

    /// Whether it is the tests' model, which knows 200 words: a transcript made with it must say so.
    pub fn is_fixture(&self) -> bool {
        self.file.is_fixture()
    }

    /// Threads that one call uses: as many CPU permits the caller must hold.
    pub fn threads(&self) -> usize {
        self.threads.unsigned_abs() as usize
    }

    fn new_state(&self) -> Result<WhisperState, SpeechError> {
        self.context.create_state().map_err(failed)
    }

    /// A state that nobody uses now. Calls made one after another use one state.
    fn state(&self) -> Result<WhisperState, SpeechError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| self.new_state(), Ok)
    }

    fn give_back(&self, state: WhisperState) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(state);
    }

    fn run(
        &self,
        state: &mut WhisperState,
        pcm: &[f32],
        language: &str,
        temperature: f32,
        cancel: &CancellationToken,
    ) -> Result<Recognition, SpeechError> {
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(self.threads);
        params.set_temperature(temperature);
        // One pass: whisper.cpp's own fallback decodes up to five times more for one doubtful window.
        params.set_temperature_inc(0.0);
        // Each window is heard for itself, so that it can be repeated alone and one stuck window does not infect the next.
        params.set_n_max_text_ctx(0);
        params.set_no_context(true);
        params.set_token_timestamps(true);
        params.set_suppress_nst(true);
        // We judge this ourselves, to keep what is dropped.
        params.set_no_speech_thold(2.0);
        params.set_print_progress(false);
        params.set_print_special(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        if self.is_multilingual() {
            // whisper-rs leaks these few bytes on each call.
            params.set_language(Some(language));
        }
        // SAFETY: the callback only reads the token, which outlives `full` because we borrow it; whisper.cpp keeps neither
        // pointer after the call. (`set_abort_callback_safe` casts to the wrong type.)
        unsafe {
            params.set_abort_callback(Some(is_cancelled));
            params.set_abort_callback_user_data(std::ptr::from_ref(cancel).cast_mut().cast::<c_void>());
        }
        let outcome = if pcm.len() < SHORTEST {
            let mut padded = pcm.to_vec();
            padded.resize(SHORTEST, 0.0);
            state.full(params, &padded)
        } else {
            state.full(params, pcm)
        };
        if cancel.is_cancelled() {
            return Err(SpeechError::Cancelled);
        }
        outcome.map_err(failed)?;
        Ok(self.read(state, language))
    }

    /// The words of the last run, without those that are not believed.
    fn read(&self, state: &WhisperState, language: &str) -> Recognition {
        let mut heard = Recognition::default();
        for segment in state.as_iter() {
            let tokens = self.text_tokens(&segment);
            let words = words(&tokens, is_spaced(language));
            let text = joined(&words);
            if segment.no_speech_probability() > NO_SPEECH && log_probability(&tokens) < NO_SPEECH_LOG_PROBABILITY {
                heard.dropped.push(DroppedText { text, reason: DropReason::NoSpeech });
            } else if describes_a_sound(&text) {
                heard.dropped.push(DroppedText { text, reason: DropReason::SoundDescription });
            } else {
                heard.words.extend(words);
            }
        }
        drop_loops(heard)
    }

    fn text_tokens(&self, segment: &WhisperSegment<'_>) -> Vec<TextToken> {
        let first_special = self.context.token_eot();
        (0..segment.n_tokens())
            .filter_map(|i| segment.get_token(i))
            .filter(|token| token.token_id() < first_special)
            .filter_map(|token| {
                let data = token.token_data();
                let bytes = token.to_bytes().ok()?.to_vec();
                Some(TextToken { bytes, start: data.t0, end: data.t1, probability: data.p })
            })
            .collect()
    }
}

impl Recognizer for WhisperModel {
    fn name(&self) -> String {
        Self::name_of(&self.file.path)
    }

    fn identity(&self) -> String {
        format!("whisper/{SETTINGS_VERSION}/{}", self.checksum())
    }

    fn only_language(&self) -> Option<String> {
        (!self.is_multilingual()).then(|| "en".to_owned())
    }

    fn accepts(&self, language: &str) -> Result<(), SpeechError> {
        if language == "auto" {
            return Ok(());
        }
        // A null byte would panic in whisper-rs, and whisper.cpp takes full names too, which are no ISO codes.
        let known = language.bytes().all(|b| b.is_ascii_lowercase())
            && whisper_rs::get_lang_id(language).and_then(whisper_rs::get_lang_str) == Some(language);
        if !known {
            Err(SpeechError::UnknownLanguage { language: language.to_owned() })
        } else if language != "en" && !self.is_multilingual() {
            Err(SpeechError::EnglishOnly { model: self.file.file_name(), language: language.to_owned() })
        } else {
            Ok(())
        }
    }

    /// Whisper hears best, and costs least, with its 30 s full of speech. The tests' model was trained on single
    /// sentences: packed, it makes about twice as many errors.
    fn windows(&self) -> WindowSettings {
        if self.is_fixture() { WindowSettings::one_stretch_each() } else { WindowSettings::default() }
    }

    fn detect_language(&self, pcm: &[f32], cancel: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        if !self.is_multilingual() {
            return Ok(DetectedLanguage { language: "en".into(), probability: 1.0 });
        }
        if cancel.is_cancelled() {
            return Err(SpeechError::Cancelled);
        }
        let mut state = self.state()?;
        let threads = self.threads();
        state.pcm_to_mel(pcm, threads).map_err(failed)?;
        let (id, probabilities) = state.lang_detect(0, threads).map_err(failed)?;
        self.give_back(state);
        let language = whisper_rs::get_lang_str(id).unwrap_or("en").to_owned();
        let probability = usize::try_from(id).ok().and_then(|id| probabilities.get(id)).copied().unwrap_or(0.0);
        Ok(DetectedLanguage { language, probability })
    }

    fn recognize(&self, pcm: &[f32], language: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError> {
        self.accepts(language)?;
        if cancel.is_cancelled() {
            return Err(SpeechError::Cancelled);
        }
        if pcm.is_empty() {
            return Ok(Recognition::default());
        }
        let mut state = self.state()?;
        let first = self.run(&mut state, pcm, language, 0.0, cancel)?;
        self.give_back(state);
        if !is_stuck(&first) {
            return Ok(first);
        }
        // A new state begins with the same random numbers each time, so that the second try gives the same words again.
        let second = self.run(&mut self.new_state()?, pcm, language, SECOND_TRY_TEMPERATURE, cancel)?;
        if is_stuck(&second) {
            return Ok(first);
        }
        let stuck = first.dropped.into_iter().filter(|text| text.reason == DropReason::Loop);
        Ok(Recognition { words: second.words, dropped: second.dropped.into_iter().chain(stuck).collect() })
    }
}

unsafe extern "C" fn is_cancelled(token: *mut c_void) -> bool {
    // SAFETY: `run` passes a pointer to a token that it borrows for the whole call.
    unsafe { &*token.cast::<CancellationToken>() }.is_cancelled()
}

fn failed(error: whisper_rs::WhisperError) -> SpeechError {
    SpeechError::Recognition(error.to_string())
}

fn is_stuck(heard: &Recognition) -> bool {
    heard.dropped.iter().any(|text| text.reason == DropReason::Loop)
}

fn joined(words: &[HeardWord]) -> String {
    words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn log_probability(tokens: &[TextToken]) -> f64 {
    let sum: f64 = tokens.iter().map(|token| f64::from(token.probability.max(1e-6)).ln()).sum();
    sum / tokens.len().max(1) as f64
}

/// `[BLANK_AUDIO]`, `(music)`, `*coughs*`, `♪ la ♪`: nothing that anybody said.
fn describes_a_sound(text: &str) -> bool {
    [('[', ']'), ('(', ')'), ('*', '*'), ('♪', '♪')].iter().any(|(open, close)| {
        text.chars().count() > 1 && text.starts_with(*open) && text.trim_end_matches('.').ends_with(*close)
    })
}

fn drop_loops(heard: Recognition) -> Recognition {
    let texts: Vec<&str> = heard.words.iter().map(|w| w.text.as_str()).collect();
    let repeats = loops::repeats(&texts);
    let mut dropped = heard.dropped;
    dropped.extend(
        repeats.iter().map(|range| DroppedText { text: texts[range.clone()].join(" "), reason: DropReason::Loop }),
    );
    let believed = |i: usize| !repeats.iter().any(|range| range.contains(&i));
    let words = heard.words.into_iter().enumerate().filter(|(i, _)| believed(*i)).map(|(_, word)| word).collect();
    Recognition { words, dropped }
}
