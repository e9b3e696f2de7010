//! Rate limits of this process: who may begin an attempt, and when. Whoever waits goes by priority, then in the order of
//! asking: who takes little never goes before somebody who takes more of the same limit and only waits for that.
//!
//! Any span, wherever it begins, sees no more units than its limit allows. That counts beginnings: units are *reserved* before
//! an attempt takes its slot, so that nobody holds a slot while waiting here, and *used* at the moment it begins. What is
//! counted lives in memory and ends with the process.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{SharedClock, Timestamp};
use crate::workflow::RateLimit;

/// All limits.
pub(super) struct RateLimits {
    clock: SharedClock,
    state: Mutex<State>,
    /// Changes when somebody leaves the queue or gives units back: others may go now.
    moved: watch::Sender<()>,
}

struct State {
    limits: BTreeMap<String, Usage>,
    /// Who waits, by priority and the order of asking, and the units they want.
    queue: BTreeMap<Place, BTreeMap<String, u32>>,
    asked: u64,
}

type Place = (Reverse<i64>, u64);

/// What was used of one limit.
struct Usage {
    limit: u32,
    span: Duration,
    /// Moments of the last span, oldest first, and the units that were used at each.
    used: VecDeque<(Timestamp, u32)>,
    /// Their sum.
    sum: u32,
    /// Units of those that wait for their slot.
    reserved: u32,
}

/// When somebody may go.
enum Turn {
    Now,
    /// Not before this moment.
    At(Timestamp),
    /// When somebody else has moved.
    Later,
}

/// Units that are reserved; given back when dropped before [`Reserved::begin`].
#[must_use]
pub(super) struct Reserved(Option<(Arc<RateLimits>, BTreeMap<String, u32>)>);

impl RateLimits {
    /// Limits of which nothing is used yet.
    pub(super) fn new(limits: &[RateLimit], clock: SharedClock) -> Arc<Self> {
        let usage = |limit: &RateLimit| Usage {
            limit: limit.limit,
            span: limit.per.duration(),
            used: VecDeque::new(),
            sum: 0,
            reserved: 0,
        };
        let limits = limits.iter().map(|limit| (limit.key.clone(), usage(limit))).collect();
        let state = Mutex::new(State { limits, queue: BTreeMap::new(), asked: 0 });
        Arc::new(Self { clock, state, moved: watch::Sender::new(()) })
    }

    /// Waits until there is room for all these units (by key) at once, and reserves them; higher priorities first.
    pub(super) async fn reserve(self: &Arc<Self>, units: &BTreeMap<String, u32>, priority: i64) -> Reserved {
        if units.is_empty() {
            return Reserved(None);
        }
        let waiter = self.queue(units, priority);
        let mut moved = self.moved.subscribe();
        loop {
            moved.mark_unchanged();
            let turn = self.lock().turn(waiter.place, self.clock.now());
            match turn {
                Turn::Now => return Reserved(Some((Arc::clone(self), units.clone()))),
                Turn::At(next) => tokio::select! {
                    () = self.clock.sleep_until(next) => {}
                    // The sender lives in `self`, so this does not fail.
                    _ = moved.changed() => {}
                },
                Turn::Later => drop(moved.changed().await),
            }
        }
    }

    fn queue(&self, units: &BTreeMap<String, u32>, priority: i64) -> Waiter<'_> {
        let mut state = self.lock();
        let place = (Reverse(priority), state.asked);
        state.asked += 1;
        state.queue.insert(place, units.clone());
        Waiter { limits: self, place }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether the one at `place` may go; if so, its units are reserved.
    fn turn(&mut self, place: Place, now: Timestamp) -> Turn {
        let Self { limits, queue, .. } = self;
        let Some(wanted) = queue.get(&place) else { return Turn::Later };
        // The definitions are checked: a task's limits exist.
        let mut room =
            |key: &String, units: u32| limits.get_mut(key).map_or(Some(now), |usage| usage.room_at(units, now));
        for (_, earlier) in queue.range(..place) {
            let shares = earlier.keys().any(|key| wanted.contains_key(key));
            // Who could not go anyway, because of a limit that is none of ours, may be passed.
            let mut lacks = earlier.iter().filter(|(key, units)| room(key, **units) != Some(now));
            if shares && lacks.all(|(key, _)| wanted.contains_key(key)) {
                return Turn::Later;
            }
        }
        let mut next = now;
        for (key, units) in wanted {
            match room(key, *units) {
                Some(at) => next = next.max(at),
                None => return Turn::Later,
            }
        }
        if next > now {
            return Turn::At(next);
        }
        for (key, units) in wanted {
            if let Some(usage) = limits.get_mut(key) {
                usage.reserved += units;
            }
        }
        Turn::Now
    }
}

impl Usage {
    /// When there is room for so many units, if nobody takes more; `None` while those that have reserved must move first.
    fn room_at(&mut self, units: u32, now: Timestamp) -> Option<Timestamp> {
        self.set_back(now);
        while let Some((_, units)) = self.used.front().filter(|(at, _)| at.plus(self.span) <= now) {
            self.sum -= units;
            self.used.pop_front();
        }
        let mut free = self.limit.saturating_sub(self.reserved);
        if units > free {
            return None;
        }
        free = free.saturating_sub(self.sum);
        let mut at = now;
        for (moment, used) in &self.used {
            if units <= free {
                break;
            }
            free += used;
            at = moment.plus(self.span);
        }
        Some(at)
    }

    /// Moments that lie ahead are from before the clock was set back. All move back with it, the last one to now: nobody
    /// waits until the clock is where it was.
    fn set_back(&mut self, now: Timestamp) {
        let Some(step) = self.used.back().filter(|(last, _)| *last > now).map(|(last, _)| last.since(now)) else {
            return;
        };
        for (at, _) in &mut self.used {
            *at = at.minus(step);
        }
    }

    fn begin(&mut self, units: u32, now: Timestamp) {
        self.set_back(now);
        self.reserved = self.reserved.saturating_sub(units);
        self.sum += units;
        match self.used.back_mut() {
            Some((last, used)) if *last == now => *used += units,
            _ => self.used.push_back((now, units)),
        }
    }
}

/// Somebody's place in the queue; left when dropped.
struct Waiter<'a> {
    limits: &'a RateLimits,
    place: Place,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.limits.lock().queue.remove(&self.place);
        self.limits.moved.send_replace(());
    }
}

impl Reserved {
    /// The attempt begins now: its units count from this moment on. `None` where there are no limits.
    pub(super) fn begin(mut self) -> Option<Timestamp> {
        let (limits, units) = self.0.take()?;
        let mut state = limits.lock();
        let now = limits.clock.now();
        for (key, units) in units {
            if let Some(usage) = state.limits.get_mut(&key) {
                usage.begin(units, now);
            }
        }
        drop(state);
        // Who waited for these units to be used or given back knows now until when.
        limits.moved.send_replace(());
        Some(now)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let Some((limits, units)) = self.0.take() else { return };
        let mut state = limits.lock();
        for (key, units) in units {
            if let Some(usage) = state.limits.get_mut(&key) {
                usage.reserved = usage.reserved.saturating_sub(units);
            }
        }
        drop(state);
        limits.moved.send_replace(());
    }
}

#[cfg(test)]
#[path = "rate_limits_tests.rs"]
mod tests;
