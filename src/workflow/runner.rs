//! Runs one attempt of a task, the same way on every engine: a panic becomes an error, a task that shows no life or
//! takes too long is stopped, and nothing too large or ill-formed goes in or comes out.
//!
//! The attempt runs as a tokio task of its own, so that even code that blocks its thread can't keep an engine from noticing
//! that time is up. Dropping the runner's future drops the attempt; its services are closed all the same.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::context::OuterLimits;
use super::duration::show_duration;
use super::payload::{accept_output, accept_plan, check_input};
use super::{Child, ChildOutputs, FanOutHandler, LogLevel, TaskContext, TaskError, TaskHandler, TaskSink};
use crate::clock::{SharedClock, Timestamp};
use crate::failure::{FailureClass, panic_text};

/// How long a task that was asked to stop may take before it is dropped. Below the second in which cancelling is final.
const GRACE: Duration = Duration::from_millis(900);

/// Longest error message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 4000;

/// What one attempt is given.
pub struct Attempt {
    /// Who the attempt is. Cancelling its token cancels the attempt; its clock is what the limits go by.
    pub ctx: TaskContext,
    /// The run's input.
    pub input: Value,
    /// An object: the output of each declared parent, by name; skipped parents are absent.
    pub parents: Value,
    /// The task's `stall_timeout`.
    pub stall_timeout: Duration,
    /// When the attempt's `execution_timeout` is over.
    pub deadline: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// It made this.
    Completed(T),
    /// It failed, or what it made is not acceptable. Never of the class cancelled.
    Failed(TaskError),
    /// It was stopped because of a limit.
    TimedOut(Timeout),
    /// It was stopped because somebody asked for that; whatever it may still have made is dropped.
    Cancelled,
}

impl<T> Outcome<T> {
    /// The same as a result. A time-out may go better next time: retryable.
    ///
    /// # Errors
    /// What the attempt's end means to an engine.
    pub fn into_result(self) -> Result<T, TaskError> {
        match self {
            Self::Completed(made) => Ok(made),
            Self::Failed(error) => Err(error),
            Self::TimedOut(timeout) => Err(TaskError::retryable(timeout.to_string())),
            Self::Cancelled => Err(TaskError::cancelled()),
        }
    }

    fn and_then<U>(self, accept: impl FnOnce(T) -> Result<U, TaskError>) -> Outcome<U> {
        match self {
            Self::Completed(made) => match accept(made) {
                Ok(made) => Outcome::Completed(made),
                Err(error) => Outcome::Failed(error),
            },
            Self::Failed(error) => Outcome::Failed(error),
            Self::TimedOut(timeout) => Outcome::TimedOut(timeout),
            Self::Cancelled => Outcome::Cancelled,
        }
    }
}

/// Which limit an attempt ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// It showed no progress for too long.
    Stall,
    /// It took too long altogether.
    Execution,
}

/// A limit that an attempt ran into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeout {
    /// Which one.
    pub limit: Limit,
    /// How long it was.
    pub after: Duration,
    /// The task.
    pub task: String,
    /// What the attempt last said it was doing, if anything.
    pub last_sign: Option<String>,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, after, .. } = self;
        let after = show_duration(*after);
        let limit = match self.limit {
            Limit::Stall => {
                write!(f, "task {task} showed no progress for {after}")?;
                "stall_timeout"
            }
            Limit::Execution => {
                write!(f, "task {task} was not done after {after}")?;
                "execution_timeout"
            }
        };
        if let Some(doing) = &self.last_sign {
            write!(f, "; its last sign of life was {doing:?}")?;
        }
        write!(f, " (its {limit}, which WORKFLOW_OVERRIDES can raise)")
    }
}

/// Runs one attempt of an ordinary or on-failure task. Its output comes back in canonical form.
pub async fn run(handler: Arc<dyn TaskHandler>, attempt: Attempt) -> Outcome<Value> {
    let task = attempt.ctx.identity().task.clone();
    let work = |ctx: TaskContext, input, parents| async move { handler.run(&ctx, input, parents).await };
    supervise(attempt, GRACE, work).await.and_then(|output| accept_output(&task, output))
}

/// Runs the first half of a fan-out. The plan comes back in canonical form.
pub async fn plan(handler: Arc<dyn FanOutHandler>, attempt: Attempt) -> Outcome<Vec<Child<Value>>> {
    let task = attempt.ctx.identity().task.clone();
    let work = |ctx: TaskContext, input, parents| async move { handler.plan(&ctx, input, parents).await };
    supervise(attempt, GRACE, work).await.and_then(|plan| accept_plan(&task, plan))
}

/// Runs the second half of a fan-out, when all children are done.
pub async fn collect(
    handler: Arc<dyn FanOutHandler>,
    attempt: Attempt,
    mut children: Box<dyn ChildOutputs<Value>>,
) -> Outcome<Value> {
    let task = attempt.ctx.identity().task.clone();
    let work = move |ctx: TaskContext, input, parents| async move {
        handler.collect(&ctx, input, parents, children.as_mut()).await
    };
    supervise(attempt, GRACE, work).await.and_then(|output| accept_output(&task, output))
}

