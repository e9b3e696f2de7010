//! Where one topic ends and the next begins: lexical cohesion.
//!
//! TextTiling (Hearst, "TextTiling: Segmenting Text into Multi-paragraph Subtopic Passages", Computational Linguistics
//! 23(1), 1997): each gap between sentences is scored by how alike the words before and after it are; a gap lower
//! than the peaks at both sides is deep. Hearst cuts where the depth passes a threshold, which gives any number of
//! topics of any size. Here number and sizes are given, and the cuts with the greatest total depth within them are found
//! by dynamic programming.

use std::collections::VecDeque;

use super::reading::Reading;

/// Words that are compared at each side of a gap; Hearst's 10 sequences of 20.
const BLOCK: usize = 200;
/// No topic is shorter, if the meeting is long enough for that. Words.
pub(super) const SHORTEST: usize = 375;
/// No topic is longer, if its sentences allow and 50 topics suffice. Words.
pub(super) const LONGEST: usize = 1500;
/// With fewer words there is one topic.
const ONE_TOPIC: usize = 750;
/// Depth that "let's move on" adds; depths lie between 0 and 2.
const MOVING_ON: f64 = 0.5;
/// Depth that a long pause adds.
const PAUSE: f64 = 0.1;
/// Depth of a gap inside a segment: topics start where segments do.
const IMPOSSIBLE: f64 = f64::NEG_INFINITY;
/// Seconds that count as a long pause.
const LONG_PAUSE: f64 = 4.0;

/// How many topics a meeting of `seconds` and `words` has: 0.833·minutes^0.723, 2 to 50 (known failure H30), within
/// what chunks of 375 to 1,500 words allow. Under 750 words it is one, with none it is none.
pub(super) fn number_of_topics(seconds: f64, words: usize) -> usize {
    if words < ONE_TOPIC {
        return usize::from(words > 0);
    }
    let wanted = (0.833 * (seconds / 60.0).max(0.0).powf(0.723)).round() as usize;
    wanted.clamp(words.div_ceil(LONGEST), words / SHORTEST).clamp(2, 50)
}

/// The first sentence of each topic, in order; starts with 0 unless there are no sentences.
pub(super) fn topic_starts(reading: &Reading<'_>) -> Vec<usize> {
    let count = number_of_topics(reading.meeting.duration(), reading.words());
    if count == 0 {
        return Vec::new();
    }
    let sizes: Vec<usize> = reading.sentences.iter().map(|sentence| sentence.words).collect();
    let depths = depths(reading);
    // Somewhat even first, then whatever the limits allow, then any.
    let mean = reading.words() / count;
    let attempts = [
        (SHORTEST.max(mean / 2), LONGEST.min(mean * 2).max(mean)),
        (SHORTEST, LONGEST.max(mean + SHORTEST)),
        (SHORTEST, usize::MAX),
    ];
    (attempts.into_iter().find_map(|(shortest, longest)| cuts(&sizes, &depths, count, shortest, longest)))
        .or_else(|| (1..count).rev().find_map(|fewer| cuts(&sizes, &depths, fewer, SHORTEST, usize::MAX)))
        .unwrap_or_else(|| vec![0])
}

/// For each sentence how deep the gap before it is.
fn depths(reading: &Reading<'_>) -> Vec<f64> {
    let likeness = smooth(&likeness(reading));
    let count = likeness.len();
    // The peak that is reached by climbing from the gap, to the left and to the right.
    let mut left = likeness.clone();
    for at in 1..count {
        left[at] = if likeness[at - 1] >= likeness[at] { left[at - 1] } else { likeness[at] };
    }
    let mut right = likeness.clone();
    for at in (0..count.saturating_sub(1)).rev() {
        right[at] = if likeness[at + 1] >= likeness[at] { right[at + 1] } else { likeness[at] };
    }
    let mut depths: Vec<f64> = (0..count).map(|at| left[at] + right[at] - 2.0 * likeness[at]).collect();
    let moving_on = reading.lexicon.words.moving_on;
    let mut said_until = 0.0_f64;
    let mut last_segment = None;
    for (depth, sentence) in depths.iter_mut().zip(&reading.sentences) {
        let plain = sentence.plain();
        if moving_on.iter().any(|cue| plain.contains(&format!(" {cue} "))) {
            *depth += MOVING_ON;
        }
        if sentence.start - said_until > LONG_PAUSE {
            *depth += PAUSE;
        }
        said_until = said_until.max(sentence.end);
        if last_segment.replace(sentence.segment) == Some(sentence.segment) {
            *depth = IMPOSSIBLE;
        }
    }
    depths
}

/// For each sentence the cosine between the words of the blocks before and from it on. Terms weigh by how few
/// sentences they are in, so that the meeting's overall subject does not glue everything together.
fn likeness(reading: &Reading<'_>) -> Vec<f64> {
    let sentences = &reading.sentences;
    let mut frequency = vec![0.0_f64; reading.terms];
    for term in sentences.iter().flat_map(|sentence| sentence.terms.iter().flatten()) {
        frequency[*term] += 1.0;
    }
    let total: f64 = frequency.iter().sum();
    let weight: Vec<f64> = frequency.iter().map(|count| (1.0 + total / count.max(1.0)).ln()).collect();

    let mut before = vec![0.0_f64; reading.terms];
    let mut after = vec![0.0_f64; reading.terms];
    let mut scores = Vec::with_capacity(sentences.len());
    for gap in 0..sentences.len() {
        let mut touched = Vec::new();
        fill(&mut before, &mut touched, sentences[..gap].iter().rev());
        fill(&mut after, &mut touched, sentences[gap..].iter());
        let (mut dot, mut norm_before, mut norm_after) = (0.0, 0.0, 0.0);
        for &term in &touched {
            let (b, a) = (before[term] * weight[term], after[term] * weight[term]);
            // A term is touched once per occurrence; what was added up is set back to zero.
            dot += b * a;
            norm_before += b * b;
            norm_after += a * a;
            before[term] = 0.0;
            after[term] = 0.0;
        }
        let norm = f64::sqrt(norm_before * norm_after);
        scores.push(if norm > 0.0 { dot / norm } else { 0.0 });
    }
    scores
}

