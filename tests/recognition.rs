//! The recorded meetings through speech recognition, measured against what was really said.

mod spoken;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use spoken::{InMemory, Kept, Meeting, Scores};
use tokio_util::sync::CancellationToken;
use trackscribe::failure::{Failure, FailureClass};
use trackscribe::speech::{
    DetectedLanguage, Recognition, Recognizer, SpeechError, TrackSettings, TrackTranscript, WhisperModel,
    WindowSettings, transcribe_track,
};

/// Most errors per word that each meeting may have: 4 % where perfect cuts give none, else 3 points above them.
const LIMITS: [(&str, f64); 4] = [("standup", 0.04), ("edge", 0.04), ("rejoin", 0.061 + 0.03), ("wild", 0.081 + 0.03)];

fn transcribe(samples: &[f32], recognizer: &dyn Recognizer) -> TrackTranscript {
    transcribe_track(
        &|| InMemory::boxed(samples),
        recognizer,
        &TrackSettings::new("auto"),
        &Kept::default(),
        &CancellationToken::new(),
        &mut |_| {},
    )
    .unwrap()
}

#[test]
fn every_meeting_is_understood_and_words_begin_when_they_were_said() {
    let model = spoken::model();
    for (name, limit) in LIMITS {
        let meeting = Meeting::fixture(name);
        let mut scores = Scores::default();
        for track in meeting.cam_tracks() {
            let transcript = spoken::transcribe(&meeting, &track, &model);
            assert_eq!(transcript.missing_seconds, None);
            scores.add(&meeting.words_of(&track), &transcript.words);
        }
        println!("{name}: {scores}");
        assert!(scores.error_rate() <= limit, "{name}: {scores}");
        assert!(scores.median_start_error() <= 0.15, "{name}: {scores}");
    }
}

/// Bob's second session of `edge`: two sentences, first packet after 22 s.
fn bob() -> (Meeting, spoken::Track, Vec<f32>) {
    let meeting = Meeting::fixture("edge");
    let track = meeting.cam_tracks().into_iter().find(|t| t.user_name == "Bob" && t.first_packet_ms > 20_000).unwrap();
    let samples = meeting.samples(&track);
    (meeting, track, samples)
}

#[test]
fn e21_word_times_are_right_after_30_s_of_leading_silence() {
    let (meeting, track, samples) = bob();
    let late = 30.0;
    let mut padded = vec![0.0; (late * 16_000.0) as usize];
    padded.extend(&samples);
    let transcript = transcribe(&padded, &spoken::model());
    let mut said = meeting.words_of(&track);
    said.iter_mut().for_each(|word| word.start += late);
    let mut scores = Scores::default();
    scores.add(&said, &transcript.words);
    assert!(scores.error_rate() <= 0.05, "{scores}");
    assert!(scores.start_errors.iter().all(|error| *error < 0.3), "{scores}");
    assert!(transcript.words.iter().all(|word| word.start > 50.0 && word.end >= word.start));
    assert!(transcript.words.windows(2).all(|pair| pair[0].end <= pair[1].start));
}

#[test]
fn h18_words_up_to_the_very_end_of_the_file_are_there() {
    let (meeting, track, samples) = bob();
    let end = track.speech[0].1;
    let transcript = transcribe(&samples[..(end * 16_000.0) as usize], &spoken::model());
    let said = meeting.words_of(&track).into_iter().filter(|word| word.start < end).collect::<Vec<_>>();
    let mut scores = Scores::default();
    scores.add(&said, &transcript.words);
    assert!(scores.errors <= 1, "{scores}");
    assert!(transcript.words.last().unwrap().end <= end + 0.001);
    assert!(transcript.words.last().unwrap().start > end - 1.0);
}

/// Fills windows with several stretches of speech, as for a model of OpenAI's.
struct Packed<'a>(&'a WhisperModel);

impl Recognizer for Packed<'_> {
    fn name(&self) -> String {
        self.0.name()
    }
    fn identity(&self) -> String {
        self.0.identity()
    }
    fn accepts(&self, language: &str) -> Result<(), SpeechError> {
        self.0.accepts(language)
    }
    fn detect_language(&self, pcm: &[f32], cancel: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        self.0.detect_language(pcm, cancel)
    }
    fn recognize(&self, pcm: &[f32], language: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError> {
        self.0.recognize(pcm, language, cancel)
    }
}

/// The tests' model was not made for it, so it may make more errors; but what it hears must be at its place.
#[test]
fn words_of_packed_windows_are_put_back_to_where_they_were_said() {
    let model = spoken::model();
    let meeting = Meeting::fixture("standup");
    let mut scores = Scores::default();
    for track in meeting.cam_tracks() {
        let transcript = transcribe(&meeting.samples(&track), &Packed(&model));
        assert!(transcript.windows <= 2, "{} windows", transcript.windows);
        for word in &transcript.words {
            let here = |(from, to): &(f64, f64)| word.start > from - 0.3 && word.end < to + 0.3;
            assert!(track.speech.iter().any(here), "{word:?} outside of {:?}", track.speech);
        }
        scores.add(&meeting.words_of(&track), &transcript.words);
    }
    println!("packed: {scores}");
    assert!(scores.error_rate() <= 0.25, "{scores}");
    assert!(scores.median_start_error() <= 0.15, "{scores}");
}

