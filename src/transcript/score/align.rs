//! The least number of edits between two word lists, and which words they leave standing, in linear memory.
//!
//! Hirschberg's divide and conquer (Communications of the ACM 18/6, 1975) halves the reference and finds where the best
//! path crosses by one row of costs from each end. As the distance `d` of each part is known, no path further than `d` from
//! the diagonal matters (Ukkonen, Information and Control 64, 1985), so that the time is about words × errors: the
//! alignment of 40,000 words with a few errors in a hundred takes well under a second.

/// Pairs of (reference, hypothesis) positions. Positions in no pair are deletions and insertions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Alignment {
    /// The same word.
    pub(super) matches: Vec<(usize, usize)>,
    /// One word for another.
    pub(super) substitutions: Vec<(usize, usize)>,
}

/// Aligns with the least sum of substitutions, deletions and insertions.
pub(super) fn align(reference: &[u32], hypothesis: &[u32]) -> Alignment {
    let mut alignment = Alignment::default();
    let limit = distance(reference, hypothesis);
    divide(reference, hypothesis, (0, 0), limit, &mut alignment);
    alignment
}

/// The least number of edits: the band around the diagonal is widened until the result lies within it.
fn distance(a: &[u32], b: &[u32]) -> usize {
    let mut limit = a.len().abs_diff(b.len()).max(16);
    loop {
        let found = costs(a.len(), b.len(), limit, |i, j| a[i] == b[j])[b.len()];
        if found as usize <= limit {
            return found as usize;
        }
        limit *= 2;
    }
}

/// More than any distance, and far from overflowing.
const FAR: u32 = u32::MAX / 2;

/// The costs of turning the first `rows` words into the first `j`, for each `j` up to `columns`; right for all that cost at
/// most `limit`, which is at least the difference of the lengths.
fn costs(rows: usize, columns: usize, limit: usize, same: impl Fn(usize, usize) -> bool) -> Vec<u32> {
    let mut row = vec![FAR; columns + 1];
    for (j, cost) in (0_u32..).zip(row.iter_mut().take(limit.saturating_add(1))) {
        *cost = j;
    }
    for i in 1..=rows {
        let low = i.saturating_sub(limit).max(1);
        let high = columns.min(i.saturating_add(limit));
        if low > high {
            break;
        }
        let mut diagonal = row[low - 1];
        row[low - 1] = if low == 1 && i <= limit { i as u32 } else { FAR };
        for j in low..=high {
            let above = row[j];
            let other = u32::from(!same(i - 1, j - 1));
            row[j] = (diagonal + other).min(above + 1).min(row[j - 1] + 1);
            diagonal = above;
        }
    }
    row
}

/// Aligns two parts that lie at `at` in their lists and whose distance is `limit`.
fn divide(mut a: &[u32], mut b: &[u32], mut at: (usize, usize), limit: usize, alignment: &mut Alignment) {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    alignment.matches.extend((0..same).map(|i| (at.0 + i, at.1 + i)));
    (a, b, at) = (&a[same..], &b[same..], (at.0 + same, at.1 + same));
    let same = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (ends, others) = (a.len() - same, b.len() - same);
    let tail = (0..same).map(|i| (at.0 + ends + i, at.1 + others + i));
    (a, b) = (&a[..ends], &b[..others]);
    match (a, b) {
        ([], _) | (_, []) => {}
        ([word], _) => match b.iter().position(|other| other == word) {
            Some(j) => alignment.matches.push((at.0, at.1 + j)),
            None => alignment.substitutions.push(at),
        },
        _ => {
            let middle = a.len() / 2;
            let (upper, lower) = a.split_at(middle);
            let forward = costs(upper.len(), b.len(), limit, |i, j| upper[i] == b[j]);
            let backward = costs(lower.len(), b.len(), limit, |i, j| lower[lower.len() - 1 - i] == b[b.len() - 1 - j]);
            let crossing = (0..=b.len()).min_by_key(|&j| forward[j] + backward[b.len() - j]).unwrap_or(0);
            let (left, right) = b.split_at(crossing);
            divide(upper, left, at, forward[crossing] as usize, alignment);
            let rest = (at.0 + middle, at.1 + crossing);
            divide(lower, right, rest, backward[b.len() - crossing] as usize, alignment);
        }
    }
    alignment.matches.extend(tail);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edits(a: &[u32], b: &[u32]) -> usize {
        let found = align(a, b);
        let pairs = found.matches.len() + found.substitutions.len();
        found.substitutions.len() + (a.len() - pairs) + (b.len() - pairs)
    }

    /// The plain method, with the whole matrix.
    fn plain(a: &[u32], b: &[u32]) -> usize {
        let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
        for (i, word) in a.iter().enumerate() {
            let mut row = vec![i + 1];
            for (j, other) in b.iter().enumerate() {
                let changed = rows[i][j] + usize::from(word != other);
                row.push(changed.min(rows[i][j + 1] + 1).min(row[j] + 1));
            }
            rows.push(row);
        }
        rows[a.len()][b.len()]
    }

    #[test]
    fn a_word_too_many_one_too_few_and_one_wrong() {
        let found = align(&[1, 2, 3, 4, 5], &[1, 9, 3, 5, 6]);
        assert_eq!(found.matches, [(0, 0), (2, 2), (4, 3)]);
        assert_eq!(found.substitutions, [(1, 1)]);
        assert_eq!(edits(&[], &[1, 2]), 2);
        assert_eq!(edits(&[1, 2], &[]), 2);
    }

    #[test]
    fn forty_thousand_words_with_errors_everywhere_are_aligned_without_a_matrix() {
        let reference: Vec<u32> = (0..40_000_u32).map(|i| i.wrapping_mul(2_654_435_761) >> 22).collect();
        let mut hypothesis = reference.clone();
        for i in (0..hypothesis.len()).step_by(50) {
            hypothesis[i] = 5000;
        }
        hypothesis.retain(|word| word % 97 != 0);
        let kept = hypothesis.len();
        let found = align(&reference, &hypothesis);
        assert!(edits(&reference, &hypothesis) <= 800 + (reference.len() - kept));
        assert!(found.matches.iter().all(|(i, j)| reference[*i] == hypothesis[*j]));
    }

    proptest! {
        #[test]
        fn the_number_of_edits_is_the_least_and_the_pairs_go_forward(
            a in prop::collection::vec(0_u32..4, 0..60),
            b in prop::collection::vec(0_u32..4, 0..60),
        ) {
            prop_assert_eq!(edits(&a, &b), plain(&a, &b));
            let found = align(&a, &b);
            prop_assert!(found.matches.iter().all(|(i, j)| a[*i] == b[*j]));
            prop_assert!(found.substitutions.iter().all(|(i, j)| a[*i] != b[*j]));
            let mut pairs = [found.matches, found.substitutions].concat();
            pairs.sort_unstable();
            prop_assert!(pairs.is_sorted_by(|one, two| one.0 < two.0 && one.1 < two.1));
        }
    }
}
