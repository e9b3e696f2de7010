//! Tracks' words become one list on the recording's clock.

use serde::{Deserialize, Serialize};

use super::Word;
use super::time::{from_millis, to_millis};

/// A word as one track has it: nobody's yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpokenWord {
    /// As recognised, case and punctuation included.
    pub text: String,
    /// Seconds from the recording's start.
    pub start: f64,
    /// Seconds from the recording's start.
    pub end: f64,
    /// The recogniser's confidence, 0..=1.
    pub probability: f64,
}

/// Collects tracks one by one, in any order, and makes one sorted list of their words.
///
/// A track says whose it is when it is added, so a track without words shifts nothing. Words of different speakers that
/// overlap are all kept.
#[derive(Debug, Default)]
pub struct WordMerger {
    words: Vec<Word>,
}

impl WordMerger {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one track's words, spoken by `speaker`.
    ///
    /// Times become whole milliseconds from 0 on, an end is never before its start, outer space is cut off, and a word
    /// of nothing but space is no word.
    pub fn add_track(&mut self, speaker: usize, words: impl IntoIterator<Item = SpokenWord>) {
        self.words.extend(words.into_iter().filter_map(|word| {
            let text = word.text.trim();
            let start = to_millis(word.start).max(0);
            let end = to_millis(word.end).max(start);
            (!text.is_empty()).then(|| Word {
                text: text.to_owned(),
                start: from_millis(start),
                end: from_millis(end),
                speaker,
                probability: if word.probability.is_nan() { 0.0 } else { word.probability.clamp(0.0, 1.0) },
            })
        }));
    }

    /// The words sorted by start, then end, then speaker, then text: the order in which tracks were added shows only
    /// between words that are equal in all of these.
    pub fn finish(mut self) -> Vec<Word> {
        self.words.sort_by(|a, b| {
            a.start
                .total_cmp(&b.start)
                .then(a.end.total_cmp(&b.end))
                .then(a.speaker.cmp(&b.speaker))
                .then_with(|| a.text.cmp(&b.text))
                .then(a.probability.total_cmp(&b.probability))
        });
        self.words
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spoken(text: &str, start: f64, end: f64) -> SpokenWord {
        SpokenWord { text: text.to_owned(), start, end, probability: 0.9 }
    }

    #[test]
    fn overlapped_speech_is_kept_for_both_speakers() {
        let mut merger = WordMerger::new();
        merger.add_track(1, [spoken("Yes.", 1.2, 1.6)]);
        merger.add_track(0, [spoken("I", 1.0, 1.1), spoken("think", 1.1, 1.5), spoken("so.", 1.5, 1.8)]);
        let order: Vec<_> = merger.finish().into_iter().map(|word| (word.speaker, word.text)).collect();
        let expected = [(0, "I"), (0, "think"), (1, "Yes."), (0, "so.")].map(|(who, text)| (who, text.to_owned()));
        assert_eq!(order, expected);
    }

    #[test]
    fn h19_a_track_without_words_shifts_nothing() {
        let mut merger = WordMerger::new();
        merger.add_track(0, [spoken("One.", 0.0, 0.4)]);
        merger.add_track(1, []);
        merger.add_track(2, [spoken("Three.", 0.5, 0.9)]);
        assert_eq!(merger.finish().iter().map(|word| word.speaker).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn odd_words_are_mended_or_dropped() {
        let mut merger = WordMerger::new();
        merger.add_track(0, [spoken(" late ", 2.0, 1.0), spoken("  ", 0.0, 1.0), spoken("early", -0.5, f64::NAN)]);
        merger.add_track(0, [SpokenWord { probability: f64::NAN, ..spoken("x", 3.00049, 3.1) }]);
        let words = merger.finish();
        let times: Vec<_> = words.iter().map(|word| (word.text.as_str(), word.start, word.end)).collect();
        assert_eq!(times, [("early", 0.0, 0.0), ("late", 2.0, 2.0), ("x", 3.0, 3.1)]);
        assert_eq!(words[2].probability, 0.0);
    }

    proptest! {
        #[test]
        fn the_order_of_the_tracks_does_not_show(
            tracks in prop::collection::vec((0_usize..3, prop::collection::vec((0_u16..50, 0_u16..20, "[ab]"), 0..20)), 0..6)
        ) {
            let merged = |order: &mut dyn Iterator<Item = &(usize, Vec<(u16, u16, String)>)>| {
                let mut merger = WordMerger::new();
                for (speaker, words) in order {
                    merger.add_track(*speaker, words.iter().map(|(start, length, text)| {
                        let start = f64::from(*start) / 10.0;
                        spoken(text, start, start + f64::from(*length) / 10.0)
                    }));
                }
                merger.finish()
            };
            let forward = merged(&mut tracks.iter());
            prop_assert_eq!(&forward, &merged(&mut tracks.iter().rev()));
            prop_assert_eq!(forward.len(), tracks.iter().map(|(_, words)| words.len()).sum::<usize>());
            prop_assert!(forward.is_sorted_by(|a, b| a.start <= b.start));
        }
    }
}
