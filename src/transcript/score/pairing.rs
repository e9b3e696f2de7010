//! Which speaker of the hypothesis is which of the reference.

use serde::Serialize;

use super::assignment::best_assignment;
use super::side::{ScoreSide, ScoreSpeaker};

/// How two speakers were found to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairedBy {
    /// The name is the same and nobody else's.
    Name,
    /// They speak at the same times.
    Time,
}

/// For each reference speaker the hypothesis speaker, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairing {
    pub(super) of_reference: Vec<Option<(usize, PairedBy)>>,
}

impl Pairing {
    /// The reference speaker of a hypothesis speaker.
    pub(super) fn of_hypothesis(&self, hypothesis: usize) -> Option<usize> {
        self.of_reference.iter().position(|pair| pair.is_some_and(|(found, _)| found == hypothesis))
    }
}

/// Pairs by unique names, then the rest by the most common speech in sum.
pub(super) fn pair(hypothesis: &ScoreSide, reference: &ScoreSide) -> Pairing {
    let (theirs, ours) = (&reference.speakers, &hypothesis.speakers);
    let mut of_reference: Vec<Option<(usize, PairedBy)>> = theirs
        .iter()
        .map(|speaker| {
            let name = unique_name(speaker, theirs)?;
            let found = ours.iter().position(|other| unique_name(other, ours).as_ref() == Some(&name))?;
            Some((found, PairedBy::Name))
        })
        .collect();
    let named = Pairing { of_reference: of_reference.clone() };
    let open_rows: Vec<usize> = (0..theirs.len()).filter(|row| of_reference[*row].is_none()).collect();
    let open_columns: Vec<usize> = (0..ours.len()).filter(|column| named.of_hypothesis(*column).is_none()).collect();
    let gain: Vec<Vec<i64>> = open_rows
        .iter()
        .map(|row| open_columns.iter().map(|column| common(&theirs[*row].speech, &ours[*column].speech)).collect())
        .collect();
    for (row, column) in open_rows.into_iter().zip(best_assignment(&gain)) {
        of_reference[row] = column.map(|column| (open_columns[column], PairedBy::Time));
    }
    Pairing { of_reference }
}

/// The name as it is compared, if exactly this speaker has it.
fn unique_name(speaker: &ScoreSpeaker, all: &[ScoreSpeaker]) -> Option<String> {
    let folded = |speaker: &ScoreSpeaker| speaker.name.trim().to_lowercase();
    let name = folded(speaker);
    (!name.is_empty() && all.iter().filter(|other| folded(other) == name).count() == 1).then_some(name)
}

/// Milliseconds in both lists of disjoint, sorted spans.
fn common(a: &[(i64, i64)], b: &[(i64, i64)]) -> i64 {
    let (mut i, mut j, mut sum) = (0, 0, 0);
    while let (Some(one), Some(two)) = (a.get(i), b.get(j)) {
        sum += (one.1.min(two.1) - one.0.max(two.0)).max(0);
        if one.1 <= two.1 { i += 1 } else { j += 1 }
    }
    sum
}
