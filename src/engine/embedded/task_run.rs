//! Runs one task of a run: waits until it may begin, makes attempts, and decides what each end means.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::drive::Run;
use super::events::Happening;
use super::executor::{Executor, Stop};
use super::fan_out;
use super::sink::AttemptSink;
use super::slots::Slot;
use super::waiting::wait_to_begin;
use crate::clock::Timestamp;
use crate::failure::FailureClass;
use crate::ids::AttemptId;
use crate::store::StoreError;
use crate::store::runs::{AttemptEnd, AttemptOutcome, NewAttempt, StoredFailure, TaskEnd, TaskRunRecord, TaskStatus};
use crate::workflow::runner::{self, Attempt, Outcome};
use crate::workflow::{Handler, Limits, TaskContext, TaskDefinition, TaskIdentity, TaskRunError, TaskSink};

/// As many killed processes in a row, without a newly kept piece, are the task's own doing.
const KILLS: u32 = 5;

/// How an attempt ended, as far as the engine has to decide.
pub(super) enum Ended {
    Completed(Value),
    Failed(StoredFailure),
    /// Trying the task again can't help, whatever the failure's class: it already was tried again further down.
    FailedForGood(StoredFailure),
    TimedOut(StoredFailure),
    Cancelled,
}

impl Ended {
    /// Whether it failed in a way that a database's outage can bring about.
    fn may_pass(&self) -> bool {
        let (Self::Failed(failure) | Self::TimedOut(failure)) = self else { return false };
        failure.class == FailureClass::Retryable
    }

    /// The runner's outcome as ours.
    pub(super) fn of(task: &str, outcome: Outcome<Value>) -> Self {
        let failure = |class, message| StoredFailure { task: Some(task.to_owned()), class, message };
        match outcome {
            Outcome::Completed(output) => Self::Completed(output),
            Outcome::Failed(error) => Self::Failed(failure(error.class, error.message)),
            Outcome::TimedOut(timeout) => Self::TimedOut(failure(FailureClass::Retryable, timeout.to_string())),
            Outcome::Cancelled => Self::Cancelled,
        }
    }
}

/// One attempt, from the moment it has a slot.
pub(super) struct Try<'a> {
    pub(super) executor: &'a Arc<Executor>,
    pub(super) run: &'a Arc<Run>,
    pub(super) task: &'a TaskDefinition,
    pub(super) record: &'a TaskRunRecord,
    pub(super) attempt: AttemptId,
    pub(super) ctx: TaskContext,
    pub(super) input: Value,
    pub(super) parents: Value,
    /// When its `execution_timeout` is over.
    pub(super) deadline: Timestamp,
}

impl Try<'_> {
    /// What the runner needs for this attempt, or for one half of it.
    pub(super) fn for_runner(&self) -> Attempt {
        Attempt {
            ctx: self.ctx.clone(),
            input: self.input.clone(),
            parents: self.parents.clone(),
            stall_timeout: self.task.limits.stall_timeout,
            deadline: self.deadline,
        }
    }

    /// A failure of this task itself.
    pub(super) fn failure(&self, class: FailureClass, message: String) -> StoredFailure {
        StoredFailure { task: Some(self.task.name.clone()), class, message }
    }
}

