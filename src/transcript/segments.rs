//! Words become segments: what one speaker says without stopping. Each speaker's words are cut by themselves, so that two
//! who talk at once keep whole sentences instead of being shredded word by word.

use std::collections::BTreeMap;

use super::sentence::{append_word, ends_sentence};
use super::time::{from_millis, to_millis};
use super::{Segment, Word};

/// A silence between two words over this ends a segment.
const LONGEST_PAUSE_MS: i64 = 1000;
/// No segment of more than one word is longer.
const LONGEST_SEGMENT_MS: i64 = 30_000;

/// Cuts words, sorted by start, into segments in the order of their first words. A segment ends with its sentence,
/// before a pause over 1 s, or before the word with which it would pass 30 s; the last one ends with its last word.
pub fn segments(words: &[Word]) -> Vec<Segment> {
    segments_with_words(words).into_iter().map(|(segment, _)| segment).collect()
}

/// As [`segments`], each with the positions of its words.
pub fn segments_with_words(words: &[Word]) -> Vec<(Segment, Vec<usize>)> {
    let mut open: BTreeMap<usize, Open> = BTreeMap::new();
    let mut done = Vec::new();
    for (position, word) in words.iter().enumerate() {
        let (start, end) = (to_millis(word.start), to_millis(word.end));
        if let Some(segment) = open.get(&word.speaker)
            && (start - segment.end > LONGEST_PAUSE_MS || end - segment.start > LONGEST_SEGMENT_MS)
        {
            done.extend(open.remove(&word.speaker).map(|segment| segment.close(word.speaker)));
        }
        let segment =
            open.entry(word.speaker).or_insert_with(|| Open { start, end, text: String::new(), words: Vec::new() });
        segment.end = segment.end.max(end);
        append_word(&mut segment.text, &word.text);
        segment.words.push(position);
        if ends_sentence(&word.text) {
            done.extend(open.remove(&word.speaker).map(|segment| segment.close(word.speaker)));
        }
    }
    done.extend(open.into_iter().map(|(speaker, segment)| segment.close(speaker)));
    // That is by start, and a speaker's own order stays where starts are equal.
    done.sort_by_key(|(_, words)| words.first().copied());
    done
}

/// A segment that may go on. Milliseconds.
struct Open {
    start: i64,
    end: i64,
    text: String,
    words: Vec<usize>,
}

impl Open {
    fn close(self, speaker: usize) -> (Segment, Vec<usize>) {
        let (start, end) = (from_millis(self.start), from_millis(self.end));
        (Segment { speaker, start, end, text: self.text }, self.words)
    }
}

/// Seconds each of `speakers` speaks: the union of the speaker's segments, so that nothing counts twice.
pub fn talk_times(segments: &[Segment], speakers: usize) -> Vec<f64> {
    let mut spans: Vec<Vec<(i64, i64)>> = vec![Vec::new(); speakers];
    for segment in segments {
        if let Some(spans) = spans.get_mut(segment.speaker) {
            spans.push((to_millis(segment.start), to_millis(segment.end)));
        }
    }
    spans.into_iter().map(|spans| from_millis(union(spans).iter().map(|(start, end)| end - start).sum())).collect()
}

