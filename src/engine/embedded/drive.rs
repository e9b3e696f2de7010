//! Drives one run: starts each task when its parents are done, several at once, and ends the run.
//!
//! A task that failed for good stops what depends on it; other branches go on to their end. Then the on-failure task runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::events::{Happening, RunSource};
use super::executor::{Executor, Stop};
use super::task_run;
use crate::engine;
use crate::failure::FailureClass;
use crate::ids::RunId;
use crate::store::StoreError;
use crate::store::runs::{Admission, RunRecord, RunStatus, StoredFailure, TaskRunRecord, TaskStatus};
use crate::workflow::{TaskDefinition, TaskRunError, WorkflowDefinition};

/// What the tasks of one run share.
pub(super) struct Run {
    pub(super) source: Arc<RunSource>,
    pub(super) definition: WorkflowDefinition,
    pub(super) metadata: BTreeMap<String, String>,
    /// Its concurrency group, and how many runs of that may be running.
    pub(super) group: Option<(String, u32)>,
    pub(super) priority: i64,
    /// Stops the code of this run and of its children.
    pub(super) cancel: CancellationToken,
}

/// Drives a run to its end, from wherever it is.
pub(super) async fn drive(executor: &Arc<Executor>, id: &RunId, cancel: CancellationToken) -> Result<(), Stop> {
    let store = &executor.store;
    let Some(record) = executor.persist(|| store.run(id)).await? else { return Ok(()) };
    if record.status.is_final() {
        return Ok(());
    }
    executor.active.reads(id, record.resumed);
    let Some(definition) = executor.registry.workflow(&record.workflow) else {
        return refuse(executor, &record, FailureClass::Permanent, "this program has no such workflow").await;
    };
    if definition.shape_hash() != record.version {
        // A new run has the new tasks, and uses what this one made.
        let why = "the workflow's tasks changed since the run was started";
        return refuse(executor, &record, FailureClass::Retryable, why).await;
    }
    let metadata = executor.persist(|| store.metadata(id)).await?;
    let source = Arc::new(RunSource {
        run: record.id.clone(),
        root_run: record.root_run.clone(),
        workflow: record.workflow.clone(),
        child_key: record.child_key.clone(),
    });
    let most = definition.concurrency.as_ref().map(|concurrency| concurrency.max_runs);
    let group = record.concurrency_group.clone().zip(most);
    let (definition, priority) = (definition.clone(), record.priority);
    let run = Arc::new(Run { source, definition, metadata, group, priority, cancel });
    let driven = to_its_end(executor, &run).await;
    let ended = match driven {
        Ok(status) => Some(engine::RunStatus::from(status)),
        Err(Stop::Cancelled) => Some(engine::RunStatus::Cancelled),
        Err(_) => None,
    };
    if let Some(status) = ended {
        executor.events.send(&run.source, Happening::RunFinished { status });
    }
    driven.map(|_| ())
}

async fn to_its_end(executor: &Arc<Executor>, run: &Arc<Run>) -> Result<RunStatus, Stop> {
    let (store, id) = (&executor.store, &run.source.run);
    enter(executor, run).await?;
    executor.events.send(&run.source, Happening::RunStarted);
    steps(executor, run).await?;
    let tasks = executor.persist(|| store.task_runs(id)).await?;
    let (status, failure) = match first_failure(&tasks) {
        None => (RunStatus::Completed, None),
        Some(failure) => {
            on_failure(executor, run, &tasks).await?;
            (RunStatus::Failed, Some(failure))
        }
    };
    let now = executor.clock.now();
    if !executor.persist(|| store.finish_run(id, status, failure.as_ref(), now)).await? {
        return Err(Stop::Cancelled);
    }
    Ok(status)
}

/// Fails a run that this program can't drive; unless a newer program asked for it, which stands by to be the executor
/// after this one. The class says whether a new run may fare better.
async fn refuse(executor: &Arc<Executor>, record: &RunRecord, class: FailureClass, why: &str) -> Result<(), Stop> {
    let seen_at = executor.persist(|| executor.store.version_seen_at(&record.version)).await?;
    if seen_at.is_some_and(|seen_at| seen_at > executor.opened_at) {
        let why = format!("run {} waits for the program that it was asked for by: {why}", record.id);
        tracing::warn!("{why}");
        return Err(Stop::Store(StoreError::Abandoned { class: FailureClass::Permanent, why }));
    }
    let message = format!("run of {} cannot go on: {why}; start a new run", record.workflow);
    let failure = StoredFailure { task: None, class, message };
    let now = executor.clock.now();
    let store = &executor.store;
    executor.persist(|| store.finish_run(&record.id, RunStatus::Failed, Some(&failure), now)).await?;
    Ok(())
}

/// Waits until the run has its place in its concurrency group.
async fn enter(executor: &Arc<Executor>, run: &Run) -> Result<(), Stop> {
    let group = run.group.as_ref().map(|(group, most)| (group.as_str(), *most));
    let mut ended = executor.ended_runs.subscribe();
    loop {
        let now = executor.clock.now();
        match executor.persist(|| executor.store.begin_run(&run.source.run, group, now)).await? {
            Admission::Begun => return Ok(()),
            Admission::Over => return Err(Stop::Cancelled),
            Admission::Waits => {}
        }
        tokio::select! {
            // The sender lives in the executor, so this does not fail while we hold it.
            _ = ended.changed() => {}
            () = run.cancel.cancelled() => return Err(executor.why_cancelled()),
        }
    }
}

