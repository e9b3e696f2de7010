//! How good a transcript is, against the truth or another transcript.
//!
//! * **Speakers** are paired first: by name where a name is unique and the same on both sides; the others so that the time
//!   they speak together is the most possible in sum (an exact assignment, as in NIST's diarization scoring).
//! * **Word error rate**: each reference speaker's words, in order of their starts, are aligned with those of the paired
//!   speaker (least substitutions + deletions + insertions), and the errors of all are added up and divided by the
//!   reference words. That is the concatenated minimum-permutation word error rate (cpWER) with the pairing above instead of the
//!   permutation that flatters most: speech that overlaps needs no common order, and a word given to the wrong speaker
//!   counts twice. Unpaired speakers are all deletions or all insertions.
//! * **Speaker attribution accuracy**: of the words that were recognised at all, the part on the right speaker. A word
//!   that its own speaker lacks and another has, the same text within 1 s, was recognised and given to the wrong one.
//! * **Diarization error rate**: missed, falsely found and confused speech in seconds, over the reference's speech, both
//!   sides overlapping where people overlap; computed on exact intervals.
//! * **Word start error** over the correctly recognised words.
//!
//! Memory grows with the words, not with their product.

mod align;
mod assignment;
mod diarization;
mod normalise;
mod pairing;
mod report;
mod side;
mod words;

pub use diarization::Diarization;
pub use pairing::PairedBy;
pub use side::{ScoreInputError, ScoreSide};
pub use words::{Attribution, SpeakerScore, StartError, WordErrors};

use serde::Serialize;

/// The whole result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Over all speakers.
    pub words: WordErrors,
    /// The reference's speakers, then those that only the hypothesis has.
    pub speakers: Vec<SpeakerScore>,
    /// Whether recognised words are on the right speaker.
    pub attribution: Attribution,
    /// Who spoke when.
    pub diarization: Diarization,
    /// How far correctly recognised words start from where they do; `None` without any.
    pub word_start_error: Option<StartError>,
}

/// Scores `hypothesis` against `reference`. Within `collar` seconds of each place where the reference's speech begins or
/// ends, diarization is not scored; 0 scores all.
pub fn score(hypothesis: &ScoreSide, reference: &ScoreSide, collar: f64) -> Score {
    let pairing = pairing::pair(hypothesis, reference);
    let scored = words::score(hypothesis, reference, &pairing);
    let diarization = diarization::score(hypothesis, reference, &pairing, collar);
    Score {
        words: scored.total,
        speakers: scored.speakers,
        attribution: scored.attribution,
        diarization,
        word_start_error: scored.start_error,
    }
}

/// A share, to four decimals; `None` of nothing.
fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole * 10_000.0).round() / 10_000.0)
}

#[cfg(test)]
mod tests;
