//! Wall-clock time, injected. "Now" and every wait longer than a second go through a [`Clock`], so that tests move
//! time by hand while files, databases and sockets stay real.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A moment: microseconds since 1970-01-01 UTC. Stored as BIGINT, shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment plus `wait`, saturating.
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment less `wait`, saturating.
    pub fn minus(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

/// A source of now and of waiting.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] has reached `until`.
    async fn sleep_until(&self, until: Timestamp);
}

/// The clock as every part of the program holds it.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_microsecond())
    }

    async fn sleep_until(&self, until: Timestamp) {
        tokio::time::sleep(until.since(self.now())).await;
    }
}

/// A clock that stands still until it is moved by hand.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
    sleepers: Arc<Mutex<Vec<Timestamp>>>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: Timestamp) -> Self {
        Self { now: watch::Sender::new(start), sleepers: Arc::default() }
    }

    /// Moves the clock forward by `step` and wakes whoever waited for that.
    pub fn advance(&self, step: Duration) {
        self.now.send_modify(|now| *now = now.plus(step));
    }

    /// Sets the clock, back too, as an administrator or a time service may.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
    }

    /// The moments that are being waited for now, earliest first.
    pub fn awaited(&self) -> Vec<Timestamp> {
        let mut awaited = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        awaited.sort_unstable();
        awaited
    }
}

/// Takes a sleeper off the list however its wait ends.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    until: Timestamp,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let mut sleepers = self.clock.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = sleepers.iter().position(|until| *until == self.until) {
            sleepers.swap_remove(at);
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).push(until);
        let _sleeper = Sleeper { clock: self, until };
        let mut now = self.now.subscribe();
        // The sender lives in `self`, so waiting can't fail while this borrow does.
        let _ = now.wait_for(|now| *now >= until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_only_when_it_is_moved_far_enough() {
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let until = clock.now().plus(Duration::from_secs(60));
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep_until(until).await })
        };
        while clock.awaited().is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert!(clock.awaited().is_empty());
    }

    #[test]
    fn moments_are_shown_as_rfc_3339() {
        assert_eq!(Timestamp::from_micros(1_767_603_600_250_000).to_string(), "2026-01-05T09:00:00.250Z");
    }
}
