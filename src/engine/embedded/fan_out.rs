//! Runs a fan-out: plan with a slot, wait for the children without one, collect with a slot again.
//!
//! The list of children is stored with the attempt that made it and is the same on a retry. A retry joins the children
//! that completed or still run, and starts anew, in the next round, those that failed, were cancelled or never existed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::{Map, Value};

use super::active::Left;
use super::executor::{Executor, Stop};
use super::new_run::new_run;
use super::slots::Slot;
use super::task_run::{Ended, Try};
use super::waiting::wait_for_slot;
use crate::clock::Timestamp;
use crate::engine::child_task;
use crate::failure::FailureClass;
use crate::ids::{RunId, TaskRunId};
use crate::store::StoreError;
use crate::store::runs::{AttemptOutcome, ChildRecord, NewRun, ParentOf, RunStatus, RunStore, StoredFailure};
use crate::workflow::runner::{self, Outcome};
use crate::workflow::{Child, ChildOutputs, FanOutHandler, TaskError, show_duration};

/// One attempt of a fan-out.
pub(super) async fn run(this: &Try<'_>, handler: Arc<dyn FanOutHandler>, slot: Slot) -> Result<Ended, Stop> {
    let stored = this.executor.persist(|| stored_plan(&this.executor.store, &this.record.id)).await?;
    let (plan, new_plan) = match stored {
        Some(plan) => (plan, None),
        None => match runner::plan(Arc::clone(&handler), this.for_runner()).await {
            Outcome::Completed(plan) => {
                let json = serde_json::to_string(&plan).map_err(|error| StoreError::garbled("plan", error));
                (plan, Some(json.map_err(Stop::Store)?))
            }
            Outcome::Failed(error) => return Ok(Ended::Failed(this.failure(error.class, error.message))),
            Outcome::TimedOut(timeout) => {
                return Ok(Ended::TimedOut(this.failure(FailureClass::Retryable, timeout.to_string())));
            }
            Outcome::Cancelled => return Ok(Ended::Cancelled),
        },
    };
    drop(slot);

    let missing = match missing_children(this, &plan).await? {
        Ok(missing) => missing,
        Err(failure) => return Ok(Ended::FailedForGood(failure)),
    };
    let (executor, store) = (this.executor, &this.executor.store);
    if !executor.persist(|| store.create_children(&this.attempt, new_plan.as_deref(), &missing)).await? {
        return Err(Stop::Cancelled);
    }
    let children = match join(this, &plan).await? {
        Ok(children) => children,
        Err(ended) => return Ok(ended),
    };
    if let Some(failure) = first_failure(&this.task.name, &children) {
        return Ok(Ended::FailedForGood(failure));
    }

    let left = this.deadline.since(executor.clock.now()).min(this.task.limits.schedule_timeout);
    let slot = match wait_for_slot(executor, this.run, this.task, left).await {
        Ok(Ok(slot)) => slot,
        Ok(Err(failure)) => return Ok(Ended::TimedOut(failure)),
        Err(Stop::Halted) => return Ok(Ended::Cancelled),
        Err(stop) => return Err(stop),
    };
    executor.persist(|| store.children_joined(&this.attempt)).await?;
    let outputs = StoredOutputs { store: store.clone(), children: in_plan_order(&plan, &children) };
    let outcome = runner::collect(handler, this.for_runner(), Box::new(outputs)).await;
    drop(slot);
    Ok(Ended::of(&this.task.name, outcome))
}

async fn stored_plan(store: &RunStore, task_run: &TaskRunId) -> Result<Option<Vec<Child<Value>>>, StoreError> {
    let Some(plan) = store.plan(task_run).await? else { return Ok(None) };
    serde_json::from_str(&plan).map(Some).map_err(|error| StoreError::garbled("plan", error))
}

/// The child runs that this attempt has to make.
async fn missing_children(this: &Try<'_>, plan: &[Child<Value>]) -> Result<Result<Vec<NewRun>, StoredFailure>, Stop> {
    let (executor, store) = (this.executor, &this.executor.store);
    let name = this.task.fan_out.as_deref().unwrap_or_default();
    let Some(workflow) = executor.registry.workflow(name) else {
        return Ok(Err(
            this.failure(FailureClass::Permanent, format!("there is no workflow {name:?} to make children of"))
        ));
    };
    let began = executor.persist(|| try_began(store, &this.record.id)).await?;
    let existing = executor.persist(|| store.children(&this.record.id)).await?;
    let existing: HashMap<&str, &ChildRecord> = existing.iter().map(|child| (child.key.as_str(), child)).collect();
    let now = executor.clock.now();
    let missing = plan.iter().filter_map(|child| {
        let round = match existing.get(child.key.as_str()) {
            None => 1,
            Some(earlier) if lost_before(earlier, began) => earlier.round + 1,
            Some(_) => return None,
        };
        let parent = ParentOf {
            run: this.run.source.run.clone(),
            task_run: this.record.id.clone(),
            key: child.key.clone(),
            round,
        };
        let root_run = this.run.source.root_run.clone();
        let mut run = new_run(workflow, &child.input, this.run.metadata.clone(), Some((root_run, parent)), now);
        run.priority = this.run.priority;
        Some(run)
    });
    Ok(Ok(missing.collect()))
}

