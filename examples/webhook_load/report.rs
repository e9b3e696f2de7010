//! What a load came to.

use std::fmt;
use std::time::Duration;

/// A steady load was held when its last delivery was answered so soon after it was due.
const MOST_BEHIND: Duration = Duration::from_secs(1);

/// What a load came to.
pub struct Report {
    answered: usize,
    failed: u64,
    elapsed: Duration,
    wanted: Option<(f64, Duration)>,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Report {
    /// Of `latencies` of what was answered well in `elapsed`; `wanted` is a steady load's rate and duration.
    pub fn new(mut latencies: Vec<Duration>, failed: u64, elapsed: Duration, wanted: Option<(f64, Duration)>) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| {
            let rank = (latencies.len() as f64 * share).ceil() as usize;
            latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { answered: latencies.len(), failed, elapsed, wanted, p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }

    /// Whether all were answered well, and without falling behind.
    pub fn is_held(&self) -> bool {
        let in_time = self.wanted.is_none_or(|(_, duration)| self.elapsed < duration + MOST_BEHIND);
        self.failed == 0 && in_time && self.max < MOST_BEHIND
    }
}

/// Fields for `scripts/bench`, divided by spaces: rate, answered, failed, p50, p99 and max in milliseconds.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.wanted.map_or_else(|| self.answered as f64 / self.elapsed.as_secs_f64(), |(rate, _)| rate);
        let ms = |latency: Duration| latency.as_secs_f64() * 1000.0;
        let (p50, p99, max) = (ms(self.p50), ms(self.p99), ms(self.max));
        write!(f, "{rate:.0} {} {} {p50:.1} {p99:.1} {max:.1}", self.answered, self.failed)
    }
}
