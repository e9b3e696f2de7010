//! How long to wait before the next try: full jitter, so that a hundred workers of an engine that is back do not all come
//! in the same second.

use std::time::Duration;

/// Waits that grow with each try.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    first: Duration,
    longest: Duration,
    tries: u32,
}

impl Patience {
    /// The first wait is up to `first`, each later one up to twice as long, `longest` at most.
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, tries: 0 }
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let most = self.first.saturating_mul(2_u32.saturating_pow(self.tries)).min(self.longest);
        self.tries = self.tries.saturating_add(1);
        up_to(most)
    }

    /// All is well again.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }

    /// Tries since all was well.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }
}

/// Anything from nothing to `most`, all equally likely.
fn up_to(most: Duration) -> Duration {
    // Without randomness a wait in the middle will do.
    let share = getrandom::u64().map_or(0.5, |random| random as f64 / u64::MAX as f64);
    most.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_start_anew_after_success() {
        let mut patience = Patience::new(Duration::from_secs(1), Duration::from_secs(30));
        for most in [1, 2, 4, 8, 16, 30, 30] {
            assert!(patience.next() <= Duration::from_secs(most));
        }
        assert_eq!(patience.tries(), 7);
        patience.reset();
        assert!(patience.next() <= Duration::from_secs(1));
        (0..100).for_each(|_| assert!(patience.next() <= Duration::from_secs(30)));
    }
}
