//! Rate limits, as the engine's scheduler keeps them: so many units in a window that begins when the one before is over.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wire::v1::TaskRateLimit;
use super::wire::{RateLimit, RateLimitDuration};

/// All limits of the tenant, by key.
#[derive(Debug, Default)]
pub struct Rates(BTreeMap<String, Rate>);

#[derive(Debug)]
struct Rate {
    limit: i32,
    seconds: u32,
    left: i32,
    /// Used and not written down yet. The engine writes it down when a window is over, every two seconds at least; what was
    /// used just before is taken off the next window.
    used: i32,
    began: Option<Instant>,
}

impl Rates {
    pub fn put(&mut self, put: &RateLimit) {
        let seconds = match put.duration() {
            RateLimitDuration::Second => 1,
            RateLimitDuration::Minute => 60,
            RateLimitDuration::Hour => 3600,
        };
        let new = Rate { limit: put.limit, seconds, left: put.limit, used: 0, began: None };
        let known = self.0.entry(put.key.clone()).or_insert(new);
        (known.limit, known.seconds, known.left) = (put.limit, seconds, known.left.min(put.limit));
    }

    pub fn knows(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The limit that was put, for whoever checks.
    pub fn limit(&self, key: &str) -> Option<i32> {
        Some(self.0.get(key)?.limit)
    }

    /// Takes all these units if there are as many.
    pub fn take(&mut self, wanted: &[TaskRateLimit], second: Duration, now: Instant) -> bool {
        for rate in self.0.values_mut() {
            match rate.began {
                None => rate.began = Some(now),
                Some(began) if now - began >= second * rate.seconds => {
                    let not_written = if rate.seconds == 1 { rate.used } else { 0 };
                    (rate.left, rate.used, rate.began) = (rate.limit - not_written, 0, Some(now));
                }
                Some(_) => {}
            }
        }
        let units = |limit: &TaskRateLimit| limit.units.unwrap_or(0);
        let room =
            |limit: &TaskRateLimit| self.0.get(&limit.key).is_some_and(|rate| rate.left - rate.used >= units(limit));
        if !wanted.iter().all(room) {
            return false;
        }
        for limit in wanted {
            self.0.get_mut(&limit.key).unwrap().used += units(limit);
        }
        true
    }
}
