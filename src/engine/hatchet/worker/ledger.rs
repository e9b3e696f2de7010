//! What this process knows of attempts. An attempt ends once: what it ended with is what is sent until the engine has it,
//! and again whenever the engine asks for the same attempt.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// Attempts remembered that are over.
const REMEMBERED: usize = 20_000;
/// Bytes of outcomes remembered that the engine has.
const REMEMBERED_BYTES: usize = 16 << 20;

/// An attempt: the engine's id of the task run, and how many attempts came before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AttemptKey {
    pub(super) task_run: String,
    pub(super) retry_count: i32,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its output, as JSON.
    Completed(String),
    /// What people are told, and whether it may be tried again.
    Failed { text: String, may_retry: bool },
}

impl Outcome {
    fn bytes(&self) -> usize {
        match self {
            Self::Completed(text) | Self::Failed { text, .. } => text.len(),
        }
    }
}

/// Why nothing is said of an attempt any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Void {
    /// The engine cancelled it, or timed it out.
    Cancelled,
    /// The engine began a newer attempt: it thought this one lost.
    Superseded,
    /// This process ends; another one takes it over.
    Leaving,
}

/// What an action to start finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Nothing: it is to be started.
    New,
    /// It is being worked on, or something newer is.
    UnderWay,
    /// It ended with this before.
    Finished(Arc<Outcome>),
    /// Nobody wants it any more.
    Void,
}

#[derive(Debug)]
enum Entry {
    Running(CancellationToken),
    Finished { outcome: Arc<Outcome>, acknowledged: bool },
    Void(Void),
}

/// All attempts that this process has heard of.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By task run, then by retry count.
    entries: HashMap<String, BTreeMap<i32, Entry>>,
    /// Those that may be forgotten, oldest first.
    over: VecDeque<AttemptKey>,
    /// Bytes of acknowledged outcomes.
    bytes: usize,
    is_leaving: bool,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine wants an attempt. One that is new is entered, with what stops it; older ones of the same task run are
    /// stopped, and nothing is said of them any more.
    pub(super) fn arrives(&self, key: &AttemptKey, stop: &CancellationToken) -> Arrival {
        let mut inner = self.lock();
        let attempts = inner.entries.entry(key.task_run.clone()).or_default();
        if let Some(entry) = attempts.get(&key.retry_count) {
            return match entry {
                Entry::Running(_) => Arrival::UnderWay,
                Entry::Finished { outcome, .. } => Arrival::Finished(Arc::clone(outcome)),
                Entry::Void(_) => Arrival::Void,
            };
        }
        if attempts.range(key.retry_count..).next().is_some() {
            return Arrival::UnderWay;
        }
        if inner.is_leaving {
            inner.void(key, Void::Leaving);
            return Arrival::Void;
        }
        let attempts = inner.entries.entry(key.task_run.clone()).or_default();
        let older: Vec<i32> = attempts.keys().copied().collect();
        attempts.insert(key.retry_count, Entry::Running(stop.clone()));
        for retry_count in older {
            inner.void(&AttemptKey { retry_count, ..key.clone() }, Void::Superseded);
        }
        Arrival::New
    }

    /// An attempt has ended. Gives what to send: nothing when nobody wants it any more.
    pub(super) fn finish(&self, key: &AttemptKey, outcome: Outcome) -> Option<Arc<Outcome>> {
        let mut inner = self.lock();
        let entry = inner.entries.get_mut(&key.task_run)?.get_mut(&key.retry_count)?;
        if !matches!(entry, Entry::Running(_)) {
            return None;
        }
        let outcome = Arc::new(outcome);
        *entry = Entry::Finished { outcome: Arc::clone(&outcome), acknowledged: false };
        Some(outcome)
    }

    /// The engine has an outcome, or never will.
    pub(super) fn acknowledge(&self, key: &AttemptKey) {
        let mut inner = self.lock();
        let entry = inner.entries.get_mut(&key.task_run).and_then(|attempts| attempts.get_mut(&key.retry_count));
        if let Some(Entry::Finished { outcome, acknowledged }) = entry
            && !std::mem::replace(acknowledged, true)
        {
            let bytes = outcome.bytes();
            inner.bytes += bytes;
            inner.forgettable(key.clone());
        }
    }

    /// Nobody wants an attempt any more: it is stopped, and what it makes is not told. Also before it has arrived.
    pub(super) fn void(&self, key: &AttemptKey, why: Void) {
        self.lock().void(key, why);
    }

    /// This process ends: all that runs is void, and so is what comes from now on.
    pub(super) fn leave(&self) {
        // One look: what ends in between has an outcome, and that is told.
        let mut inner = self.lock();
        inner.is_leaving = true;
        let keys = inner.running();
        keys.iter().for_each(|key| inner.void(key, Void::Leaving));
    }

    /// Whether an attempt ever came here.
    pub(super) fn knows(&self, key: &AttemptKey) -> bool {
        self.lock().entries.get(&key.task_run).is_some_and(|attempts| attempts.contains_key(&key.retry_count))
    }

    /// Why nobody wants an attempt any more; `None` when somebody does.
    pub(super) fn why_void(&self, key: &AttemptKey) -> Option<Void> {
        match self.lock().entries.get(&key.task_run)?.get(&key.retry_count)? {
            Entry::Void(why) => Some(*why),
            Entry::Running(_) | Entry::Finished { .. } => None,
        }
    }

    /// Whether the engine has an attempt's outcome, no newer attempt has come here, and one may come.
    pub(super) fn awaits_retry(&self, key: &AttemptKey) -> bool {
        let inner = self.lock();
        if inner.is_leaving {
            return false;
        }
        let newest = inner.entries.get(&key.task_run).and_then(BTreeMap::last_key_value);
        newest.is_some_and(|(retry_count, entry)| {
            *retry_count == key.retry_count && matches!(entry, Entry::Finished { acknowledged: true, .. })
        })
    }

    /// The attempts that are being worked on.
    pub(super) fn running(&self) -> Vec<AttemptKey> {
        self.lock().running()
    }
}

