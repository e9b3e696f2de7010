//! The runs that this process drives, and who waits for them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Timestamp};
use crate::failure::FailureClass;
use crate::ids::RunId;

/// When a run is taken up again that was left because the store failed in a way that may pass.
const AFTER_OUTAGE: Duration = Duration::from_secs(30);
/// The same, when the store failed in a way that asks for somebody to mend it.
const AFTER_TROUBLE: Duration = Duration::from_secs(600);

/// Why nobody drives a run any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// It is over, or this process stops.
    Done,
    /// The store failed for too long, or the run is not for this program. It is taken up again later, or when it is resumed.
    Abandoned { class: FailureClass, why: String },
}

/// Becomes `Some` when the run is left.
pub(super) type LeftReceiver = watch::Receiver<Option<Left>>;

#[derive(Debug)]
struct Entry {
    cancel: CancellationToken,
    left: watch::Sender<Option<Left>>,
    left_at: Timestamp,
}

/// Runs by id.
#[derive(Debug, Default)]
pub(super) struct ActiveRuns(Mutex<HashMap<RunId, Entry>>);

impl ActiveRuns {
    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a run. `Err` when it is driven already.
    pub(super) fn enter(&self, run: &RunId, cancel: CancellationToken) -> Result<LeftReceiver, LeftReceiver> {
        let mut runs = self.lock();
        if let Some(entry) = runs.get(run)
            && entry.left.borrow().is_none()
        {
            return Err(entry.left.subscribe());
        }
        let left = watch::Sender::new(None);
        let receiver = left.subscribe();
        runs.insert(run.clone(), Entry { cancel, left, left_at: Timestamp::default() });
        Ok(receiver)
    }

    /// Leaves a run and tells who waits. One that was abandoned stays known, so that it is not taken up again at once.
    pub(super) fn leave(&self, run: &RunId, why: Left, now: Timestamp) {
        let mut runs = self.lock();
        let abandoned = matches!(why, Left::Abandoned { .. });
        if let Some(entry) = runs.get_mut(run) {
            entry.left_at = now;
            entry.left.send_replace(Some(why));
        }
        if !abandoned {
            runs.remove(run);
        }
    }

    /// Tells a run's code to stop, that of its children included.
    pub(super) fn cancel(&self, run: &RunId) {
        if let Some(entry) = self.lock().get(run) {
            entry.cancel.cancel();
        }
    }

    /// To be told when the run is left; `None` when it is not driven here.
    pub(super) fn watch(&self, run: &RunId) -> Option<LeftReceiver> {
        self.lock().get(run).map(|entry| entry.left.subscribe())
    }

    /// All runs known here.
    pub(super) fn ids(&self) -> Vec<RunId> {
        self.lock().keys().cloned().collect()
    }

    /// Forgets a run that is over and that nobody drives.
    pub(super) fn forget(&self, run: &RunId) {
        let mut runs = self.lock();
        if runs.get(run).is_some_and(|entry| entry.left.borrow().is_some()) {
            runs.remove(run);
        }
    }

    /// Whether somebody has to begin driving this run: it is not known here, or was abandoned long enough ago.
    pub(super) fn wants_driver(&self, run: &RunId, clock: &SharedClock) -> bool {
        let runs = self.lock();
        let Some(entry) = runs.get(run) else { return true };
        let pause = match &*entry.left.borrow() {
            None | Some(Left::Done) => return false,
            Some(Left::Abandoned { class: FailureClass::Retryable, .. }) => AFTER_OUTAGE,
            Some(Left::Abandoned { .. }) => AFTER_TROUBLE,
        };
        clock.now().since(entry.left_at) >= pause
    }
}
