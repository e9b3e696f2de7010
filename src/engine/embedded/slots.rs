//! This machine's slots: how many tasks of each pool run at once. Whoever waits for one gets it by priority, then in the
//! order of asking.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::workflow::{Pool, PoolSizes};

/// All pools' slots.
#[derive(Debug)]
pub(super) struct Slots(BTreeMap<Pool, Arc<Queue>>);

/// The slots of one pool.
#[derive(Debug)]
struct Queue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    free: usize,
    /// Who waits, by priority and the order of asking.
    queue: BTreeMap<(Reverse<i64>, u64), oneshot::Sender<Slot>>,
    asked: u64,
}

/// One slot; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<Queue>>);

impl Slots {
    /// As many slots as `sizes` says; one for a pool that it does not name or gives none, because no task may wait for
    /// ever.
    pub(super) fn new(sizes: &PoolSizes) -> Self {
        let queue = |pool| {
            let free = sizes.get(&pool).copied().unwrap_or(1).max(1);
            Arc::new(Queue(Mutex::new(Waiting { free, queue: BTreeMap::new(), asked: 0 })))
        };
        Self(Pool::ALL.into_iter().map(|pool| (pool, queue(pool))).collect())
    }

    /// Waits for a slot; higher priorities first.
    pub(super) async fn take(&self, pool: Pool, priority: i64) -> Slot {
        let Some(queue) = self.0.get(&pool) else { return Slot(None) };
        let waits = {
            let mut waiting = queue.lock();
            if waiting.free > 0 {
                waiting.free -= 1;
                return Slot(Some(Arc::clone(queue)));
            }
            let (sender, receiver) = oneshot::channel();
            let asked = waiting.asked;
            waiting.asked += 1;
            waiting.queue.insert((Reverse(priority), asked), sender);
            receiver
        };
        // The sender leaves the queue only to send.
        waits.await.unwrap_or(Slot(None))
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut waiting = queue.lock();
                match waiting.queue.pop_first() {
                    Some((_, next)) => next,
                    None => {
                        waiting.free += 1;
                        return;
                    }
                }
            };
            match next.send(Slot(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                // Who gave up waiting does not get it. The slot comes back whole and must not be freed a second time.
                Err(mut slot) => slot.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_get_slots_by_priority_then_in_order_and_no_slot_is_lost() {
        let slots = Arc::new(Slots::new(&PoolSizes::from([(Pool::Io, 1)])));
        let held = slots.take(Pool::Io, 2).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = Vec::new();
        for (name, priority) in [("low", 1), ("first", 2), ("gives up", 3), ("second", 2), ("high", 3)] {
            let (slots, order) = (Arc::clone(&slots), Arc::clone(&order));
            waiters.push(tokio::spawn(async move {
                let _slot = slots.take(Pool::Io, priority).await;
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        waiters.remove(2).abort();
        tokio::task::yield_now().await;
        drop(held);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["high", "first", "second", "low"]);
        let again = slots.take(Pool::Io, 2);
        tokio::time::timeout(std::time::Duration::from_secs(5), again).await.expect("the slot is free again");
    }
}
