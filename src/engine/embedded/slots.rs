//! This machine's slots: how many tasks of each pool run at once. Waiters get slots in the order they asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::workflow::{Pool, PoolSizes};

/// All pools' slots.
#[derive(Debug)]
pub(super) struct Slots(BTreeMap<Pool, Arc<Semaphore>>);

/// One slot; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// As many slots as `sizes` says; one for a pool that it does not name or gives none, because no task may wait for
    /// ever.
    pub(super) fn new(sizes: &PoolSizes) -> Self {
        let slots = |pool| sizes.get(&pool).copied().unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Self(Pool::ALL.into_iter().map(|pool| (pool, Arc::new(Semaphore::new(slots(pool))))).collect())
    }

    /// Waits for a slot.
    pub(super) async fn take(&self, pool: Pool) -> Slot {
        let permit = match self.0.get(&pool) {
            // Never closed, so this does not fail.
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
            None => None,
        };
        Slot { _permit: permit }
    }
}