/// Runs the steps until all are over.
async fn steps(executor: &Arc<Executor>, run: &Arc<Run>) -> Result<(), Stop> {
    let store = &executor.store;
    let mut records = executor.persist(|| store.task_runs(&run.source.run)).await?;
    if records.iter().any(|record| record.status == TaskStatus::Running) {
        // Left by a driver of this process that gave up: nobody else drives this run.
        executor.persist(|| store.release_tasks(&run.source.run, executor.clock.now())).await?;
        records = executor.persist(|| store.task_runs(&run.source.run)).await?;
    }
    let records: HashMap<&str, &TaskRunRecord> = records.iter().map(|record| (record.task.as_str(), record)).collect();
    let mut states: HashMap<String, TaskStatus> =
        records.values().map(|record| (record.task.clone(), record.status)).collect();
    let mut running: JoinSet<(String, Result<TaskStatus, Stop>)> = JoinSet::new();
    let mut stop = None;
    loop {
        if stop.is_none() {
            for task in ready(&run.definition, &states) {
                let Some(record) = records.get(task.name.as_str()).map(|record| (*record).clone()) else { continue };
                states.insert(task.name.clone(), TaskStatus::Running);
                let (executor, run, task) = (Arc::clone(executor), Arc::clone(run), task.clone());
                running.spawn(async move {
                    let ended = task_run::run(&executor, &run, &task, record, Vec::new()).await;
                    (task.name, ended)
                });
            }
            let out_of_reach = out_of_reach(&run.definition, &states);
            if !out_of_reach.is_empty() {
                let ids: Vec<_> = out_of_reach.iter().filter_map(|task| Some(records.get(*task)?.id.clone())).collect();
                let now = executor.clock.now();
                executor.persist(|| store.skip_tasks(&ids, now)).await?;
                for task in out_of_reach.into_iter().map(str::to_owned).collect::<Vec<_>>() {
                    let status = TaskStatus::Skipped;
                    executor.events.send(&run.source, Happening::TaskFinished { task: task.clone(), status });
                    states.insert(task, status);
                }
                continue;
            }
        }
        let Some(ended) = running.join_next().await else { break };
        // A panic in the engine's own code: passed on, so that the run fails with a clear message.
        let (task, ended) = ended.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => (String::new(), Err(Stop::Halted)),
        });
        match ended {
            Ok(status) => {
                states.insert(task, status);
            }
            Err(why) => {
                // The others can't be recorded either, or are stopping for the same reason.
                run.cancel.cancel();
                stop.get_or_insert(why);
            }
        }
    }
    stop.map_or(Ok(()), Err)
}

/// The tasks that wait and whose parents are all completed.
fn ready<'a>(workflow: &'a WorkflowDefinition, states: &HashMap<String, TaskStatus>) -> Vec<&'a TaskDefinition> {
    let is = |task: &str, status| states.get(task) == Some(&status);
    workflow
        .tasks
        .iter()
        .filter(|task| is(&task.name, TaskStatus::Pending))
        .filter(|task| task.parents.iter().all(|parent| is(parent, TaskStatus::Completed)))
        .collect()
}

/// The tasks that wait for one that will not complete any more. Their own children follow in the next round.
fn out_of_reach<'a>(workflow: &'a WorkflowDefinition, states: &HashMap<String, TaskStatus>) -> Vec<&'a str> {
    let lost = |task: &String| {
        matches!(states.get(task), Some(TaskStatus::Failed | TaskStatus::Skipped | TaskStatus::Cancelled))
    };
    workflow
        .tasks
        .iter()
        .filter(|task| states.get(&task.name) == Some(&TaskStatus::Pending) && task.parents.iter().any(lost))
        .map(|task| task.name.as_str())
        .collect()
}

/// The failure of the step that failed first.
fn first_failure(tasks: &[TaskRunRecord]) -> Option<StoredFailure> {
    let failed = tasks.iter().filter(|task| task.status == TaskStatus::Failed && !task.on_failure);
    // The first of equals, so the workflow's order decides between failures of the same moment.
    failed.min_by_key(|task| task.finished_at)?.failure.clone()
}

/// Runs the on-failure task, if the workflow has one and it has not run yet. How it ends changes nothing about the run.
async fn on_failure(executor: &Arc<Executor>, run: &Arc<Run>, tasks: &[TaskRunRecord]) -> Result<(), Stop> {
    let Some(definition) = &run.definition.on_failure else { return Ok(()) };
    let Some(record) = tasks.iter().find(|task| task.on_failure && task.status == TaskStatus::Pending) else {
        return Ok(());
    };
    let mut errors = Vec::new();
    for task in tasks.iter().filter(|task| task.status == TaskStatus::Failed && !task.on_failure) {
        errors.extend(errors_of(executor, task).await?);
    }
    task_run::run(executor, run, definition, record.clone(), errors).await?;
    Ok(())
}

/// A failed task's errors: its own, or those of all its failed children.
async fn errors_of(executor: &Arc<Executor>, task: &TaskRunRecord) -> Result<Vec<TaskRunError>, Stop> {
    let children = executor.persist(|| executor.store.children(&task.id)).await?;
    let mut errors: Vec<TaskRunError> = children
        .into_iter()
        .filter(|child| child.status == RunStatus::Failed)
        .filter_map(|child| {
            let failure = child.failure?;
            let task = engine::child_task(&task.task, &child.key, failure.task.as_deref());
            Some(TaskRunError { task, message: failure.message, class: failure.class })
        })
        .collect();
    if errors.is_empty() {
        let (message, class) = match &task.failure {
            Some(failure) => (failure.message.clone(), failure.class),
            None => (String::new(), FailureClass::Permanent),
        };
        errors.push(TaskRunError { task: task.task.clone(), message, class });
    }
    Ok(errors)
}