fn fill<'a>(
    block: &mut [f64],
    touched: &mut Vec<usize>,
    sentences: impl Iterator<Item = &'a super::reading::Sentence>,
) {
    let mut words = 0;
    for sentence in sentences {
        for &term in sentence.terms.iter().flatten() {
            block[term] += 1.0;
            touched.push(term);
        }
        words += sentence.words;
        if words >= BLOCK {
            break;
        }
    }
}

/// Hearst's smoothing: the mean of a gap and its neighbours.
fn smooth(scores: &[f64]) -> Vec<f64> {
    (0..scores.len())
        .map(|at| {
            let near = &scores[at.saturating_sub(1)..(at + 2).min(scores.len())];
            near.iter().sum::<f64>() / near.len() as f64
        })
        .collect()
}

/// Cuts sentences of `sizes` words into exactly `count` parts of `shortest..=longest` words so that the depths at the
/// cuts add up to the most; the first of equals. `None` when the limits can't be kept. O(sentences × count).
fn cuts(sizes: &[usize], depths: &[f64], count: usize, shortest: usize, longest: usize) -> Option<Vec<usize>> {
    let total = sizes.len();
    let mut words = vec![0_usize; total + 1];
    for (at, size) in sizes.iter().enumerate() {
        words[at + 1] = words[at] + size;
    }
    // best[i]: the most depth when the parts so far end before sentence i.
    let mut best = vec![IMPOSSIBLE; total + 1];
    best[0] = 0.0;
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut next = vec![IMPOSSIBLE; total + 1];
        let mut origin = vec![0; total + 1];
        let mut window: VecDeque<usize> = VecDeque::new();
        let mut entering = 0;
        for end in 1..=total {
            while entering < end && words[end] - words[entering] >= shortest {
                let value = best[entering];
                if value > IMPOSSIBLE {
                    while window.back().is_some_and(|&last| best[last] < value) {
                        window.pop_back();
                    }
                    window.push_back(entering);
                }
                entering += 1;
            }
            while window.front().is_some_and(|&first| words[end] - words[first] > longest) {
                window.pop_front();
            }
            if let Some(&start) = window.front() {
                let cut = if end < total { depths[end] } else { 0.0 };
                next[end] = best[start] + cut;
                origin[end] = start;
            }
        }
        best = next;
        from.push(origin);
    }
    if best[total] == IMPOSSIBLE {
        return None;
    }
    let mut end = total;
    let mut starts: Vec<usize> = Vec::with_capacity(count);
    for origin in from.iter().rev() {
        end = origin[end];
        starts.push(end);
    }
    starts.reverse();
    Some(starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::meeting::MeetingText;
    use crate::transcript::Segment;

    #[test]
    fn h30_number_of_topics_grows_with_duration() {
        let hour = 3600.0;
        let table = [
            (0.0, 0, 0),
            (60.0, 1, 1),
            (77.0, 170, 1),
            (hour, 749, 1),
            (300.0, 750, 2),
            (600.0, 1_500, 4),
            (1800.0, 4_500, 10),
            (hour, 9_000, 16),
            (hour, 1_000, 2),
            (3.0 * hour, 40_000, 36),
            (9.0 * hour, 90_000, 50),
            (f64::INFINITY, 1_000_000, 50),
            (10.0, 40_000, 27),
        ];
        for (seconds, words, topics) in table {
            assert_eq!(number_of_topics(seconds, words), topics, "{seconds} s, {words} words");
        }
    }

    #[test]
    fn cuts_are_the_deepest_that_the_sizes_allow() {
        let sizes = [10; 9];
        let depths = [0.0, 0.9, 0.1, 0.5, 0.0, 0.2, 0.7, 0.0, 0.9];
        assert_eq!(cuts(&sizes, &depths, 3, 20, 50), Some(vec![0, 3, 6]));
        assert_eq!(cuts(&sizes, &depths, 3, 10, 90), Some(vec![0, 1, 8]));
        assert_eq!(cuts(&sizes, &depths, 1, 10, 90), Some(vec![0]));
        assert_eq!(cuts(&sizes, &depths, 10, 10, 90), None);
        assert_eq!(cuts(&[1000], &[0.0], 2, 375, 1500), None);
    }

    #[test]
    fn a_meeting_is_cut_where_the_words_change() {
        let about = |subject: [&str; 3], nth: usize| Segment {
            speaker: nth % 2,
            start: nth as f64 * 5.0,
            end: nth as f64 * 5.0 + 4.0,
            text: format!(
                "I looked at the {} and the {} of our {} again.",
                subject[nth % 3],
                subject[(nth + 1) % 3],
                subject[0]
            ),
        };
        let mut segments: Vec<Segment> = (0..45).map(|nth| about(["database", "migration", "index"], nth)).collect();
        segments.extend((45..90).map(|nth| about(["invoice", "customer", "refund"], nth)));
        let meeting = MeetingText::new(segments, vec!["Ann".into(), "Ben".into()], "en", 450.0);
        let reading = Reading::of(&meeting);
        let starts = topic_starts(&reading);
        assert_eq!(starts.len(), 2);
        assert!(starts[1].abs_diff(45) <= 1, "cut before sentence {}", starts[1]);
    }
}
