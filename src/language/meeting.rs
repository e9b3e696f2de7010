//! What a language backend reads: who said what when, and in which language.

use std::sync::Arc;

use crate::transcript::Segment;

/// A meeting's words as sentences per speaker. People who talk at once are already apart: each segment is one
/// speaker's, ordered by start (known failure U22: overlapping speakers shredded word by word).
///
/// Cloning is cheap: the text is shared.
#[derive(Debug, Clone)]
pub struct MeetingText {
    segments: Arc<[Segment]>,
    speakers: Arc<[String]>,
    language: Arc<str>,
    duration: f64,
}

impl MeetingText {
    /// `segments` in any order, `speakers` the display names by speaker index, `language` ISO 639-1 (a region as in
    /// `pt-BR` is dropped), `duration` in seconds. Segments without a letter or digit are left out; times that are not
    /// numbers, lie before the start or run backwards are set right.
    pub fn new(segments: Vec<Segment>, speakers: Vec<String>, language: &str, duration: f64) -> Self {
        let seconds = |t: f64| if t.is_finite() { t.max(0.0) } else { 0.0 };
        let mut segments: Vec<Segment> = segments
            .into_iter()
            .filter(|segment| segment.text.chars().any(char::is_alphanumeric))
            .map(|mut segment| {
                segment.start = seconds(segment.start);
                segment.end = seconds(segment.end).max(segment.start);
                segment
            })
            .collect();
        segments
            .sort_by(|a, b| a.start.total_cmp(&b.start).then(a.end.total_cmp(&b.end)).then(a.speaker.cmp(&b.speaker)));
        let language = language.trim().to_lowercase();
        let language = language.split(['-', '_']).next().unwrap_or_default();
        Self {
            segments: segments.into(),
            speakers: speakers.into(),
            language: language.into(),
            duration: seconds(duration),
        }
    }

    /// Ordered by start.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Display names by speaker index.
    pub fn speakers(&self) -> &[String] {
        &self.speakers
    }

    /// The display name, or `Speaker N` (counted from 1) where there is none.
    pub fn speaker_name(&self, speaker: usize) -> String {
        match self.speakers.get(speaker).map(|name| name.trim()) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("Speaker {}", speaker.saturating_add(1)),
        }
    }

    /// ISO 639-1, lower case.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// Seconds: the recording's length, or the last word's end where that is later.
    pub fn duration(&self) -> f64 {
        self.duration.max(self.last_word_end())
    }

    /// Seconds; 0 when nothing was said.
    pub fn last_word_end(&self) -> f64 {
        self.segments.iter().map(|segment| segment.end).fold(0.0, f64::max)
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(speaker: usize, start: f64, end: f64, text: &str) -> Segment {
        Segment { speaker, start, end, text: text.into() }
    }

    #[test]
    fn u22_overlapping_speakers_stay_whole_sentences_ordered_by_start() {
        let meeting = MeetingText::new(
            vec![segment(1, 2.0, 6.0, "I can review it tomorrow."), segment(0, 1.0, 5.0, "Can you review it, please?")],
            vec!["Alice".into(), "Bob".into()],
            "en",
            10.0,
        );
        let texts: Vec<&str> = meeting.segments().iter().map(|s| s.text.as_str()).collect();
        assert_eq!(texts, ["Can you review it, please?", "I can review it tomorrow."]);
    }

    #[test]
    fn broken_times_are_set_right_and_wordless_segments_left_out() {
        let meeting = MeetingText::new(
            vec![segment(0, f64::NAN, -3.0, "Hello."), segment(0, 5.0, 2.0, "Again."), segment(0, 6.0, 7.0, " … ")],
            vec![],
            "pt-BR",
            f64::INFINITY,
        );
        assert_eq!(meeting.segments().len(), 2);
        assert!(meeting.segments().iter().all(|s| 0.0 <= s.start && s.start <= s.end && s.end.is_finite()));
        assert_eq!(meeting.language(), "pt");
        assert_eq!(meeting.duration(), 5.0);
        assert_eq!(meeting.speaker_name(0), "Speaker 1");
    }
}
