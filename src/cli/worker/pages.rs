//! What a worker shows of itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::metrics;
use crate::clock::{SharedClock, Timestamp};
use crate::engine::hatchet::{Snapshot, Worker};
use crate::http::{ReadyCheck, WorkerReport};

/// How long a worker may have no live stream before whoever watches it should know.
const DEAF_FOR: Duration = Duration::from_secs(30);

/// Ready as long as work can come.
pub struct Deaf(pub Arc<Worker>);

#[async_trait]
impl ReadyCheck for Deaf {
    fn name(&self) -> &'static str {
        "hatchet"
    }

    fn is_needed(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        match self.0.deaf(DEAF_FOR) {
            None => Ok("listening".to_owned()),
            Some(why) => Err(why),
        }
    }
}

/// The worker's pages.
pub struct Pages {
    /// Whose.
    pub worker: Arc<Worker>,
    /// What time it is.
    pub clock: SharedClock,
}

impl WorkerReport for Pages {
    fn health(&self) -> Value {
        shown(&self.worker.snapshot())
    }

    fn metrics(&self) -> String {
        metrics::text(&self.worker.snapshot(), self.clock.now())
    }
}

fn shown(snapshot: &Snapshot) -> Value {
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let pools = snapshot.pools.iter().map(|(name, pool)| {
        let shown = json!({
            "slots": pool.slots,
            "worker": pool.worker,
            "listening_since": moment(pool.listening_since),
            "heartbeat_at": moment(pool.heartbeat_at),
            "streams": pool.streams,
            "last_trouble": pool.last_trouble,
        });
        (name.clone(), shown)
    });
    let pools: serde_json::Map<String, Value> = pools.collect();
    let tasks = snapshot.tasks.iter().map(|task| {
        json!({
            "task": task.task,
            "run": task.run,
            "attempt": task.attempt,
            "since": task.since.to_string(),
            "waiting": task.waiting,
            "fraction": task.fraction,
            "doing": task.doing,
        })
    });
    json!({"pools": pools, "tasks": tasks.collect::<Vec<_>>(), "counts": snapshot.counts, "to_tell": snapshot.to_tell})
}
