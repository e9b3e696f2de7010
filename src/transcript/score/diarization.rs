//! Diarization error rate on exact intervals: between two neighbouring places where anybody begins or ends, nothing
//! changes, so each such stretch is counted whole. With R speakers in the reference, H in the hypothesis and C pairs of both,
//! a stretch adds max(0, R−H) of its length as missed, max(0, H−R) as false alarm, min(R, H)−C as confusion, and R to the
//! reference's speech (NIST, Rich Transcription 2009 evaluation plan, section 6.1).

use serde::Serialize;

use super::pairing::Pairing;
use super::share;
use super::side::ScoreSide;
use crate::transcript::segments::union;
use crate::transcript::{from_millis, to_millis};

/// Who spoke when, scored. Seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diarization {
    /// (missed + false alarm + confusion) / reference speech; `None` without reference speech.
    pub error_rate: Option<f64>,
    /// Speech that the hypothesis lacks.
    pub missed: f64,
    /// Speech that only the hypothesis has.
    pub false_alarm: f64,
    /// Speech given to another speaker.
    pub confusion: f64,
    /// Speech of the reference, of each speaker for itself.
    pub reference_speech: f64,
    /// Around each border in the reference this much on either side was not scored.
    pub collar: f64,
}

/// Begins (+1) or ends (−1) something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    Reference(usize, i32),
    Hypothesis(usize, i32),
    Unscored(i32),
}

/// See the module's head.
pub(super) fn score(hypothesis: &ScoreSide, reference: &ScoreSide, pairing: &Pairing, collar: f64) -> Diarization {
    let collar = to_millis(collar.clamp(0.0, 3600.0));
    let mut borders: Vec<(i64, Border)> = Vec::new();
    let mut unscored = Vec::new();
    for (at, speaker) in reference.speakers.iter().enumerate() {
        for &(start, end) in &speaker.speech {
            borders.extend([(start, Border::Reference(at, 1)), (end, Border::Reference(at, -1))]);
            unscored.extend([start, end].map(|border| (border - collar, border + collar)));
        }
    }
    for (at, speaker) in hypothesis.speakers.iter().enumerate() {
        for &(start, end) in &speaker.speech {
            borders.extend([(start, Border::Hypothesis(at, 1)), (end, Border::Hypothesis(at, -1))]);
        }
    }
    for (start, end) in union(unscored) {
        borders.extend([(start, Border::Unscored(1)), (end, Border::Unscored(-1))]);
    }
    borders.sort_by_key(|(time, _)| *time);
    count(&borders, hypothesis.speakers.len(), pairing, collar)
}

fn count(borders: &[(i64, Border)], speakers: usize, pairing: &Pairing, collar: i64) -> Diarization {
    let partners: Vec<Option<usize>> = (0..speakers).map(|speaker| pairing.of_hypothesis(speaker)).collect();
    let mut in_reference = vec![0_i32; pairing.of_reference.len()];
    let mut in_hypothesis = vec![0_i32; speakers];
    let (mut r, mut h, mut correct, mut unscored) = (0_i64, 0_i64, 0_i64, 0_i32);
    let (mut missed, mut false_alarm, mut confusion, mut speech) = (0, 0, 0, 0);
    let mut last = borders.first().map_or(0, |(time, _)| *time);
    for &(time, border) in borders {
        let length = time - last;
        last = time;
        if unscored == 0 {
            missed += (r - h).max(0) * length;
            false_alarm += (h - r).max(0) * length;
            confusion += (r.min(h) - correct) * length;
            speech += r * length;
        }
        let both = |reference: Option<usize>, hypothesis: Option<usize>, one: &[i32], other: &[i32]| matches!((reference, hypothesis), (Some(a), Some(b)) if one[a] > 0 && other[b] > 0);
        match border {
            Border::Unscored(step) => unscored += step,
            Border::Reference(at, step) => {
                let partner = pairing.of_reference[at].map(|(partner, _)| partner);
                let before = both(Some(at), partner, &in_reference, &in_hypothesis);
                in_reference[at] += step;
                correct += i64::from(both(Some(at), partner, &in_reference, &in_hypothesis)) - i64::from(before);
                r += i64::from(step);
            }
            Border::Hypothesis(at, step) => {
                let before = both(partners[at], Some(at), &in_reference, &in_hypothesis);
                in_hypothesis[at] += step;
                correct += i64::from(both(partners[at], Some(at), &in_reference, &in_hypothesis)) - i64::from(before);
                h += i64::from(step);
            }
        }
    }
    Diarization {
        error_rate: share((missed + false_alarm + confusion) as f64, speech as f64),
        missed: from_millis(missed),
        false_alarm: from_millis(false_alarm),
        confusion: from_millis(confusion),
        reference_speech: from_millis(speech),
        collar: from_millis(collar),
    }
}
