//! Stops in order: takes nothing more, finishes what can be finished in time, and says nothing of the rest, so that another
//! worker takes it over without a retry being spent and goes on from the pieces that were kept (E4).

use std::time::Duration;

use futures::future::join_all;

use super::Worker;

/// How long pausing may take; without it the engine gives us some more that others then take over.
const PAUSING: Duration = Duration::from_secs(2);
/// How often it is looked whether anything still works.
const LOOK: Duration = Duration::from_millis(50);
/// How long what was stopped may take to end: the runner's grace, and a little.
const STOPPING: Duration = Duration::from_millis(1200);
/// How long outcomes are still told, and then last words sent.
const TELLING: Duration = Duration::from_secs(3);
const LAST_WORDS: Duration = Duration::from_secs(1);
const LEAVING: Duration = Duration::from_secs(1);

impl Worker {
    /// Stops the worker. Takes its grace and a few seconds at most, whatever the engine does.
    pub async fn stop(&self) {
        let dispatch = &self.dispatch;
        let workers: Vec<String> = self.snapshot().posts.into_values().filter_map(|post| post.worker).collect();
        let pausing = join_all(workers.iter().map(|worker| dispatch.rest.pause(worker)));
        match tokio::time::timeout(PAUSING, pausing).await {
            Ok(paused) => paused.into_iter().filter_map(Result::err).for_each(|error| {
                tracing::warn!(%error, "the worker could not be paused; it may be given some more");
            }),
            Err(_) => tracing::warn!("pausing the worker took too long; it may be given some more"),
        }
        let running = dispatch.ledger.running().len();
        tracing::info!(running, grace = ?self.options.grace, "takes nothing more");
        let worked_off = async {
            // Who only waits for children may wait elsewhere as well.
            while self.live.is_working() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(self.options.grace, worked_off).await.is_err() {
            tracing::warn!("some tasks could not be finished in time; another worker takes them over");
        }
        dispatch.ledger.leave();
        let stopped = async {
            while !self.snapshot().tasks.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(STOPPING, stopped).await;
        dispatch.reporter.pending.close();
        if tokio::time::timeout(TELLING, dispatch.reporter.pending.wait()).await.is_err() {
            tracing::warn!("Hatchet did not hear how some tasks ended; another worker does them again");
        }
        dispatch.attempts.close();
        let _ = tokio::time::timeout(LAST_WORDS, dispatch.attempts.wait()).await;
        self.listening.cancel();
        self.sessions.close();
        let leaving = async {
            self.sessions.wait().await;
            // Only tidies up: the end of the stream has said it all.
            join_all(workers.iter().map(|worker| dispatch.connection.unsubscribe(worker))).await;
        };
        let _ = tokio::time::timeout(LEAVING, leaving).await;
    }
}