/// When the present try began, counting attempts that were cut off and the one that goes on from them as one try: a child
/// that failed within it has failed, and is not started anew because the process was killed meanwhile.
async fn try_began(store: &RunStore, task_run: &TaskRunId) -> Result<Option<Timestamp>, StoreError> {
    let attempts = store.attempts(task_run).await?;
    let cut_off = |outcome| matches!(outcome, None | Some(AttemptOutcome::Interrupted));
    let one_try = attempts.iter().rev().take_while(|attempt| cut_off(attempt.outcome));
    Ok(one_try.map(|attempt| attempt.created_at).min())
}

fn lost_before(child: &ChildRecord, began: Option<Timestamp>) -> bool {
    matches!(child.status, RunStatus::Failed | RunStatus::Cancelled) && child.finished_at < began
}

/// Drives all children at once and waits for all of them, whether they fail or not.
async fn join(this: &Try<'_>, plan: &[Child<Value>]) -> Result<Result<Vec<ChildRecord>, Ended>, Stop> {
    let (executor, store) = (this.executor, &this.executor.store);
    loop {
        let children = executor.persist(|| store.children(&this.record.id)).await?;
        let running: Vec<RunId> =
            children.iter().filter(|child| !child.status.is_final()).map(|child| child.run.clone()).collect();
        if running.is_empty() {
            return Ok(Ok(children));
        }
        let left = running.iter().map(|run| {
            let mut left = executor.drive(run, this.run.cancel.child_token());
            async move { left.wait_for(Option::is_some).await.ok().and_then(|left| left.clone()) }
        });
        let left = tokio::select! {
            biased;
            () = this.ctx.cancellation().cancelled() => return Ok(Err(Ended::Cancelled)),
            left = join_all(left) => left,
            () = executor.clock.sleep_until(this.deadline) => {
                let after = show_duration(this.task.limits.execution_timeout);
                let message = format!(
                    "task {} was not done after {after}: {} of its {} children were not done (its execution_timeout, \
                     which WORKFLOW_OVERRIDES can raise)",
                    this.task.name, running.len(), plan.len()
                );
                return Ok(Err(Ended::TimedOut(this.failure(FailureClass::Retryable, message))));
            }
        };
        if executor.stop.is_cancelled() {
            return Ok(Err(Ended::Cancelled));
        }
        for left in left.into_iter().flatten() {
            if let Left::Abandoned { class, why } = left {
                return Err(Stop::Store(StoreError::Abandoned { class, why }));
            }
        }
    }
}

/// The failure of the child that failed first.
fn first_failure(fan_out: &str, children: &[ChildRecord]) -> Option<StoredFailure> {
    let lost = children.iter().filter(|child| child.status != RunStatus::Completed);
    let child = lost.min_by_key(|child| child.finished_at)?;
    Some(match &child.failure {
        Some(failure) => StoredFailure {
            task: Some(child_task(fan_out, &child.key, failure.task.as_deref())),
            class: failure.class,
            message: failure.message.clone(),
        },
        None => StoredFailure {
            task: Some(child_task(fan_out, &child.key, None)),
            class: FailureClass::Permanent,
            message: format!("child {} of {fan_out} was {}", child.key, child.status),
        },
    })
}

/// Stops the children of a task that failed for good while they still run: nobody will read what they make.
pub(super) async fn stop_children(executor: &Arc<Executor>, task_run: &TaskRunId) -> Result<(), Stop> {
    let store = &executor.store;
    for child in executor.persist(|| store.children(task_run)).await? {
        if !child.status.is_final() {
            let now = executor.clock.now();
            executor.persist(|| store.cancel(&child.run, now)).await?;
            executor.active.cancel(&child.run);
        }
    }
    Ok(())
}

fn in_plan_order(plan: &[Child<Value>], children: &[ChildRecord]) -> VecDeque<(String, RunId)> {
    let runs: HashMap<&str, &RunId> = children.iter().map(|child| (child.key.as_str(), &child.run)).collect();
    plan.iter().filter_map(|child| Some((child.key.clone(), (*runs.get(child.key.as_str())?).clone()))).collect()
}

/// Reads the children's outputs from the store, one by one.
struct StoredOutputs {
    store: RunStore,
    children: VecDeque<(String, RunId)>,
}

#[async_trait]
impl ChildOutputs<Value> for StoredOutputs {
    async fn next(&mut self) -> Result<Option<(String, Value)>, TaskError> {
        let Some((key, run)) = self.children.pop_front() else { return Ok(None) };
        let mut output = Map::new();
        for (task, json) in self.store.outputs(&run).await? {
            let json = serde_json::from_str(&json).map_err(|error| StoreError::garbled("task output", error))?;
            output.insert(task, json);
        }
        Ok(Some((key, Value::Object(output))))
    }
}
