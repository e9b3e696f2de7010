//! What a worker shows of itself.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::metrics;
use crate::clock::{SharedClock, Timestamp};
use crate::engine::hatchet::{Snapshot, Worker};
use crate::http::{ReadyCheck, WorkerReport};

/// How long a worker may have no live stream before whoever watches it should know.
const DEAF_FOR: Duration = Duration::from_secs(30);

/// The worker once it is registered: the engine may be away for long before.
#[derive(Clone, Default)]
pub struct Beginning(Arc<OnceLock<Arc<Worker>>>);

impl Beginning {
    /// It is registered.
    pub fn done(&self, worker: Arc<Worker>) {
        // There is one in a process.
        let _ = self.0.set(worker);
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.0.get().map(|worker| worker.snapshot())
    }
}

/// Ready as long as work can come.
pub struct Deaf(pub Beginning);

#[async_trait]
impl ReadyCheck for Deaf {
    fn name(&self) -> &'static str {
        "hatchet"
    }

    fn is_needed(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        let Some(worker) = self.0.0.get() else {
            return Err("not registered with Hatchet yet; the log says what it waits for".to_owned());
        };
        match worker.deaf(DEAF_FOR) {
            None => Ok("listening".to_owned()),
            Some(why) => Err(why),
        }
    }
}

/// The worker's pages.
pub struct Pages {
    /// Whose.
    pub worker: Beginning,
    /// What time it is.
    pub clock: SharedClock,
}

impl WorkerReport for Pages {
    fn health(&self) -> Value {
        let snapshot = self.worker.snapshot();
        let mut shown = shown(snapshot.as_ref().unwrap_or(&Snapshot::default()));
        shown["registered"] = snapshot.is_some().into();
        shown
    }

    fn metrics(&self) -> String {
        metrics::text(&self.worker.snapshot().unwrap_or_default(), self.clock.now())
    }
}

fn shown(snapshot: &Snapshot) -> Value {
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let posts = snapshot.posts.iter().map(|(name, post)| {
        let shown = json!({
            "slots": post.slots,
            "worker": post.worker,
            "listening_since": moment(post.listening_since),
            "heartbeat_at": moment(post.heartbeat_at),
            "streams": post.streams,
            "last_trouble": post.last_trouble,
        });
        (name.clone(), shown)
    });
    let posts: serde_json::Map<String, Value> = posts.collect();
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
    json!({"posts": posts, "tasks": tasks.collect::<Vec<_>>(), "counts": snapshot.counts, "to_tell": snapshot.to_tell})
}