/// Spans that overlap or touch become one; empty and backward ones vanish. Sorted.
pub(super) fn union(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.retain(|(start, end)| start < end);
    spans.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
    for (start, end) in spans {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(speaker: usize, text: &str, start: f64, end: f64) -> Word {
        Word { text: text.to_owned(), start, end, speaker, probability: 1.0 }
    }

    fn texts(words: &[Word]) -> Vec<String> {
        segments(words).into_iter().map(|segment| segment.text).collect()
    }

    #[test]
    fn a_segment_ends_with_its_sentence() {
        let words =
            [word(0, "Hello.", 0.0, 0.5), word(0, "It", 0.6, 0.7), word(0, "is", 0.7, 0.8), word(0, "3.5", 0.8, 1.0)];
        assert_eq!(texts(&words), ["Hello.", "It is 3.5"]);
    }

    #[test]
    fn a_pause_of_one_second_is_allowed_and_more_is_not() {
        let words = [word(0, "a", 0.0, 0.3), word(0, "b", 1.3, 1.4), word(0, "c", 2.401, 2.5)];
        assert_eq!(texts(&words), ["a b", "c"]);
    }

    #[test]
    fn a_segment_is_never_longer_than_thirty_seconds() {
        let words: Vec<Word> =
            (0..100).map(|i| word(0, "la", f64::from(i) * 0.75, f64::from(i) * 0.75 + 0.75)).collect();
        let segments = segments(&words);
        assert_eq!(
            segments.iter().map(|s| (s.start, s.end)).collect::<Vec<_>>(),
            [(0.0, 30.0), (30.0, 60.0), (60.0, 75.0)]
        );
        assert_eq!(texts(&[word(0, "Ommm", 0.0, 40.0), word(0, "la", 40.1, 40.2)]), ["Ommm", "la"]);
    }

    #[test]
    fn h18_speech_that_runs_to_the_end_yields_a_closed_segment() {
        let words = [word(1, "and", 5.0, 5.2), word(1, "then", 5.2, 5.6)];
        assert_eq!(segments(&words), [Segment { speaker: 1, start: 5.0, end: 5.6, text: "and then".to_owned() }]);
    }

    #[test]
    fn u22_speakers_who_overlap_keep_whole_sentences() {
        let words = [
            word(0, "I", 1.0, 1.1),
            word(0, "think", 1.1, 1.5),
            word(1, "Oh", 1.2, 1.4),
            word(1, "yes.", 1.4, 1.6),
            word(0, "so.", 1.5, 1.8),
        ];
        assert_eq!(texts(&words), ["I think so.", "Oh yes."]);
    }

    #[test]
    fn a_speakers_words_keep_their_order_where_segments_start_at_once() {
        let words = [word(0, "first.", 1.0, 1.9), word(0, "second", 1.0, 1.1)];
        assert_eq!(texts(&words), ["first.", "second"]);
    }

    #[test]
    fn talk_time_is_the_union_of_a_speakers_segments() {
        let segment = |speaker, start, end| Segment { speaker, start, end, text: String::new() };
        let all = [
            segment(0, 0.0, 2.0),
            segment(0, 1.0, 3.0),
            segment(0, 3.0, 3.5),
            segment(2, 1.0, 1.25),
            segment(9, 0.0, 9.0),
        ];
        assert_eq!(talk_times(&all, 3), [3.5, 0.0, 0.25]);
    }

    proptest! {
        #[test]
        fn every_word_is_in_exactly_one_segment_and_the_rules_hold(
            raw in prop::collection::vec((0_usize..3, 0_i64..2500, 0_i64..900, "[a-z]{1,3}[.?!,]?"), 0..80)
        ) {
            let mut clock = 0;
            let words: Vec<Word> = raw.iter().map(|(speaker, gap, length, text)| {
                clock += gap;
                word(*speaker, text, from_millis(clock), from_millis(clock + length))
            }).collect();
            let segments = segments(&words);
            prop_assert!(segments.is_sorted_by(|a, b| a.start <= b.start));
            prop_assert!(segments.iter().all(|s| to_millis(s.end) - to_millis(s.start) <= LONGEST_SEGMENT_MS));
            for speaker in 0..3 {
                let said: Vec<&str> = words.iter().filter(|w| w.speaker == speaker).map(|w| w.text.as_str()).collect();
                let kept: Vec<&str> =
                    segments.iter().filter(|s| s.speaker == speaker).flat_map(|s| s.text.split(' ')).collect();
                prop_assert_eq!(said, kept);
            }
            for segment in &segments {
                let words: Vec<&str> = segment.text.split(' ').collect();
                prop_assert!(words[..words.len() - 1].iter().all(|word| !ends_sentence(word)));
            }
        }
    }
}
