//! The best one-to-one assignment, exactly: the Hungarian method with potentials (Kuhn 1955, Munkres 1957), in
//! O(rows² · columns).

/// For each row the column it gets, so that the sum of `gain[row][column]` is the most possible; rows without a column
/// that gains anything get none. Rows are equally long, gains not negative.
pub(super) fn best_assignment(gain: &[Vec<i64>]) -> Vec<Option<usize>> {
    let columns = gain.first().map_or(0, Vec::len);
    // As many idle columns as rows let every row stay alone, and make the matrix at least as wide as high.
    let width = columns + gain.len();
    let cost = |row: usize, column: usize| if column < columns { -gain[row][column] } else { 0 };

    // One-based; column 0 holds the row that is being placed.
    let mut row_potential = vec![0_i64; gain.len() + 1];
    let mut column_potential = vec![0_i64; width + 1];
    let mut row_of = vec![0_usize; width + 1];
    for row in 1..=gain.len() {
        row_of[0] = row;
        let mut column = 0;
        let mut least = vec![i64::MAX; width + 1];
        let mut from = vec![0_usize; width + 1];
        let mut used = vec![false; width + 1];
        while row_of[column] != 0 {
            used[column] = true;
            let (current, mut step, mut next) = (row_of[column], i64::MAX, 0);
            for other in (1..=width).filter(|other| !used[*other]) {
                let reduced = cost(current - 1, other - 1) - row_potential[current] - column_potential[other];
                if reduced < least[other] {
                    (least[other], from[other]) = (reduced, column);
                }
                if least[other] < step {
                    (step, next) = (least[other], other);
                }
            }
            for other in 0..=width {
                if used[other] {
                    row_potential[row_of[other]] += step;
                    column_potential[other] -= step;
                } else if least[other] != i64::MAX {
                    least[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            let previous = from[column];
            row_of[column] = row_of[previous];
            column = previous;
        }
    }
    let mut assigned = vec![None; gain.len()];
    for column in 1..=columns {
        let row = row_of[column];
        if row != 0 && gain[row - 1][column - 1] > 0 {
            assigned[row - 1] = Some(column - 1);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_best_sum_is_found_where_greed_misses_it() {
        // Greed takes 10 and is left with 1; the best is 9 + 8.
        assert_eq!(best_assignment(&[vec![10, 9], vec![8, 1]]), [Some(1), Some(0)]);
        assert_eq!(best_assignment(&[vec![0, 5], vec![0, 7], vec![0, 0]]), [None, Some(1), None]);
        assert_eq!(best_assignment(&[]), []);
        assert_eq!(best_assignment(&[vec![], vec![]]), [None, None]);
    }

    /// Tries everything.
    fn best_sum(gain: &[Vec<i64>], row: usize, taken: &mut Vec<bool>) -> i64 {
        if row == gain.len() {
            return 0;
        }
        let mut best = best_sum(gain, row + 1, taken);
        for column in 0..taken.len() {
            if !taken[column] {
                taken[column] = true;
                best = best.max(gain[row][column] + best_sum(gain, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_assignment_gains_more(
            gain in (0_usize..5, 0_usize..5).prop_flat_map(|(rows, columns)| {
                prop::collection::vec(prop::collection::vec(0_i64..20, columns), rows)
            })
        ) {
            let assigned = best_assignment(&gain);
            let mut columns: Vec<usize> = assigned.iter().flatten().copied().collect();
            let sum: i64 = assigned.iter().enumerate().filter_map(|(row, column)| column.map(|c| gain[row][c])).sum();
            columns.sort_unstable();
            prop_assert!(columns.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert_eq!(sum, best_sum(&gain, 0, &mut vec![false; gain.first().map_or(0, Vec::len)]));
        }
    }
}
