//! Whether anybody executes the runs that a command asks for: with the embedded engine only a `serve` does, and without one
//! whoever waits would wait in silence.

use std::time::Duration;

use super::Service;
use crate::cli::output::Output;
use crate::config::Provider;
use crate::failure::with_causes;
use crate::secret::redacted;
use crate::store::ExecutorLock;

/// When it is looked again: a `serve` that was just being started, or taken over, is there by then.
const AGAIN: Duration = Duration::from_secs(10);

/// Tells people when nobody executes runs.
pub async fn tell_if_nobody_executes(service: &Service, output: &Output) {
    if service.provider != Provider::None {
        return;
    }
    match ExecutorLock::is_held(&service.database).await {
        Ok(true) => {}
        Ok(false) => output.line(
            "note: no `trackscribe serve` executes runs on this database: what was asked for waits until one is started",
        ),
        // The command goes on: what it asked for is written.
        Err(error) => tracing::debug!(error = redacted(&with_causes(&error)), "it is not known who executes runs"),
    }
}

/// Waits for `done`, and tells people once in between when nobody executes runs.
pub async fn waiting<T>(service: &Service, output: &Output, done: impl Future<Output = T>) -> T {
    let mut done = std::pin::pin!(done);
    tokio::select! {
        done = &mut done => return done,
        () = tokio::time::sleep(AGAIN) => {}
    }
    tell_if_nobody_executes(service, output).await;
    done.await
}
