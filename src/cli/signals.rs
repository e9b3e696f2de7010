//! SIGTERM and Ctrl-C: the first ends the program in order, the second at once.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What an impatient end is told as.
const INTERRUPTED: i32 = 130;

/// A token that the first of these signals cancels.
///
/// # Errors
/// When the operating system lets nobody listen.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let token = stop.clone();
    tokio::spawn(async move {
        for turn in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if turn > 0 {
                std::process::exit(INTERRUPTED);
            }
            tracing::info!("stopping; once more ends it at once");
            token.cancel();
        }
    });
    Ok(stop)
}