/// Runs a task until it is completed or failed for good.
pub(super) async fn run(
    executor: &Arc<Executor>,
    run: &Arc<Run>,
    task: &TaskDefinition,
    mut record: TaskRunRecord,
    errors: Vec<TaskRunError>,
) -> Result<TaskStatus, Stop> {
    loop {
        if record.interruptions >= KILLS {
            give_up(executor, task, &record).await?;
            return Ok(finished(executor, run, task, TaskStatus::Failed));
        }
        if let Some(not_before) = record.not_before {
            tokio::select! {
                () = executor.clock.sleep_until(not_before) => {}
                () = run.cancel.cancelled() => return Err(executor.why_cancelled()),
            }
        }
        let end = attempt(executor, run, task, &record, &errors).await?;
        match end.task {
            TaskEnd::Completed(_) => return Ok(finished(executor, run, task, TaskStatus::Completed)),
            TaskEnd::Failed => {
                fan_out::stop_children(executor, &record.id).await?;
                return Ok(finished(executor, run, task, TaskStatus::Failed));
            }
            TaskEnd::Retry(not_before) => {
                let after = not_before.since(end.finished_at);
                let message = end.failure.map_or_else(String::new, |failure| failure.message);
                let task = task.name.clone();
                executor.events.send(&run.source, Happening::Retrying { task, after, message });
                record.failures += 1;
                record.interruptions = 0;
                record.not_before = Some(not_before);
            }
            TaskEnd::Paused => return Err(Stop::Halted),
        }
    }
}

fn finished(executor: &Executor, run: &Run, task: &TaskDefinition, status: TaskStatus) -> TaskStatus {
    executor.events.send(&run.source, Happening::TaskFinished { task: task.name.clone(), status });
    status
}

async fn give_up(executor: &Arc<Executor>, task: &TaskDefinition, record: &TaskRunRecord) -> Result<(), Stop> {
    let message = format!("task {} killed the process {KILLS} times", task.name);
    let failure = StoredFailure { task: Some(task.name.clone()), class: FailureClass::Permanent, message };
    let now = executor.clock.now();
    executor.persist(|| executor.store.fail_task(&record.id, &failure, now)).await?;
    fan_out::stop_children(executor, &record.id).await
}

/// Makes one attempt and records its end.
async fn attempt(
    executor: &Arc<Executor>,
    run: &Arc<Run>,
    task: &TaskDefinition,
    record: &TaskRunRecord,
    errors: &[TaskRunError],
) -> Result<AttemptEnd, Stop> {
    let store = &executor.store;
    let mut new = NewAttempt {
        id: AttemptId::generate(),
        task_run: record.id.clone(),
        generation: executor.generation,
        created_at: executor.clock.now(),
        assigned_at: None,
    };
    let (slot, started) = match wait_to_begin(executor, run, task).await? {
        Ok(begins) => begins,
        Err(failure) => {
            let end = judged(executor, task, record, &new.id, Ended::TimedOut(failure));
            let kept = executor.persist(|| store.attempt_without_slot(&new, &end)).await?;
            return if kept { Ok(end) } else { Err(Stop::Cancelled) };
        }
    };
    new.assigned_at = Some(started);
    let Some(number) = executor.persist(|| store.begin_attempt(&new)).await? else { return Err(Stop::Cancelled) };
    let name = task.name.clone();
    executor.events.send(&run.source, Happening::TaskStarted { task: name.clone(), attempt: number });

    let (source, events, clock) = (Arc::clone(&run.source), executor.events.clone(), Arc::clone(&executor.clock));
    let sink = Arc::new(AttemptSink::new(new.id.clone(), name, source, events, clock));
    let (input, parents) = executor.persist(|| given(executor, run, task)).await?;
    let this = Try {
        executor,
        run,
        task,
        record,
        attempt: new.id.clone(),
        ctx: context(executor, run, task, record, number, Arc::clone(&sink) as Arc<dyn TaskSink>)
            .with_errors(errors.to_vec()),
        input,
        parents,
        deadline: started.plus(task.limits.execution_timeout),
    };
    let ended = {
        let work = work(&this, slot);
        tokio::pin!(work);
        tokio::select! {
            ended = &mut work => ended?,
            () = sink.pump(store) => return Err(Stop::Halted),
        }
    };
    tokio::select! {
        () = sink.flush(store) => {}
        () = executor.severed.cancelled() => return Err(Stop::Halted),
    }
    if ended.may_pass() {
        executor.still_holds().await?;
    }
    if matches!(ended, Ended::Cancelled) && !executor.stop.is_cancelled() {
        // Whoever cancelled the run has ended this attempt in the store.
        return Err(Stop::Cancelled);
    }
    let end = judged(executor, task, record, &new.id, ended);
    if !executor.persist(|| store.end_attempt(&end)).await? {
        return Err(Stop::Cancelled);
    }
    Ok(end)
}

