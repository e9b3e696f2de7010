//! A track's way to words with a made-up recogniser: what is asked of it, what is kept, and when it stops.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Mutex;

use super::*;
use crate::failure::{Failure, FailureClass};
use crate::speech::recognizer::{DetectedLanguage, HeardWord, Recognition};
use crate::speech::windows::{PackedSeconds, WindowSettings};

/// A buzz with a pitch, formants and syllables, which voice activity takes for speech.
fn voice(seconds: f64) -> Vec<f32> {
    let mut out = vec![0.0_f32; (seconds * 16_000.0) as usize];
    for (frequency, width) in [(700.0_f32, 80.0_f32), (1_200.0, 100.0), (2_500.0, 150.0)] {
        let r = (-std::f32::consts::PI * width / 16_000.0).exp();
        let a = 2.0 * r * (2.0 * std::f32::consts::PI * frequency / 16_000.0).cos();
        let (mut y1, mut y2) = (0.0_f32, 0.0_f32);
        for (i, sample) in out.iter_mut().enumerate() {
            let t = i as f32 / 16_000.0;
            let period = (133.0 + 20.0 * (t * 5.0).sin()) as usize;
            let x = if i % period == 0 { 0.5 + 0.5 * (t * 25.0).sin() } else { 0.0 };
            let y = x + a * y1 - r * r * y2;
            y2 = y1;
            y1 = y;
            *sample += y * 0.05;
        }
    }
    out
}

/// Speech of the given lengths, each after 5 s of silence.
fn track(lengths: &[f64]) -> Vec<f32> {
    let mut samples = Vec::new();
    for length in lengths {
        samples.resize(samples.len() + 5 * 16_000, 0.0);
        samples.extend(voice(*length));
    }
    samples.resize(samples.len() + 16_000, 0.0);
    samples
}

struct Samples(Vec<f32>, usize);

impl SamplesSource for Samples {
    fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, SpeechError> {
        let to = (self.1 + 1_920).min(self.0.len());
        out.extend_from_slice(&self.0[self.1..to]);
        let more = to > self.1;
        self.1 = to;
        Ok(more)
    }
}

/// Hears one word per window, in the middle; says what it was asked.
#[derive(Default)]
struct Parrot {
    heard: Mutex<Vec<(usize, String)>>,
    detections: Mutex<Vec<DetectedLanguage>>,
    cancel_after: Option<(usize, CancellationToken)>,
}

