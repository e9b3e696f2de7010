//! What happens in runs, live, for followers in this process. Followers that fall behind miss events; the store does not.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::engine::RunStatus;
use crate::ids::RunId;
use crate::store::runs::TaskStatus;
use crate::workflow::LogLevel;

/// Events kept for a follower that is slow.
const KEPT: usize = 4096;

/// The run that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSource {
    /// The run.
    pub run: RunId,
    /// The outermost run; `run` itself unless this is a child.
    pub root_run: RunId,
    /// The workflow's exact name.
    pub workflow: String,
    /// Which child it is, e.g. the track.
    pub child_key: Option<String>,
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEvent {
    /// Where.
    pub source: Arc<RunSource>,
    /// What.
    pub what: Happening,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The run got its place, or goes on after a restart.
    RunStarted,
    /// An attempt has its slot.
    TaskStarted {
        /// The task.
        task: String,
        /// 1 for the first try.
        attempt: u32,
    },
    /// An attempt is this far.
    Progress {
        /// The task.
        task: String,
        /// From 0 to 1.
        fraction: f64,
        /// At what it is.
        doing: String,
    },
    /// An attempt said something.
    Log {
        /// The task.
        task: String,
        /// How loud.
        level: LogLevel,
        /// What.
        line: String,
    },
    /// An attempt sent bytes.
    Stream {
        /// The task.
        task: String,
        /// The bytes.
        chunk: Vec<u8>,
    },
    /// An attempt failed and the task is tried again.
    Retrying {
        /// The task.
        task: String,
        /// How long until then.
        after: Duration,
        /// The attempt's error.
        message: String,
    },
    /// A task is over.
    TaskFinished {
        /// The task.
        task: String,
        /// Completed, failed, skipped or cancelled.
        status: TaskStatus,
    },
    /// The run is over.
    RunFinished {
        /// Completed, failed or cancelled.
        status: RunStatus,
    },
}

/// Where events go.
#[derive(Debug, Clone)]
pub(super) struct Events(broadcast::Sender<RunEvent>);

impl Events {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<RunEvent> {
        self.0.subscribe()
    }

    pub(super) fn send(&self, source: &Arc<RunSource>, what: Happening) {
        // Fails when nobody follows, which is nobody's loss.
        let _ = self.0.send(RunEvent { source: Arc::clone(source), what });
    }
}
