//! Looks at runs: as the engine's core has them, which is never behind; and by REST where they are too large for that,
//! because no message of the core's may have more than 4 MiB, and outputs that others made may have more together.

use tonic::{Code, Status};

use super::connection::Connection;
use super::error::HatchetError;
use super::rest::Rest;
use super::run_end::RunEnd;
use super::wire::v1;

/// Where a run is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RunState {
    /// The engine has no such run, or not yet.
    Unknown,
    /// Something of it is still to be done.
    UnderWay {
        /// Nothing of it has begun.
        is_queued: bool,
    },
    /// It is over.
    Over(RunEnd),
}

/// Looks at runs. Cheap to clone.
#[derive(Clone)]
pub(super) struct RunReader {
    connection: Connection,
    rest: Rest,
}

impl RunReader {
    pub(super) fn new(connection: Connection, rest: Rest) -> Self {
        Self { connection, rest }
    }

    /// Where a run is.
    ///
    /// # Errors
    /// When the engine can't be reached.
    pub(super) async fn look(&self, run: &str) -> Result<RunState, HatchetError> {
        match self.connection.run_details(run).await {
            Ok(details) => Ok(of_details(details)),
            // An id that is no UUID can be no run's.
            Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(RunState::Unknown),
            Err(status) if is_too_large(&status) => self.look_by_rest(run).await,
            Err(status) => Err(HatchetError::of("looking at a run", &status)),
        }
    }

    /// The read side may be behind: what it does not show as over may be.
    async fn look_by_rest(&self, run: &str) -> Result<RunState, HatchetError> {
        Ok(match self.rest.run(run).await? {
            Some(page) if page.run.status.is_final() => RunState::Over(RunEnd::of_page(page)),
            _ => RunState::UnderWay { is_queued: false },
        })
    }
}

/// Too large for the engine to send, or for us to take.
fn is_too_large(status: &Status) -> bool {
    matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange)
}

fn of_details(details: v1::RunDetails) -> RunState {
    if details.done {
        return RunState::Over(RunEnd::of_details(details));
    }
    // A completed task of a run under way may be called queued.
    let is_queued = details.task_runs.values().all(|task| task.status() == v1::RunStatus::Queued);
    RunState::UnderWay { is_queued }
}
