//! What is asked of runs through the store alone, the same whether or not this process executes them.

use serde_json::{Map, Value};

use super::new_run::new_run;
use crate::clock::Timestamp;
use crate::engine::{EngineError, RunFailure, RunOutcome, RunStatus, StartOptions};
use crate::ids::RunId;
use crate::store::StoreError;
use crate::store::runs::{self, NewRun, RunRecord, RunStore};
use crate::workflow::{Definitions, MAX_OUTER_INPUT_BYTES, TaskError, payload_bytes};

/// The run that somebody asks for.
///
/// # Errors
/// What is wrong with the workflow's name or the input.
pub(super) fn requested(
    definitions: &Definitions,
    workflow: &str,
    input: &Value,
    options: StartOptions,
    now: Timestamp,
) -> Result<NewRun, EngineError> {
    let definition = definitions.workflow(workflow).ok_or_else(|| EngineError::UnknownWorkflow {
        name: workflow.to_owned(),
        known: definitions.workflows().iter().map(|known| known.name.clone()).collect(),
    })?;
    if !input.is_object() {
        return Err(EngineError::InputNoObject);
    }
    let bytes = payload_bytes(input);
    if bytes > MAX_OUTER_INPUT_BYTES {
        return Err(EngineError::InputTooLarge { bytes, most: MAX_OUTER_INPUT_BYTES });
    }
    let mut run = new_run(definition, input, options.metadata, None, now);
    run.dedupe_key = options.dedupe_key;
    run.replay_of = options.replay_of;
    run.priority = options.priority.number();
    Ok(run)
}

/// A run that must be there.
pub(super) async fn record(store: &RunStore, run: &RunId) -> Result<RunRecord, EngineError> {
    store.run(run).await?.ok_or_else(|| EngineError::UnknownRun(run.clone()))
}

/// How a run ended.
pub(super) async fn outcome(store: &RunStore, record: RunRecord) -> Result<RunOutcome, EngineError> {
    let mut output = Map::new();
    for (task, json) in store.outputs(&record.id).await? {
        let json = serde_json::from_str(&json).map_err(|error| StoreError::garbled("task output", error))?;
        output.insert(task, json);
    }
    let failure =
        record.failure.map(|failure| RunFailure { task: failure.task, class: failure.class, message: failure.message });
    Ok(RunOutcome { status: record.status.into(), failure, output })
}

/// Makes a run ready to be taken up again; gives the outermost run, and whether it is active now.
pub(super) async fn resume(store: &RunStore, run: &RunId) -> Result<(RunId, bool), EngineError> {
    // A child's output is wanted by its parent only, so it is taken up with the outermost run.
    let root = record(store, run).await?.root_run;
    match store.resume(&root).await {
        Ok(_) => {}
        Err(error) if error.is_unique_violation() => return Err(EngineError::KeyInUse(root)),
        Err(error) => return Err(error.into()),
    }
    let active = !record(store, &root).await?.status.is_final();
    Ok((root, active))
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Locked { lock } = error {
            return Self::AlreadyRunning { lock };
        }
        let TaskError { class, message } = error.into();
        Self::Backend { class, message }
    }
}

impl From<runs::RunStatus> for RunStatus {
    fn from(status: runs::RunStatus) -> Self {
        match status {
            runs::RunStatus::Queued => Self::Queued,
            runs::RunStatus::Running => Self::Running,
            runs::RunStatus::Completed => Self::Completed,
            runs::RunStatus::Failed => Self::Failed,
            runs::RunStatus::Cancelled => Self::Cancelled,
        }
    }
}