async fn supervise<T, W, F>(attempt: Attempt, grace: Duration, work: W) -> Outcome<T>
where
    T: Send + 'static,
    W: FnOnce(TaskContext, Value, Value) -> F,
    F: Future<Output = Result<T, TaskError>> + Send + 'static,
{
    let Attempt { ctx, input, parents, stall_timeout, deadline } = attempt;
    let task = ctx.identity().task.clone();
    if let Err(error) = check_input(&task, &input, ctx.identity().child_key.is_none()) {
        return Outcome::Failed(error);
    }
    let cancelled = ctx.cancellation().clone();
    if cancelled.is_cancelled() {
        return Outcome::Cancelled;
    }
    let stop = cancelled.child_token();
    // However this ends: what the attempt left running elsewhere (threads, children) is told to stop.
    let _stop_at_the_end = stop.clone().drop_guard();
    let clock = Arc::clone(ctx.clock());
    let started = clock.now();
    let signs = Arc::new(SignsOfLife::new(Arc::clone(ctx.sink()), Arc::clone(&clock)));
    let _silence_at_the_end = Silence(Arc::clone(&signs));
    let watched = ctx.watched(signs.clone(), stop.clone(), OuterLimits { deadline, stall_timeout });
    let mut running = AbortOnDropHandle::new(tokio::spawn(work(watched, input, parents).in_current_span()));

    let outcome = loop {
        let stalls = signs.last().plus(stall_timeout);
        tokio::select! {
            biased;
            () = cancelled.cancelled() => break Outcome::Cancelled,
            ended = &mut running => return judge(&task, ended, cancelled.is_cancelled()),
            () = clock.sleep_until(stalls.min(deadline)) => {}
        }
        let now = clock.now();
        let (limit, after) = if now >= deadline {
            (Limit::Execution, deadline.since(started))
        } else if now >= signs.last().plus(stall_timeout) {
            (Limit::Stall, stall_timeout)
        } else {
            continue;
        };
        break Outcome::TimedOut(Timeout { limit, after, task: task.clone(), last_sign: signs.last_doing() });
    };
    stop.cancel();
    // Its result comes too late whatever it is; what remains of it is aborted when `running` is dropped.
    let _ = tokio::time::timeout(grace, &mut running).await;
    outcome
}

fn judge<T>(task: &str, ended: Result<Result<T, TaskError>, JoinError>, cancelled: bool) -> Outcome<T> {
    if cancelled {
        return Outcome::Cancelled;
    }
    let error = match ended {
        Ok(Ok(made)) => return Outcome::Completed(made),
        Ok(Err(error)) if error.class == FailureClass::Cancelled => {
            // Nobody asked this attempt to stop, so something within it was stopped: worth another try.
            TaskError::retryable(format!("task {task} stopped though nobody asked it to: {}", error.message))
        }
        Ok(Err(error)) => error,
        Err(join) => match join.try_into_panic() {
            // A bug, but not proof that the same call fails again: it may hang on timing or on what a service answered.
            // Retries are few and finished pieces are kept, so trying again costs little.
            Ok(panic) => {
                TaskError::retryable(format!("task {task} panicked: {} (a bug: please report it)", panic_text(&*panic)))
            }
            Err(_) => TaskError::retryable(format!("task {task} was dropped because the program is shutting down")),
        },
    };
    Outcome::Failed(clipped(error))
}

/// Error messages are stored and sent too.
fn clipped(mut error: TaskError) -> TaskError {
    if let Some((end, _)) = error.message.char_indices().nth(LONGEST_MESSAGE) {
        error.message.truncate(end);
        error.message.push('…');
    }
    error
}

/// Passes on to the engine what an attempt says, and remembers when it last showed progress.
struct SignsOfLife {
    sink: Arc<dyn TaskSink>,
    clock: SharedClock,
    last: AtomicI64,
    doing: Mutex<Option<String>>,
    silenced: AtomicBool,
}

impl SignsOfLife {
    fn new(sink: Arc<dyn TaskSink>, clock: SharedClock) -> Self {
        let last = AtomicI64::new(clock.now().as_micros());
        Self { sink, clock, last, doing: Mutex::default(), silenced: AtomicBool::new(false) }
    }

    fn last(&self) -> Timestamp {
        Timestamp::from_micros(self.last.load(Ordering::Acquire))
    }

    fn last_doing(&self) -> Option<String> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn heard(&self) -> Option<&Arc<dyn TaskSink>> {
        (!self.silenced.load(Ordering::Acquire)).then_some(&self.sink)
    }
}

impl TaskSink for SignsOfLife {
    fn log(&self, level: LogLevel, line: &str) {
        if let Some(sink) = self.heard() {
            sink.log(level, line);
        }
    }

    fn put_stream(&self, chunk: &[u8]) {
        if let Some(sink) = self.heard() {
            sink.put_stream(chunk);
        }
    }

    fn progress(&self, fraction: f64, doing: &str) {
        let Some(sink) = self.heard() else { return };
        self.last.store(self.clock.now().as_micros(), Ordering::Release);
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = Some(doing.to_owned());
        sink.progress(fraction, doing);
    }

    fn piece_kept(&self) {
        let Some(sink) = self.heard() else { return };
        self.last.store(self.clock.now().as_micros(), Ordering::Release);
        sink.piece_kept();
    }
}

/// From the attempt's end on, the engine hears nothing more of it, even if a thread of it still runs.
struct Silence(Arc<SignsOfLife>);

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.silenced.store(true, Ordering::Release);
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
