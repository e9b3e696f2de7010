//! Opens a task's services before it and closes them after it, whichever way it ends.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinHandle;

use super::{House, TaskContext, TaskError};
use crate::clock::SharedClock;

/// How long closing may take; after that the rest is dropped as it is.
const CLOSING: Duration = Duration::from_secs(5);

/// The services of one attempt. Dropping it closes them too, in the background: that is the way out when an attempt is
/// dropped because it timed out or was cancelled.
pub(super) struct OpenServices<H: House> {
    house: Arc<H>,
    services: Arc<H::Services>,
    clock: SharedClock,
    closing: bool,
}

impl<H: House> OpenServices<H> {
    pub(super) async fn open(house: &Arc<H>, ctx: &TaskContext) -> Result<Self, TaskError> {
        let services = house.open(ctx).await.map_err(|error| error.context("opening the task's services"))?;
        let (house, services) = (Arc::clone(house), Arc::new(services));
        Ok(Self { house, services, clock: Arc::clone(ctx.clock()), closing: false })
    }

    pub(super) fn services(&self) -> Arc<H::Services> {
        Arc::clone(&self.services)
    }

    /// Does `work`, then closes the services and waits for that, 5 s at most. A panic of `work` goes on after closing.
    pub(super) async fn during<R>(mut self, work: impl Future<Output = R> + Send) -> R {
        let result = AssertUnwindSafe(work).catch_unwind().await;
        if let Some(closing) = self.start_closing() {
            // Whether it ended, panicked or ran out of time, there is nothing left to do with the services.
            let _ = closing.await;
        }
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Closing runs as a task of its own, so that it goes on when whoever waits for it is dropped.
    fn start_closing(&mut self) -> Option<JoinHandle<()>> {
        if std::mem::replace(&mut self.closing, true) {
            return None;
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (house, services, clock) = (Arc::clone(&self.house), self.services(), Arc::clone(&self.clock));
        Some(runtime.spawn(async move {
            let deadline = clock.now().plus(CLOSING);
            let closing = AssertUnwindSafe(house.close(&services)).catch_unwind();
            tokio::select! {
                closed = closing => if closed.is_err() {
                    tracing::error!("closing a task's services panicked; they were dropped as they are");
                },
                () = clock.sleep_until(deadline) => {
                    tracing::warn!("a task's services did not close within 5 s; they were dropped as they are");
                }
            }
        }))
    }
}

impl<H: House> Drop for OpenServices<H> {
    fn drop(&mut self) {
        self.start_closing();
    }
}