/// Counts how often the model is asked.
struct Counting<'a>(&'a WhisperModel, AtomicUsize);

impl Counting<'_> {
    fn of(model: &WhisperModel) -> Counting<'_> {
        Counting(model, AtomicUsize::new(0))
    }
}

impl Recognizer for Counting<'_> {
    fn name(&self) -> String {
        self.0.name()
    }
    fn identity(&self) -> String {
        self.0.identity()
    }
    fn accepts(&self, language: &str) -> Result<(), SpeechError> {
        self.0.accepts(language)
    }
    fn windows(&self) -> WindowSettings {
        self.0.windows()
    }
    fn detect_language(&self, pcm: &[f32], cancel: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.detect_language(pcm, cancel)
    }
    fn recognize(&self, pcm: &[f32], language: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.recognize(pcm, language, cancel)
    }
}

#[test]
fn e20_tracks_on_which_nobody_speaks_never_reach_the_model() {
    let model = spoken::model();
    let meeting = Meeting::fixture("edge");
    for track in meeting.cam_tracks().iter().filter(|track| track.speech.is_empty()) {
        let counting = Counting::of(&model);
        let transcript = transcribe(&meeting.samples(track), &counting);
        assert_eq!((transcript.words.len(), counting.1.into_inner()), (0, 0), "{}", track.user_name);
    }
    // Between Erin's sentences: a cough, and two stretches of keyboard clicks.
    let wild = Meeting::fixture("wild");
    let erin = wild.cam_tracks().into_iter().find(|track| track.user_name == "Erin").unwrap();
    let samples = wild.samples(&erin);
    for (from, to) in [(8.6, 13.6), (17.0, 28.5), (31.6, 38.0)] {
        let counting = Counting::of(&model);
        transcribe(&samples[(from * 16_000.0) as usize..(to * 16_000.0) as usize], &counting);
        assert_eq!(counting.1.into_inner(), 0, "{from} to {to}");
    }
}

#[test]
fn the_same_audio_gives_the_same_words_from_a_used_state_and_on_several_threads() {
    let (_, _, samples) = bob();
    let model = spoken::model();
    let first = transcribe(&samples, &model);
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..2).map(|_| scope.spawn(|| transcribe(&samples, &model))).collect();
        for other in others {
            assert_eq!(other.join().unwrap(), first);
        }
    });
}

#[test]
fn cancelling_ends_a_running_call_of_the_model() {
    let (_, _, samples) = bob();
    let model = spoken::model();
    let cancel = CancellationToken::new();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            // Over and over, so that the token falls somewhere into a call.
            loop {
                if let Err(error) = model.recognize(&samples[16_000 * 22..16_000 * 33], "en", &cancel) {
                    return error;
                }
            }
        });
        std::thread::sleep(Duration::from_millis(50));
        cancel.cancel();
        assert_eq!(running.join().unwrap().class(), FailureClass::Cancelled);
    });
}

#[test]
fn the_model_says_what_it_is() {
    let model = spoken::model();
    assert_eq!(model.name(), "whisper (ggml-fixture.en-q8_0.bin)");
    assert!(model.identity().contains(model.checksum()));
    assert!(model.is_fixture() && !model.is_multilingual());
}

#[test]
fn an_english_only_model_refuses_other_languages_and_says_what_to_do() {
    let model = spoken::model();
    assert!(model.accepts("auto").is_ok() && model.accepts("en").is_ok());
    let error = model.accepts("de").unwrap_err();
    assert!(matches!(error, SpeechError::EnglishOnly { .. }));
    assert!(error.to_string().contains("multilingual model"), "{error}");
    for language in ["", "xx", "english", "EN", "e\0n"] {
        assert!(matches!(model.accepts(language), Err(SpeechError::UnknownLanguage { .. })), "{language:?}");
    }
}

#[test]
fn a_model_that_is_cut_off_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(spoken::model_path()).unwrap();
    for share in [0.001, 0.1, 0.3, 0.9] {
        let path = folder.path().join(format!("cut-{share}.bin"));
        std::fs::write(&path, &whole[..(whole.len() as f64 * share) as usize]).unwrap();
        let error = WhisperModel::load(&path, 1).unwrap_err();
        assert!(matches!(error, SpeechError::NotAModel { .. }), "{error}");
        assert!(error.to_string().contains(&format!("cut-{share}.bin")), "{error}");
        assert_eq!(error.class(), FailureClass::Permanent);
    }
}

#[test]
fn almost_no_audio_is_no_error() {
    let model = spoken::model();
    let cancel = CancellationToken::new();
    for samples in [0, 1, 159, 1_600] {
        model.recognize(&vec![0.1; samples], "en", &cancel).unwrap();
    }
}
