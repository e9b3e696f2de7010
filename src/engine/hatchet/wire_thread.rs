//! The thread that talks to Hatchet: the connection and the heartbeats live on a runtime of their own, so that no task,
//! however it behaves, makes a heartbeat late. Five seconds without one, and the engine gives us no more work; thirty,
//! and it gives ours to others.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, EnterGuard, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The thread; it ends with its last holder.
#[derive(Debug, Clone)]
pub(super) struct WireThread {
    runtime: Handle,
    _stop: Arc<DropGuard>,
}

impl WireThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone();
        thread::Builder::new().name("hatchet-wire".to_owned()).spawn(move || runtime.block_on(stopped.cancelled()))?;
        Ok(Self { runtime: handle, _stop: Arc::new(stop.drop_guard()) })
    }

    /// Makes this thread's runtime the one that is spawned on, for as long as the guard lives.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Runs `work` there.
    pub(super) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.runtime.spawn(work)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn e2_what_runs_there_goes_on_while_this_runtime_is_blocked() {
        let wire = WireThread::start().unwrap();
        let began = Instant::now();
        let beat = wire.spawn(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            began.elapsed()
        });
        thread::sleep(Duration::from_millis(200));
        assert!(beat.await.unwrap() < Duration::from_millis(150));
    }
}
