//! Sees what other processes asked for: runs to start or resume, runs that were cancelled, and whether another executor
//! took over. Takes runs up again that were left because the store failed. One small look at the database a few times a second; everything within this process goes by events.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::executor::Executor;
use crate::ids::RunId;
use crate::store::StoreError;

/// Two looks within the half second in which requests are to be seen.
const EVERY: Duration = Duration::from_millis(200);

/// Looks until the executor stops.
pub(super) async fn watch(executor: Arc<Executor>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = executor.stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = look(&executor).await {
            tracing::debug!(%error, "could not look for requests");
        }
    }
}

/// One look: drives outermost runs that nobody drives, and stops the code of runs that are no longer active.
pub(super) async fn look(executor: &Arc<Executor>) -> Result<(), StoreError> {
    // Taken first: whatever is driven now was in the database before.
    let driven = executor.active.ids();
    if executor.store.generation().await? != executor.generation {
        executor.fence();
        return Ok(());
    }
    let active = executor.store.active().await?;
    for (run, is_child) in &active {
        if !is_child && executor.active.wants_driver(run, &executor.clock) && !executor.stop.is_cancelled() {
            executor.drive_root(run);
        }
    }
    let active: HashSet<RunId> = active.into_iter().map(|(run, _)| run).collect();
    for run in driven.iter().filter(|run| !active.contains(run)) {
        executor.active.cancel(run);
        executor.active.forget(run);
    }
    Ok(())
}
