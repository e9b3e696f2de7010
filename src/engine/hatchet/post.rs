//! What each of our Hatchet workers is for: one for each pool's work, and one for the parents of a pool, who only wait.
//!
//! They are apart because of how the engine counts. It looks for slots that became free when at most half of those that it
//! last saw are left, else each second or so, and counts all slots of a worker, of whatever type. So free places for parents,
//! on the worker of a busy pool, would keep the pool's own slots idle for a second whenever they became free
//! (`Scheduler.replenish` of v0.104; measured: a quarter of the throughput).

use std::collections::HashMap;
use std::fmt;

use crate::workflow::{Pool, PoolSizes, TaskDefinition};

/// The engine's default slot type, which work takes.
const DEFAULT: &str = "default";
/// The slot type of parents that wait for their children.
const WAITING: &str = "waiting";
/// Parents that may wait for their children at once, in a process. Enough to keep every slot of work busy; tenants may have
/// to pay for slots.
const PARENTS: usize = 50;

/// What a Hatchet worker of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Post {
    /// The work of a pool.
    Work(Pool),
    /// A pool's parents, who wait for their children.
    Parents(Pool),
}

impl Post {
    /// Where a task is done.
    pub(super) fn of(task: &TaskDefinition) -> Self {
        if task.fan_out.is_some() { Self::Parents(task.pool) } else { Self::Work(task.pool) }
    }

    /// What a task that is done there takes, by slot type. None at all means one of the default type.
    pub(super) fn slot_requests(self) -> HashMap<String, i32> {
        match self {
            Self::Work(_) => HashMap::new(),
            Self::Parents(_) => HashMap::from([(WAITING.to_owned(), 1)]),
        }
    }

    /// What its worker has, by slot type.
    pub(super) fn slot_config(self, sizes: &PoolSizes) -> HashMap<String, i32> {
        let slot_type = match self {
            Self::Work(_) => DEFAULT,
            Self::Parents(_) => WAITING,
        };
        HashMap::from([(slot_type.to_owned(), i32::try_from(self.slots(sizes)).unwrap_or(i32::MAX))])
    }

    /// How many slots it has.
    pub(super) fn slots(self, sizes: &PoolSizes) -> usize {
        match self {
            Self::Work(pool) => sizes.get(&pool).copied().unwrap_or(1),
            Self::Parents(_) => PARENTS,
        }
    }
}

impl fmt::Display for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(pool) => write!(f, "{pool}"),
            Self::Parents(pool) => write!(f, "{pool}-parents"),
        }
    }
}
