//! One CPU budget per process: as many permits as cores. Whoever decodes, mixes, encodes or recognises holds as many
//! permits as it uses threads, until its thread has really stopped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::workflow::{TaskContext, TaskError};

/// How often a task that waits for a free core shows that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// The process's cores, shared by all tasks.
#[derive(Debug, Clone)]
pub struct CpuBudget {
    permits: Arc<Semaphore>,
    cores: usize,
}

impl CpuBudget {
    /// A budget of `cores` threads, at least one.
    pub fn new(cores: usize) -> Self {
        let cores = cores.max(1);
        Self { permits: Arc::new(Semaphore::new(cores)), cores }
    }

    /// How many threads may work at once.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Does blocking `work` on a thread of its own, once `threads` cores are free. When the task is cancelled it
    /// returns at once; the work sees its token and gives its permits back when it has stopped.
    ///
    /// # Errors
    /// What the work returns; cancellation while waiting. A panic of the work goes on in the caller.
    pub async fn run<T, E>(
        &self,
        threads: usize,
        ctx: &TaskContext,
        work: impl FnOnce(&CancellationToken) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, TaskError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let threads = u32::try_from(threads.clamp(1, self.cores)).unwrap_or(1);
        let mut waiting = std::pin::pin!(Arc::clone(&self.permits).acquire_many_owned(threads));
        let permit = loop {
            let until = ctx.clock().now().plus(SIGN_OF_LIFE);
            tokio::select! {
                permit = &mut waiting => break permit.map_err(|_| TaskError::cancelled())?,
                () = ctx.cancellation().cancelled() => return Err(TaskError::cancelled()),
                () = ctx.clock().sleep_until(until) => ctx.progress(0.0, "waiting for a free core"),
            }
        };
        let cancel = ctx.cancellation().child_token();
        // Dropping this future (time-out, cancellation) tells the thread to stop.
        let _stop = cancel.clone().drop_guard();
        // What the thread logs belongs to the task.
        let span = tracing::Span::current();
        let thread = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(|| work(&cancel))
        });
        match thread.await {
            Ok(result) => Ok(result),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(TaskError::cancelled()),
        }
    }
}
