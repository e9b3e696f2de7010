//! The runs that this process drives, and who waits for them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::ids::RunId;

/// Why nobody drives a run any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// It is over, or this process stops.
    Done,
    /// The store failed for too long; the run can be resumed.
    Abandoned(String),
}

/// Becomes `Some` when the run is left.
pub(super) type LeftReceiver = watch::Receiver<Option<Left>>;

#[derive(Debug)]
struct Entry {
    cancel: CancellationToken,
    left: watch::Sender<Option<Left>>,
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
        runs.insert(run.clone(), Entry { cancel, left });
        Ok(receiver)
    }

    /// Leaves a run and tells who waits. One that was abandoned stays known, so that it is not taken up again unasked.
    pub(super) fn leave(&self, run: &RunId, why: Left) {
        let mut runs = self.lock();
        let abandoned = matches!(why, Left::Abandoned(_));
        if let Some(entry) = runs.get(run) {
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

    /// Whether the run is known here.
    pub(super) fn contains(&self, run: &RunId) -> bool {
        self.lock().contains_key(run)
    }
}
