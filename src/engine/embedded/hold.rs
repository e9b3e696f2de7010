//! Holds the executor's lock for as long as anything works under it, and stops everything when it is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::executor::Executor;

/// How long stopping waits for attempts to end. They have a grace of 0.9 s.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How long it waits for the note that everything stopped in order.
const NOTE: Duration = Duration::from_secs(2);

/// Watches the lock until the executor stops; then waits until its runs have stopped, and gives the lock back. Cancels
/// `released` in the end.
pub(super) async fn hold(executor: Arc<Executor>, released: CancellationToken) {
    tokio::select! {
        why = executor.lock.lost() => executor.lost(&why),
        () = executor.stop.cancelled() => {}
    }
    executor.drivers.close();
    let stopped = tokio::time::timeout(SHUTDOWN, executor.drivers.wait()).await.is_ok();
    if !stopped {
        tracing::warn!("some tasks did not stop in time; they were left behind");
    }
    if !executor.severed.is_cancelled() {
        if stopped {
            // Without it the next executor is a little more careful, that is all.
            match tokio::time::timeout(NOTE, executor.store.give_back()).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the database was not given back in order"),
            }
        }
        executor.store.database().close().await;
    }
    executor.lock.release().await;
    released.cancel();
}