impl Parrot {
    fn calls(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

impl Recognizer for Parrot {
    fn name(&self) -> String {
        "parrot".into()
    }
    fn identity(&self) -> String {
        "parrot/1".into()
    }
    fn accepts(&self, language: &str) -> Result<(), SpeechError> {
        if language == "xx" { Err(SpeechError::UnknownLanguage { language: language.into() }) } else { Ok(()) }
    }
    fn windows(&self) -> WindowSettings {
        WindowSettings::one_stretch_each()
    }
    fn detect_language(&self, _: &[f32], _: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        Ok(self.detections.lock().unwrap().remove(0))
    }
    fn recognize(&self, pcm: &[f32], language: &str, cancel: &CancellationToken) -> Result<Recognition, SpeechError> {
        let mut heard = self.heard.lock().unwrap();
        heard.push((pcm.len(), language.to_owned()));
        if let Some((calls, token)) = &self.cancel_after
            && heard.len() > *calls
        {
            token.cancel();
        }
        if cancel.is_cancelled() {
            return Err(SpeechError::Cancelled);
        }
        let middle = pcm.len() as f64 / 32_000.0;
        let word = HeardWord {
            text: format!("word{}", pcm.len()),
            start: PackedSeconds(middle),
            end: PackedSeconds(middle + 0.2),
            probability: 0.9,
        };
        Ok(Recognition { words: vec![word], dropped: vec![] })
    }
}

#[derive(Default)]
struct Kept(RefCell<BTreeMap<usize, KeptWindow>>);

impl WindowKeeper for Kept {
    fn kept(&self, index: usize) -> Result<Option<KeptWindow>, SpeechError> {
        Ok(self.0.borrow().get(&index).cloned())
    }
    fn keep(&self, index: usize, window: &KeptWindow) -> Result<(), SpeechError> {
        self.0.borrow_mut().insert(index, window.clone());
        Ok(())
    }
}

fn run(
    samples: &[f32],
    parrot: &Parrot,
    kept: &Kept,
    settings: &TrackSettings,
) -> Result<TrackTranscript, SpeechError> {
    let cancel = parrot.cancel_after.as_ref().map(|(_, token)| token.clone()).unwrap_or_default();
    let mut last = 0.0;
    transcribe_track(&|| Ok(Box::new(Samples(samples.to_vec(), 0))), parrot, settings, kept, &cancel, &mut |progress| {
        assert!(progress.fraction >= last && progress.fraction <= 1.0);
        last = progress.fraction;
    })
}

#[test]
fn e20_a_silent_track_never_reaches_the_recogniser() {
    let parrot = Parrot::default();
    let transcript = run(&vec![0.0; 160_000], &parrot, &Kept::default(), &TrackSettings::new("auto")).unwrap();
    assert_eq!((transcript.words.len(), transcript.language, parrot.calls()), (0, None, 0));
    let transcript = run(&[], &parrot, &Kept::default(), &TrackSettings::new("de")).unwrap();
    assert_eq!((transcript.windows, transcript.language, parrot.calls()), (0, Some("de".into()), 0));
}

#[test]
fn words_lie_on_the_recordings_clock() {
    let parrot = Parrot::default();
    let transcript = run(&track(&[2.0, 3.0]), &parrot, &Kept::default(), &TrackSettings::new("en")).unwrap();
    let starts: Vec<f64> = transcript.words.iter().map(|w| w.start).collect();
    assert_eq!(starts.len(), 2);
    assert!((starts[0] - 6.0).abs() < 0.2 && (starts[1] - 13.5).abs() < 0.2, "{starts:?}");
}

#[test]
fn a_killed_attempt_repeats_at_most_one_window() {
    let samples = track(&[1.0, 1.5, 2.0, 2.5, 3.0]);
    let settings = TrackSettings::new("en");
    let undisturbed = run(&samples, &Parrot::default(), &Kept::default(), &settings).unwrap();
    for stop_after in 0..5 {
        let kept = Kept::default();
        let killed = Parrot { cancel_after: Some((stop_after, CancellationToken::new())), ..Parrot::default() };
        let error = run(&samples, &killed, &kept, &settings).unwrap_err();
        assert_eq!(error.class(), FailureClass::Cancelled);
        let again = Parrot::default();
        assert_eq!(run(&samples, &again, &kept, &settings).unwrap(), undisturbed);
        assert_eq!(killed.calls() + again.calls(), 6, "stopped after {stop_after}");
        let third = Parrot::default();
        assert_eq!(run(&samples, &third, &kept, &settings).unwrap(), undisturbed);
        assert_eq!(third.calls(), 0);
    }
}

#[test]
fn a_kept_window_that_lies_elsewhere_is_not_used() {
    let samples = track(&[1.0, 1.5]);
    let (kept, settings) = (Kept::default(), TrackSettings::new("en"));
    run(&samples, &Parrot::default(), &kept, &settings).unwrap();
    kept.0.borrow_mut().get_mut(&1).unwrap().samples.0 += 1;
    let parrot = Parrot::default();
    run(&samples, &parrot, &kept, &settings).unwrap();
    assert_eq!(parrot.calls(), 1);
}

#[test]
fn the_language_is_found_once_and_kept_over_a_restart() {
    let guess = |language: &str, probability| DetectedLanguage { language: language.into(), probability };
    let samples = track(&[1.0, 1.5, 2.0]);
    let parrot = Parrot { detections: Mutex::new(vec![guess("nl", 0.4), guess("de", 0.9)]), ..Parrot::default() };
    let kept = Kept::default();
    let transcript = run(&samples, &parrot, &kept, &TrackSettings::new("auto")).unwrap();
    assert_eq!(transcript.language.as_deref(), Some("de"));
    let asked: Vec<String> = parrot.heard.lock().unwrap().iter().map(|(_, language)| language.clone()).collect();
    assert_eq!(asked, ["nl", "de", "de"]);
    kept.0.borrow_mut().remove(&2);
    let resumed = Parrot::default();
    assert_eq!(run(&samples, &resumed, &kept, &TrackSettings::new("auto")).unwrap(), transcript);
    assert_eq!(resumed.calls(), 1);
}

#[test]
fn a_tracks_language_is_told_without_recognising_and_no_further_than_needed() {
    let guess = |language: &str, probability| DetectedLanguage { language: language.into(), probability };
    let language_of = |samples: &[f32], parrot: &Parrot| {
        let open = || -> Result<Box<dyn SamplesSource>, SpeechError> { Ok(Box::new(Samples(samples.to_vec(), 0))) };
        track_language(&open, parrot, &CancellationToken::new(), &mut |_| {}).unwrap()
    };
    let guesses = vec![guess("nl", 0.4), guess("de", 0.9), guess("fr", 0.9)];
    let parrot = Parrot { detections: Mutex::new(guesses), ..Parrot::default() };
    assert_eq!(language_of(&track(&[1.0, 1.5, 2.0]), &parrot).as_deref(), Some("de"));
    assert_eq!((parrot.calls(), parrot.detections.lock().unwrap().len()), (0, 1));
    assert_eq!(language_of(&vec![0.0; 5 * 16_000], &Parrot::default()), None);
}

#[test]
fn e24_a_track_that_stops_early_is_told_of() {
    let samples = track(&[1.0]);
    let there = samples.len() as f64 / 16_000.0;
    for (expected, missing) in [(None, None), (Some(there + 0.1), None), (Some(there + 30.0), Some(30.0))] {
        let settings = TrackSettings { expected_seconds: expected, ..TrackSettings::new("en") };
        let transcript = run(&samples, &Parrot::default(), &Kept::default(), &settings).unwrap();
        assert_eq!(transcript.decoded_seconds, there);
        assert_eq!(transcript.missing_seconds.map(f64::round), missing);
    }
}

#[test]
fn a_language_that_is_not_known_fails_before_any_work() {
    let open = || -> Result<Box<dyn SamplesSource>, SpeechError> { panic!("opened") };
    let outcome = transcribe_track(
        &open,
        &Parrot::default(),
        &TrackSettings::new("xx"),
        &Kept::default(),
        &CancellationToken::new(),
        &mut |_| {},
    );
    assert_eq!(outcome.unwrap_err().class(), FailureClass::Permanent);
}

#[test]
fn cancelling_stops_the_search_for_speech_too() {
    let cancel = CancellationToken::new();
    cancel.cancel();
    let outcome = transcribe_track(
        &|| Ok(Box::new(Samples(vec![0.0; 16_000], 0))),
        &Parrot::default(),
        &TrackSettings::new("en"),
        &Kept::default(),
        &cancel,
        &mut |_| {},
    );
    assert!(matches!(outcome, Err(SpeechError::Cancelled)));
}

#[test]
fn one_person_says_one_word_at_a_time() {
    let word = |start, end| SpokenWord { text: "a".into(), start, end, probability: 1.0 };
    let mut words = vec![word(3.0, 4.0), word(1.0, 2.5), word(2.0, 2.2)];
    untangle(&mut words);
    assert_eq!(words, [word(1.0, 2.0), word(2.0, 2.2), word(3.0, 4.0)]);
}
