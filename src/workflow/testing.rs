//! What tests of tasks and engines need: a context without an engine, and a sink that remembers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{LogLevel, TaskContext, TaskIdentity, TaskSink};
use crate::clock::{ManualClock, SharedClock, Timestamp};
use crate::ids::{RunId, TaskRunId};

/// Remembers, as text, all that a task says.
#[derive(Default)]
pub(crate) struct RememberingSink(Mutex<Vec<String>>);

impl RememberingSink {
    pub(crate) fn said(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl TaskSink for RememberingSink {
    fn log(&self, _: LogLevel, line: &str) {
        self.add(format!("log {line}"));
    }
    fn put_stream(&self, chunk: &[u8]) {
        self.add(format!("stream {}", String::from_utf8_lossy(chunk)));
    }
    fn progress(&self, fraction: f64, doing: &str) {
        self.add(format!("progress {fraction:.2} {doing}"));
    }
    fn piece_kept(&self) {
        self.add("piece kept".to_owned());
    }
}

/// A context of an outer run's task for tests.
pub(crate) fn context(task: &str, clock: SharedClock, sink: Arc<dyn TaskSink>) -> TaskContext {
    let run = RunId::generate();
    let identity = TaskIdentity {
        workflow: "Tested".to_owned(),
        task: task.to_owned(),
        run: run.clone(),
        root_run: run,
        child_key: None,
        task_run: TaskRunId::generate(),
        attempt: 1,
        generation: None,
    };
    TaskContext::new(identity, BTreeMap::new(), sink, CancellationToken::new(), clock)
}

/// A clock that stands at the epoch.
pub(crate) fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_micros(0))
}

/// Returns once somebody waits for `clock` to show exactly `at` after the epoch.
pub(crate) async fn awaited(clock: &ManualClock, at: Duration) {
    let at = Timestamp::from_micros(0).plus(at);
    until(|| clock.awaited().contains(&at)).await;
}

/// Returns once `condition` holds; a test that waits for what never comes fails instead of hanging.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("what the test waits for did not come");
}
