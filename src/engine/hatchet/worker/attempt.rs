//! One attempt of one task, from the action to its outcome.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::action::{Envelope, Given};
use super::dispatch::Dispatch;
use super::fan_out;
use super::ledger::Outcome;
use super::live::Counted;
use super::sink::AttemptSink;
use crate::clock::Timestamp;
use crate::engine::hatchet::failure_text;
use crate::engine::hatchet::log_layer::attempt_span;
use crate::failure::FailureClass;
use crate::workflow::runner::{self, Attempt};
use crate::workflow::{Handler, TaskContext, TaskDefinition, TaskError, TaskSink, WorkflowDefinition};

/// How much earlier than the engine we call time: what we know of the attempt is worth more than that it took too long.
const AHEAD: Duration = Duration::from_secs(2);

/// How an attempt ended, as far as it matters here.
pub(super) enum Ended {
    Completed(Value),
    Failed(Failed),
    /// Nobody wants it any more.
    Stopped,
}

/// Why an attempt failed.
pub(super) struct Failed {
    pub(super) class: FailureClass,
    pub(super) message: String,
    /// Where, when that is further down.
    pub(super) place: Option<String>,
    /// Whether another attempt can help.
    pub(super) may_retry: bool,
}

impl From<TaskError> for Failed {
    fn from(error: TaskError) -> Self {
        let may_retry = error.class != FailureClass::Permanent;
        Self { class: error.class, message: error.message, place: None, may_retry }
    }
}

impl From<runner::Outcome<Value>> for Ended {
    fn from(outcome: runner::Outcome<Value>) -> Self {
        match outcome.into_result() {
            Ok(output) => Self::Completed(output),
            Err(error) if error.class == FailureClass::Cancelled => Self::Stopped,
            Err(error) => Self::Failed(error.into()),
        }
    }
}

/// An attempt that is being made.
pub(super) struct Try<'a> {
    pub(super) dispatch: &'a Arc<Dispatch>,
    pub(super) envelope: &'a Envelope,
    pub(super) task: &'a TaskDefinition,
    pub(super) ctx: TaskContext,
    pub(super) given: Given,
    pub(super) deadline: Timestamp,
    pub(super) stop: &'a CancellationToken,
}

impl Try<'_> {
    /// What the runner needs.
    pub(super) fn for_runner(&self) -> Attempt {
        Attempt {
            ctx: self.ctx.clone(),
            input: self.given.input.clone(),
            parents: self.given.parents.clone(),
            stall_timeout: self.task.limits.stall_timeout,
            deadline: self.deadline,
        }
    }

    /// A place in the task's pool; `None` when the attempt is stopped first.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.dispatch.place(self.task.pool, self.stop).await
    }
}

/// Makes the attempt, and sees to it that the engine hears how it ended.
pub(super) async fn run(dispatch: Arc<Dispatch>, envelope: Arc<Envelope>, stop: CancellationToken) {
    let received = dispatch.clock.now();
    dispatch.reporter.started(&envelope);
    let ended = match dispatch.task(&envelope.action) {
        Some((workflow, task)) => {
            dispatch.live.began(&envelope.key, &workflow.name, &task.name, &envelope.run, received);
            make(&dispatch, &envelope, workflow, task, received, &stop).await
        }
        // Another worker may know it; this one was given it by mistake.
        None => Ended::Failed(TaskError::retryable(format!("this worker has no task {}", envelope.action)).into()),
    };
    let (outcome, counted) = match ended {
        Ended::Completed(output) => (Some(Outcome::Completed(output.to_string())), Counted::Completed),
        Ended::Failed(failed) => {
            let text = failure_text::write(failed.class, &failed.message, failed.place.as_deref());
            (Some(Outcome::Failed { text, may_retry: failed.may_retry }), Counted::Failed)
        }
        Ended::Stopped => (None, Counted::Dropped),
    };
    let outcome = outcome.and_then(|outcome| dispatch.ledger.finish(&envelope.key, outcome));
    dispatch.live.ended(&envelope.key, if outcome.is_some() { counted } else { Counted::Dropped });
    match outcome {
        Some(outcome) => dispatch.reporter.tell(envelope, outcome),
        None => tracing::info!(
            action = envelope.action,
            run = envelope.run,
            "an attempt was stopped; nothing is told of it"
        ),
    }
}

async fn make(
    dispatch: &Arc<Dispatch>,
    envelope: &Envelope,
    workflow: &WorkflowDefinition,
    task: &TaskDefinition,
    received: Timestamp,
    stop: &CancellationToken,
) -> Ended {
    let (identity, given) = match (envelope.identity(&workflow.name, &task.name), envelope.given(workflow, task)) {
        (Ok(identity), Ok(given)) => (identity, given),
        (Err(error), _) | (_, Err(error)) => return Ended::Failed(error.into()),
    };
    let Some(handler) = dispatch.registry.handler(&workflow.name, &task.name) else {
        return Ended::Failed(TaskError::permanent(format!("task {} has no code in this program", task.name)).into());
    };
    let sink = AttemptSink::new(
        envelope.key.clone(),
        dispatch.connection.clone(),
        Arc::clone(&dispatch.live),
        Arc::clone(&dispatch.clock),
        Arc::clone(&dispatch.log_calls),
    );
    let pump = AbortOnDropHandle::new(dispatch.attempts.spawn(Arc::clone(&sink).pump()));
    let clock = Arc::clone(&dispatch.clock);
    let as_sink = Arc::clone(&sink) as Arc<dyn TaskSink>;
    let span = attempt_span(Arc::clone(&as_sink), &task.name, &envelope.run, envelope.key.retry_count);
    let ctx = TaskContext::new(identity, envelope.own_metadata(), as_sink, stop.clone(), clock)
        .with_skipped(given.skipped.clone())
        .with_errors(given.errors.clone());
    let limit = task.limits.execution_timeout;
    let deadline = received.plus(limit - AHEAD.min(limit / 20));
    let this = Try { dispatch, envelope, task, ctx, given, deadline, stop };

    let ended = async {
        match handler {
            Handler::Task(handler) => match this.place().await {
                Some(_place) => runner::run(handler, this.for_runner()).await.into(),
                None => Ended::Stopped,
            },
            // Boxed: the compiler can't see through the many futures of a fan-out that this one may change threads.
            Handler::FanOut(handler) => fan_out::run(&this, handler).boxed().await,
        }
    }
    .instrument(span)
    .await;
    sink.close();
    dispatch.attempts.spawn(async move {
        let _ = tokio::time::timeout(AttemptSink::last_words(), pump).await;
    });
    ended
}
