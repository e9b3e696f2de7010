//! Scores whose numbers were worked out by hand.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Words of half a second, one after the other from `start`.
fn line(speaker: u64, start: f64, text: &str) -> Vec<Value> {
    text.split(' ')
        .zip(0..)
        .map(|(word, at)| {
            let start = start + f64::from(at) * 0.5;
            json!({"speaker": speaker, "text": word, "start": start, "end": start + 0.5})
        })
        .collect()
}

fn side(names: &[&str], lines: &[(u64, f64, &str)]) -> ScoreSide {
    let participants: Vec<Value> =
        names.iter().zip(0..).map(|(name, speaker)| json!({"speaker": speaker, "name": name})).collect();
    let words: Vec<Value> = lines.iter().flat_map(|(speaker, start, text)| line(*speaker, *start, text)).collect();
    let body = json!({"schema_version": 1, "participants": participants, "words": words});
    ScoreSide::parse("test", body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_transcript_scores_perfectly_against_itself() {
    let truth = side(&["Alice", "Bob"], &[(0, 0.0, "Hello Bob, how are you?"), (1, 1.0, "Fine.")]);
    let score = score(&truth, &truth, 0.0);
    assert_eq!((score.words.error_rate, score.words.correct), (Some(0.0), 6));
    assert_eq!(score.attribution, Attribution { accuracy: Some(1.0), right: 6, wrong: 0 });
    assert_eq!(score.diarization.error_rate, Some(0.0));
    assert_eq!(score.word_start_error, Some(StartError { median: 0.0, p90: 0.0, words: 6 }));
}

#[test]
fn errors_are_counted_per_speaker_and_in_all() {
    let truth = side(&["Alice", "Bob"], &[(0, 0.0, "we close the database today"), (1, 5.0, "yes we do")]);
    let found = side(&["Bob", "Alice"], &[(1, 0.0, "We closed the data base today."), (0, 5.0, "Yes, we")]);
    let score = score(&found, &truth, 0.0);
    // Alice: close/closed, database/data, + base; Bob: - do.
    let alice = &score.speakers[0];
    assert_eq!((alice.reference.as_deref(), alice.paired_by), (Some("Alice"), Some(PairedBy::Name)));
    assert_eq!((alice.words.substitutions, alice.words.deletions, alice.words.insertions), (2, 0, 1));
    assert_eq!(alice.words.error_rate, Some(0.6));
    assert_eq!((score.speakers[1].words.deletions, score.speakers[1].words.error_rate), (1, Some(0.3333)));
    assert_eq!((score.words.reference, score.words.error_rate), (8, Some(0.5)));
    assert_eq!(score.attribution.accuracy, Some(1.0), "a word that nobody has is on nobody");
}

#[test]
fn speech_at_the_same_time_needs_no_common_order() {
    let truth = side(&["A", "B"], &[(0, 0.0, "one two three"), (1, 0.1, "four five six")]);
    let found = side(&["A", "B"], &[(0, 0.2, "one two three"), (1, 0.0, "four five six")]);
    let score = score(&found, &truth, 0.0);
    assert_eq!(score.words.error_rate, Some(0.0));
    let error = score.word_start_error.unwrap();
    assert_eq!((error.median, error.p90, error.words), (0.1, 0.2, 6));
}

#[test]
fn a_word_on_the_wrong_speaker_is_missing_once_and_too_many_once() {
    let truth = side(&["A", "B"], &[(0, 0.0, "good morning everyone"), (1, 3.0, "hello")]);
    let found = side(&["A", "B"], &[(0, 0.0, "good morning"), (1, 1.25, "everyone"), (1, 3.0, "hello")]);
    let result = score(&found, &truth, 0.0);
    assert_eq!((result.words.deletions, result.words.insertions, result.words.error_rate), (1, 1, Some(0.5)));
    assert_eq!(result.attribution, Attribution { accuracy: Some(0.75), right: 3, wrong: 1 });
    let late = side(&["A", "B"], &[(0, 0.0, "good morning"), (1, 3.0, "hello"), (1, 9.0, "everyone")]);
    assert_eq!(score(&late, &truth, 0.0).attribution.wrong, 0, "the same word at another time is another word");
}

#[test]
fn two_voices_swapped_are_wrong_by_name_and_right_without_names() {
    let lines = |a, b| [(a, 0.0, "yes"), (b, 0.0, "no"), (a, 2.0, "maybe so"), (b, 5.0, "never")];
    let truth = side(&["A", "B"], &lines(0, 1));
    let named = score(&side(&["A", "B"], &lines(1, 0)), &truth, 0.0);
    assert_eq!(named.attribution, Attribution { accuracy: Some(0.0), right: 0, wrong: 5 });
    let nameless = score(&side(&["Speaker 1", "Speaker 2"], &lines(1, 0)), &truth, 0.0);
    assert_eq!(nameless.words.error_rate, Some(0.0));
    assert_eq!(nameless.speakers[0].hypothesis.as_deref(), Some("Speaker 2"));
    assert!(nameless.speakers.iter().all(|speaker| speaker.paired_by == Some(PairedBy::Time)));
}

#[test]
fn two_people_of_one_name_are_paired_by_when_they_speak() {
    let truth = side(&["Bob", "Bob"], &[(0, 0.0, "first"), (1, 5.0, "second")]);
    let found = side(&["Bob", "Bob"], &[(1, 0.0, "first"), (0, 5.0, "second")]);
    assert_eq!(score(&found, &truth, 0.0).words.error_rate, Some(0.0));
}

#[test]
fn speakers_without_a_partner_are_all_missing_or_all_too_many() {
    let truth = side(&["A", "B"], &[(0, 0.0, "one two"), (1, 5.0, "three")]);
    let found = side(&["A", "C"], &[(0, 0.0, "one two"), (1, 20.0, "four five")]);
    let score = score(&found, &truth, 0.0);
    assert_eq!((score.words.deletions, score.words.insertions), (1, 2));
    assert_eq!(score.words.error_rate, Some(1.0));
    assert_eq!((score.speakers.len(), score.speakers[1].hypothesis.as_deref()), (3, None));
    assert_eq!((score.speakers[2].reference.as_deref(), score.speakers[2].words.error_rate), (None, None));
}

fn speech(names: &[&str], spans: &[(u64, f64, f64)]) -> ScoreSide {
    let participants: Vec<Value> =
        names.iter().zip(0..).map(|(name, speaker)| json!({"speaker": speaker, "name": name})).collect();
    let segments: Vec<Value> =
        spans.iter().map(|(speaker, start, end)| json!({"speaker": speaker, "start": start, "end": end})).collect();
    let body = json!({"participants": participants, "words": [], "segments": segments});
    ScoreSide::parse("test", body.to_string().as_bytes()).unwrap()
}

#[test]
fn diarization_counts_missed_false_and_confused_speech_exactly() {
    let truth = speech(&["A", "B"], &[(0, 0.0, 10.0), (1, 8.0, 12.0)]);
    let found = speech(&["A", "B"], &[(0, 1.0, 9.0), (1, 9.0, 13.0)]);
    // 0–1 nobody for A: missed 1. 1–8 right. 8–9 A right, B missed: 1. 9–10 A and B, found B only: missed 1.
    // 10–12 right. 12–13 B only found: false alarm 1. Speech 10 + 4.
    let der = score(&found, &truth, 0.0).diarization;
    assert_eq!((der.missed, der.false_alarm, der.confusion, der.reference_speech), (3.0, 1.0, 0.0, 14.0));
    assert_eq!(der.error_rate, Some(0.2857));

    let swapped = speech(&["A", "B"], &[(0, 0.0, 4.0), (1, 4.0, 12.0)]);
    // 4–8 found B, is A: confusion 4. 8–10 found B, is A and B: missed 2.
    let der = score(&swapped, &truth, 0.0).diarization;
    assert_eq!((der.missed, der.false_alarm, der.confusion), (2.0, 0.0, 4.0));
}

#[test]
fn a_collar_leaves_the_borders_of_true_speech_out() {
    let truth = speech(&["A"], &[(0, 1.0, 3.0)]);
    let found = speech(&["A"], &[(0, 0.8, 3.5)]);
    let der = score(&found, &truth, 0.25).diarization;
    // Not scored: 0.75–1.25 and 2.75–3.25.
    assert_eq!((der.false_alarm, der.missed, der.reference_speech, der.collar), (0.25, 0.0, 1.5, 0.25));
    assert_eq!(score(&found, &truth, 0.0).diarization.false_alarm, 0.7);
}

#[test]
fn nothing_against_nothing_has_no_rates_and_is_still_shown() {
    let nothing = speech(&[], &[]);
    let score = score(&nothing, &nothing, 0.0);
    assert_eq!((score.words.error_rate, score.attribution.accuracy), (None, None));
    assert_eq!((score.diarization.error_rate, &score.word_start_error), (None, &None));
    assert!(score.to_string().contains("no word in common"));
}

#[test]
fn files_that_cannot_be_scored_are_refused_with_the_field() {
    let error = |body: &str| ScoreSide::parse("hyp.json", body.as_bytes()).unwrap_err().to_string();
    assert!(error("{}").starts_with("hyp.json: missing field `words`"), "{}", error("{}"));
    let message = error(r#"{"words":[{"speaker":-1,"text":"a","start":0,"end":1}]}"#);
    assert!(message.starts_with("hyp.json: words[0].speaker: invalid value"), "{message}");
    let message = error(r#"{"words":[{"speaker":0,"text":"a","start":2,"end":1}]}"#);
    assert_eq!(message, "hyp.json: words[0]: start and end are no span of seconds");
    assert!(error(r#"{"words":[{"speaker":0,"text":"a","start":1e300,"end":1e300}]}"#).contains("words[0]"));
    assert!(error("{\"words\":[]} x").contains("trailing"));
    let huge = r#"{"words":[{"speaker":18446744073709551615,"text":"a","start":0,"end":1}]}"#;
    assert_eq!(ScoreSide::parse("h", huge.as_bytes()).unwrap().speakers.len(), 1);
}

#[test]
fn the_table_names_pairs_and_odd_ones() {
    let truth = side(&["Alice", "Bob"], &[(0, 0.0, "one two three four"), (1, 5.0, "five")]);
    let found = side(&["Speaker 1"], &[(0, 0.0, "one two three far")]);
    let expected = "\
speaker                           WER   words  correct  wrong  missing  too many
Alice                          25.0 %       4        3      1        0         0  is Speaker 1 there (paired by time)
Bob                           100.0 %       1        0      0        1         0  is nobody there
all                            40.0 %       5        3      1        1         0

speaker attribution  100.0 % (3 of 3 recognised words on the right speaker)
diarization error    20.0 % (missed 0.500 s, false alarm 0.000 s, confusion 0.000 s, of 2.500 s; collar 0.000 s)
word starts          median 0.000 s, 90 % within 0.000 s (3 words)
";
    assert_eq!(score(&found, &truth, 0.0).to_string(), expected);
}

/// Speakers 0..3 and spans of a few hundredths of a second, overlapping as they like.
fn any_spans() -> impl Strategy<Value = Vec<(u64, u32, u32)>> {
    prop::collection::vec((0_u64..3, 0_u32..60, 0_u32..20), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn diarization_equals_counting_every_hundredth_of_a_second(
        truth in any_spans(),
        found in any_spans(),
        collar in 0_u32..3,
    ) {
        let names = ["A", "B", "C"];
        let seconds = |spans: &[(u64, u32, u32)]| -> Vec<(u64, f64, f64)> {
            let scale = |ticks: u32| f64::from(ticks) / 100.0;
            spans.iter().map(|(who, start, length)| (*who, scale(*start), scale(start + length))).collect()
        };
        let der = score(&speech(&names, &seconds(&found)), &speech(&names, &seconds(&truth)), f64::from(collar) / 100.0)
            .diarization;

        let speaks = |spans: &[(u64, u32, u32)], who: u64, tick: u32| {
            spans.iter().any(|(speaker, start, length)| *speaker == who && (*start..start + length).contains(&tick))
        };
        // Borders of each speaker's joined speech: where speaking changes from one hundredth to the next.
        let border = |tick: u32| (0..3).any(|who| {
            (tick > 0 && speaks(&truth, who, tick - 1)) != speaks(&truth, who, tick)
        });
        let (mut missed, mut false_alarm, mut confusion, mut total) = (0, 0, 0, 0);
        for tick in 0..100_u32 {
            let near = (0..=100).any(|at| border(at) && tick + collar >= at && tick < at + collar);
            if near {
                continue;
            }
            let r = (0..3).filter(|who| speaks(&truth, *who, tick)).count();
            let h = (0..3).filter(|who| speaks(&found, *who, tick)).count();
            let both = (0..3).filter(|who| speaks(&truth, *who, tick) && speaks(&found, *who, tick)).count();
            missed += r.saturating_sub(h);
            false_alarm += h.saturating_sub(r);
            confusion += r.min(h) - both;
            total += r;
        }
        let ticks = |seconds: f64| (seconds * 100.0).round() as usize;
        prop_assert_eq!(
            (ticks(der.missed), ticks(der.false_alarm), ticks(der.confusion), ticks(der.reference_speech)),
            (missed, false_alarm, confusion, total)
        );
    }
}
