//! Watches a run to its end, showing how far it is.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use super::house::Replay;
use super::progress::Board;
use crate::cli::output::Output;
use crate::engine::{Engine as _, RunStatus};
use crate::failure::FailureClass;

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Everything is there.
    Completed,
    /// A task failed for good.
    Failed {
        /// Which.
        task: String,
        /// What could be done about it.
        class: FailureClass,
        /// For people.
        message: String,
    },
    /// Somebody asked the program to stop.
    Interrupted,
}

/// Follows the run until it is over or somebody stops the program.
///
/// # Errors
/// When the engine fails, or signals can't be received.
pub async fn follow(replay: &Replay, output: &Output) -> anyhow::Result<Ending> {
    let mut board = Board::new(replay, output);
    let mut events = replay.engine.subscribe();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut over = std::pin::pin!(replay.engine.wait(&replay.run));
    let outcome = loop {
        tokio::select! {
            outcome = &mut over => break outcome?,
            event = events.recv() => match event {
                Ok(event) => board.show(&event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break over.await?,
            },
            _ = interrupt.recv() => return Ok(Ending::Interrupted),
            _ = terminate.recv() => return Ok(Ending::Interrupted),
        }
    };
    while let Ok(event) = events.try_recv() {
        board.show(&event);
    }
    board.finish();
    Ok(match outcome.status {
        RunStatus::Completed => Ending::Completed,
        status => match outcome.failure {
            Some(failure) => Ending::Failed {
                task: failure.task.unwrap_or_else(|| "run".to_owned()),
                class: failure.class,
                message: failure.message,
            },
            None => Ending::Failed {
                task: "run".to_owned(),
                class: FailureClass::Cancelled,
                message: format!("the run is {status}"),
            },
        },
    })
}