impl Inner {
    fn running(&self) -> Vec<AttemptKey> {
        let running = self.entries.iter().flat_map(|(task_run, attempts)| {
            let running = attempts.iter().filter(|(_, entry)| matches!(entry, Entry::Running(_)));
            running.map(|(retry_count, _)| AttemptKey { task_run: task_run.clone(), retry_count: *retry_count })
        });
        running.collect()
    }

    fn void(&mut self, key: &AttemptKey, why: Void) {
        let entry = self.entries.entry(key.task_run.clone()).or_default().insert(key.retry_count, Entry::Void(why));
        match entry {
            Some(Entry::Running(stop)) => stop.cancel(),
            // The engine has it, and may ask again.
            Some(finished @ Entry::Finished { acknowledged: true, .. }) => {
                self.entries.entry(key.task_run.clone()).or_default().insert(key.retry_count, finished);
                return;
            }
            // What it is void for does not change any more.
            Some(before @ Entry::Void(_)) => {
                self.entries.entry(key.task_run.clone()).or_default().insert(key.retry_count, before);
                return;
            }
            Some(Entry::Finished { .. }) | None => {}
        }
        self.forgettable(key.clone());
    }

    fn forgettable(&mut self, key: AttemptKey) {
        self.over.push_back(key);
        while self.over.len() > REMEMBERED || self.bytes > REMEMBERED_BYTES {
            let Some(oldest) = self.over.pop_front() else { return };
            let Some(attempts) = self.entries.get_mut(&oldest.task_run) else { continue };
            if let Some(Entry::Finished { outcome, .. }) = attempts.remove(&oldest.retry_count) {
                self.bytes = self.bytes.saturating_sub(outcome.bytes());
            }
            if attempts.is_empty() {
                self.entries.remove(&oldest.task_run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(retry_count: i32) -> AttemptKey {
        AttemptKey { task_run: "t".to_owned(), retry_count }
    }

    fn made(text: &str) -> Outcome {
        Outcome::Completed(text.to_owned())
    }

    #[test]
    fn e3_an_attempt_ends_once_and_is_answered_the_same_ever_after() {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        assert_eq!(ledger.arrives(&key(0), &stop), Arrival::New);
        assert_eq!(ledger.arrives(&key(0), &stop), Arrival::UnderWay);
        let first = ledger.finish(&key(0), made("1")).unwrap();
        assert_eq!(ledger.finish(&key(0), made("2")), None);
        assert_eq!(ledger.arrives(&key(0), &stop), Arrival::Finished(Arc::clone(&first)));
        ledger.acknowledge(&key(0));
        assert_eq!(ledger.arrives(&key(0), &stop), Arrival::Finished(first));
        assert!(!stop.is_cancelled() && ledger.running().is_empty());
    }

    #[test]
    fn a_newer_attempt_stops_an_older_one_whose_end_is_not_told() {
        let (ledger, old, new) = (Ledger::default(), CancellationToken::new(), CancellationToken::new());
        ledger.arrives(&key(0), &old);
        assert_eq!(ledger.arrives(&key(1), &new), Arrival::New);
        assert!(old.is_cancelled() && !new.is_cancelled());
        assert_eq!((ledger.finish(&key(0), made("late")), ledger.why_void(&key(0))), (None, Some(Void::Superseded)));
        assert_eq!(ledger.arrives(&key(0), &old), Arrival::Void);
        assert_eq!(ledger.running(), [key(1)]);
    }

    #[test]
    fn an_outcome_on_its_way_is_not_sent_on_when_a_newer_attempt_begins() {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        ledger.arrives(&key(0), &stop);
        ledger.finish(&key(0), made("1"));
        ledger.arrives(&key(1), &stop);
        assert_eq!(ledger.why_void(&key(0)), Some(Void::Superseded));
    }

    #[test]
    fn a_cancellation_counts_also_when_it_comes_before_what_it_cancels() {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        ledger.void(&key(0), Void::Cancelled);
        assert_eq!(ledger.arrives(&key(0), &stop), Arrival::Void);
        ledger.arrives(&key(1), &stop);
        ledger.void(&key(1), Void::Leaving);
        ledger.void(&key(1), Void::Cancelled);
        assert!(stop.is_cancelled());
        assert_eq!(ledger.why_void(&key(1)), Some(Void::Leaving));
    }

    #[test]
    fn whoever_leaves_begins_nothing_more_and_keeps_what_has_ended() {
        let (ledger, stop, late) = (Ledger::default(), CancellationToken::new(), CancellationToken::new());
        let of = |task: &str| AttemptKey { task_run: task.to_owned(), retry_count: 0 };
        ledger.arrives(&of("ended"), &CancellationToken::new());
        ledger.arrives(&of("running"), &stop);
        let outcome = ledger.finish(&of("ended"), made("1")).unwrap();
        ledger.leave();
        assert!(stop.is_cancelled());
        assert_eq!((ledger.why_void(&of("running")), ledger.why_void(&of("ended"))), (Some(Void::Leaving), None));
        assert_eq!(ledger.arrives(&of("late"), &late), Arrival::Void);
        assert_eq!(ledger.arrives(&of("ended"), &late), Arrival::Finished(outcome));
        assert!(ledger.running().is_empty());
    }

    #[test]
    fn only_a_failure_that_was_heard_and_not_followed_awaits_a_retry() {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        ledger.arrives(&key(0), &stop);
        assert!(!ledger.awaits_retry(&key(0)));
        ledger.finish(&key(0), Outcome::Failed { text: String::new(), may_retry: true });
        assert!(!ledger.awaits_retry(&key(0)));
        ledger.acknowledge(&key(0));
        assert!(ledger.awaits_retry(&key(0)));
        ledger.arrives(&key(1), &stop);
        assert!(!ledger.awaits_retry(&key(0)));
    }

    #[test]
    fn what_the_engine_has_is_forgotten_in_time_and_what_it_has_not_never() {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        let of = |n: usize| AttemptKey { task_run: n.to_string(), retry_count: 0 };
        let large = "x".repeat(1 << 20);
        for n in 0..40 {
            ledger.arrives(&of(n), &stop);
            ledger.finish(&of(n), made(&large));
            if n > 0 {
                ledger.acknowledge(&of(n));
            }
        }
        assert!(matches!(ledger.arrives(&of(0), &stop), Arrival::Finished(_)));
        assert!(matches!(ledger.arrives(&of(39), &stop), Arrival::Finished(_)));
        assert_eq!(ledger.arrives(&of(1), &stop), Arrival::New);
        assert!(ledger.lock().bytes <= REMEMBERED_BYTES);
        for n in 0..2 * REMEMBERED {
            ledger.void(&of(100 + n), Void::Cancelled);
        }
        assert!(ledger.lock().entries.len() <= REMEMBERED + 3);
    }
}
