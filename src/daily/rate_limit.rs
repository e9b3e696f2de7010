//! How often this process may ask Daily. One limiter is shared by everything that asks with one key.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{SharedClock, Timestamp};

/// So many requests in such a span, each of them at any moment: what Daily allows for the list of recordings, its
/// strictest limit that we meet (Daily's REST reference, "Rate limits").
const ALLOWED: [(usize, Duration); 2] = [(2, Duration::from_secs(1)), (50, Duration::from_secs(30))];
const REMEMBERED: usize = 50;
/// However long Daily asks one of us to wait, all try again after this: a wrong date, there or here, must not silence a
/// service.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Gives turns, in the order in which they were asked for.
pub struct RateLimiter {
    clock: SharedClock,
    /// The last turns given, oldest first. Held while somebody waits: whoever comes later queues behind.
    given: tokio::sync::Mutex<VecDeque<Timestamp>>,
    paused_until: Mutex<Timestamp>,
}

impl RateLimiter {
    /// A limiter that has given no turn yet.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, given: tokio::sync::Mutex::default(), paused_until: Mutex::default() }
    }

    /// The clock that turns are counted on.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// Waits for a turn. Dropping the future gives the place in the queue up and costs nobody a turn.
    pub async fn turn(&self) {
        let mut given = self.given.lock().await;
        let now = loop {
            let now = self.clock.now();
            set_back(&mut given, now);
            let next = earliest(&given).max(self.pause_at(now));
            if next <= now {
                break now;
            }
            self.clock.sleep_until(next).await;
        };
        given.push_back(now);
        if given.len() > REMEMBERED {
            given.pop_front();
        }
    }

    /// Nobody gets a turn before `until`: Daily told one of us to wait, which is meant for all. Five minutes at most.
    pub fn pause_until(&self, until: Timestamp) {
        let longest = self.clock.now().plus(LONGEST_PAUSE);
        let mut paused = self.paused();
        *paused = until.max(*paused).min(longest);
    }

    /// The end of the pause. One that lies too far ahead was set before the clock was set back, and is brought nearer.
    fn pause_at(&self, now: Timestamp) -> Timestamp {
        let mut paused = self.paused();
        *paused = now.plus(LONGEST_PAUSE).min(*paused);
        *paused
    }

    fn paused(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns that lie ahead were given before the clock was set back. All move back with it, the last one to now: what was
/// given just before still counts, and nobody waits until the clock is where it was.
fn set_back(given: &mut VecDeque<Timestamp>, now: Timestamp) {
    let Some(step) = given.back().filter(|last| **last > now).map(|last| last.since(now)) else { return };
    for turn in given {
        *turn = turn.minus(step);
    }
}

/// When the next turn may be, after those given.
fn earliest(given: &VecDeque<Timestamp>) -> Timestamp {
    let after = |(count, span): (usize, Duration)| {
        given.len().checked_sub(count).and_then(|at| given.get(at)).map_or(Timestamp::default(), |turn| turn.plus(span))
    };
    ALLOWED.into_iter().map(after).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    /// Takes `count` turns, moving the clock exactly as far as it must be moved. Gives the moment of each.
    async fn turns(limiter: &Arc<RateLimiter>, clock: &ManualClock, count: usize) -> Vec<Timestamp> {
        let mut at = Vec::new();
        for _ in 0..count {
            let waiting = limiter.clone();
            let turn = tokio::spawn(async move { waiting.turn().await });
            while !turn.is_finished() {
                tokio::task::yield_now().await;
                if let Some(next) = clock.awaited().first() {
                    clock.advance(next.since(clock.now()));
                }
            }
            at.push(clock.now());
        }
        at
    }

    #[tokio::test]
    async fn no_more_than_two_a_second_and_fifty_in_half_a_minute() {
        let clock = ManualClock::at(Timestamp::from_micros(1_700_000_000_000_000));
        let limiter = Arc::new(RateLimiter::new(Arc::new(clock.clone())));
        let at = turns(&limiter, &clock, 120).await;
        for (count, span) in ALLOWED {
            for window in at.windows(count + 1) {
                assert!(window[count].since(window[0]) >= span, "{count} in {span:?}");
            }
        }
        assert_eq!(at[1], at[0], "the first two need not wait");
        assert!(at[119].since(at[0]) <= Duration::from_secs(75), "{:?}", at[119].since(at[0]));
    }

    #[tokio::test]
    async fn a_pause_holds_for_everybody_and_is_never_shortened() {
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let limiter = Arc::new(RateLimiter::new(Arc::new(clock.clone())));
        limiter.pause_until(Timestamp::from_micros(7_000_000));
        limiter.pause_until(Timestamp::from_micros(3_000_000));
        assert_eq!(turns(&limiter, &clock, 1).await, [Timestamp::from_micros(7_000_000)]);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_silences_nobody_and_lets_nobody_hurry() {
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let clock = ManualClock::at(start);
        let limiter = Arc::new(RateLimiter::new(Arc::new(clock.clone())));
        turns(&limiter, &clock, 50).await;
        let hour = Duration::from_secs(3600);
        clock.set(clock.now().minus(hour));
        let set_back = clock.now();
        let at = turns(&limiter, &clock, 4).await;
        // As if nothing had happened: fifty in half a minute.
        assert_eq!(at.iter().map(|turn| turn.since(set_back).as_secs()).collect::<Vec<_>>(), [6, 6, 7, 7]);

        limiter.pause_until(clock.now().plus(LONGEST_PAUSE));
        clock.set(clock.now().minus(hour));
        let set_back = clock.now();
        assert_eq!(turns(&limiter, &clock, 1).await, [set_back.plus(LONGEST_PAUSE)]);
    }

    #[tokio::test]
    async fn no_pause_is_longer_than_five_minutes() {
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let limiter = Arc::new(RateLimiter::new(Arc::new(clock.clone())));
        limiter.pause_until(Timestamp::from_micros(i64::MAX));
        assert_eq!(turns(&limiter, &clock, 1).await, [Timestamp::default().plus(LONGEST_PAUSE)]);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_costs_nobody_a_turn() {
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let limiter = Arc::new(RateLimiter::new(Arc::new(clock.clone())));
        turns(&limiter, &clock, 2).await;
        for _ in 0..5 {
            let gave_up = tokio::select! { biased; () = limiter.turn() => false, () = std::future::ready(()) => true };
            assert!(gave_up);
        }
        assert_eq!(turns(&limiter, &clock, 1).await, [Timestamp::from_micros(1_000_000)]);
    }
}