/// The task's code, with its slot for as long as it works.
async fn work(this: &Try<'_>, slot: Slot) -> Result<Ended, Stop> {
    let name = &this.task.name;
    match this.executor.registry.handler(&this.run.definition.name, name) {
        Some(Handler::Task(handler)) => {
            let ended = Ended::of(name, runner::run(handler, this.for_runner()).await);
            drop(slot);
            Ok(ended)
        }
        Some(Handler::FanOut(handler)) => fan_out::run(this, handler, slot).await,
        None => {
            let message = format!("task {name} has no code in this program");
            Ok(Ended::Failed(this.failure(FailureClass::Permanent, message)))
        }
    }
}

/// The run's input and the parents' outputs.
async fn given(executor: &Executor, run: &Run, task: &TaskDefinition) -> Result<(Value, Value), StoreError> {
    let json = |what, text: &str| serde_json::from_str(text).map_err(|error| StoreError::garbled(what, error));
    let input = json("run input", &executor.store.input(&run.source.run).await?)?;
    let mut parents = Map::new();
    if !task.parents.is_empty() {
        let outputs = executor.store.outputs(&run.source.run).await?;
        for (name, output) in outputs.into_iter().filter(|(name, _)| task.parents.contains(name)) {
            parents.insert(name, json("task output", &output)?);
        }
    }
    Ok((input, Value::Object(parents)))
}

fn context(
    executor: &Executor,
    run: &Run,
    task: &TaskDefinition,
    record: &TaskRunRecord,
    attempt: u32,
    sink: Arc<dyn TaskSink>,
) -> TaskContext {
    let identity = TaskIdentity {
        workflow: run.definition.name.clone(),
        task: task.name.clone(),
        run: run.source.run.clone(),
        root_run: run.source.root_run.clone(),
        child_key: run.source.child_key.clone(),
        task_run: record.id.clone(),
        attempt,
        generation: Some(executor.generation),
    };
    TaskContext::new(identity, run.metadata.clone(), sink, run.cancel.child_token(), Arc::clone(&executor.clock))
}

/// What an attempt's end means for its task.
fn judged(
    executor: &Executor,
    task: &TaskDefinition,
    record: &TaskRunRecord,
    attempt: &AttemptId,
    ended: Ended,
) -> AttemptEnd {
    let now = executor.clock.now();
    let retry = |failure: &StoredFailure| after_failure(failure.class, record.failures, &task.limits, now);
    let (outcome, failure, task) = match ended {
        Ended::Completed(output) => (AttemptOutcome::Completed, None, TaskEnd::Completed(output.to_string())),
        Ended::Failed(failure) => {
            let task = retry(&failure);
            (AttemptOutcome::Failed, Some(failure), task)
        }
        Ended::FailedForGood(failure) => (AttemptOutcome::Failed, Some(failure), TaskEnd::Failed),
        Ended::TimedOut(failure) => {
            let task = retry(&failure);
            (AttemptOutcome::TimedOut, Some(failure), task)
        }
        // Only reached when this process stops: the task goes on when the engine does.
        Ended::Cancelled => (AttemptOutcome::Interrupted, None, TaskEnd::Paused),
    };
    AttemptEnd { attempt: attempt.clone(), task_run: record.id.clone(), outcome, failure, task, finished_at: now }
}

/// Tries again what may go better, as often as the limits allow.
fn after_failure(class: FailureClass, failures_before: u32, limits: &Limits, now: Timestamp) -> TaskEnd {
    let retry = failures_before + 1;
    if class == FailureClass::Permanent || retry > limits.retries {
        TaskEnd::Failed
    } else {
        TaskEnd::Retry(now.plus(limits.backoff(retry)))
    }
}
