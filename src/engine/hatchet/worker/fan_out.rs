//! A fan-out as one task: plan and collect hold a place of the pool, and between them the parent only waits, on a slot of
//! a type that no work takes, so that no number of waiting parents keeps their children from running.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::action::is_skipped;
use super::attempt::{Ended, Failed, Try};
use super::children::{Birth, Born, all_together};
use super::ledger::Void;
use crate::engine::child_task;
use crate::engine::hatchet::error::HatchetError;
use crate::engine::hatchet::run_end::RunEnd;
use crate::engine::hatchet::run_reader::{RunReader, RunState};
use crate::failure::FailureClass;
use crate::workflow::runner::{self, Outcome};
use crate::workflow::{Child, ChildOutputs, FanOutHandler, TaskError, show_duration};

/// Children that are asked for at once.
const AT_ONCE: usize = 16;
/// Outputs of children that are kept until they are collected; of what is more, each is fetched when its turn comes.
const KEPT_BYTES: usize = 8 << 20;

/// One attempt of a fan-out.
pub(super) async fn run(this: &Try<'_>, handler: Arc<dyn FanOutHandler>) -> Ended {
    let plan = {
        let Some(_place) = this.place().await else { return Ended::Stopped };
        runner::plan(Arc::clone(&handler), this.for_runner()).await
    };
    let plan = match plan {
        Outcome::Completed(plan) => plan,
        other => return other.into_result().map_or_else(failed, |_| Ended::Stopped),
    };
    let family = Family {
        this,
        workflow: this.task.fan_out.as_deref().unwrap_or_default(),
        plan: &plan,
        done: AtomicUsize::new(0),
    };
    this.dispatch.live.task(&this.envelope.key, |task| {
        task.waiting = true;
        task.doing = format!("waiting for {} children", plan.len());
    });
    let clock = &this.dispatch.clock;
    let children = tokio::select! {
        biased;
        () = this.stop.cancelled() => return Ended::Stopped,
        children = family.made_and_over() => children,
        () = clock.sleep_until(this.deadline) => return Ended::Failed(family.too_late()),
    };
    this.dispatch.live.task(&this.envelope.key, |task| task.waiting = false);
    let children = match children {
        Ok(children) => children,
        Err(failed) => return Ended::Failed(failed),
    };
    let Some(_place) = this.place().await else { return Ended::Stopped };
    let outputs = Outputs { reader: this.dispatch.reader.clone(), children };
    runner::collect(handler, this.for_runner(), Box::new(outputs)).await.into()
}

fn failed(error: TaskError) -> Ended {
    if error.class == FailureClass::Cancelled { Ended::Stopped } else { Ended::Failed(error.into()) }
}

struct Family<'a> {
    this: &'a Try<'a>,
    workflow: &'a str,
    plan: &'a [Child<Value>],
    done: AtomicUsize,
}

/// A completed child.
struct Grown {
    key: String,
    run: String,
    /// Outputs as JSON, by task; `None`: to be fetched.
    outputs: Option<Vec<(String, String)>>,
}

impl Family<'_> {
    /// Makes all children and waits for all of them, whether others fail or not. Each is waited for as soon as it is made: the
    /// engine tells at once of those that end while somebody waits, and of others only when it looks, each second.
    async fn made_and_over(&self) -> Result<VecDeque<Grown>, Failed> {
        let is_first = self.this.envelope.key.retry_count == 0;
        let births: Vec<Birth<'_>> = (0..self.plan.len()).map(|position| self.birth(position)).collect();
        // Somebody has to stop them should the parent be cancelled, also while some are still being made.
        let (turns, orphans) = (Semaphore::new(AT_ONCE), Orphans { this: self.this, runs: Mutex::default() });
        let born = if is_first {
            all_together(&births, |run| orphans.born(run)).await
        } else {
            births.iter().map(|_| None).collect()
        };
        let mut over: FuturesUnordered<_> =
            born.into_iter().enumerate().map(|(position, born)| self.over(position, born, &turns, &orphans)).collect();
        let (mut first_failure, mut kept_bytes) = (None, 0);
        let mut grown: Vec<Option<Grown>> = self.plan.iter().map(|_| None).collect();
        while let Some(ended) = over.next().await {
            let (position, run, end) = match ended {
                Ok(ended) => ended,
                // One that can't be made counts as one that failed: what the others do is kept for whoever resumes the run.
                Err(error) if error.class == FailureClass::Permanent => {
                    first_failure.get_or_insert_with(|| error.into());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.done.fetch_add(1, Ordering::Relaxed);
            let key = self.plan[position].key.clone();
            match end {
                RunEnd::Completed(outputs) => {
                    kept_bytes += outputs.iter().map(|(_, output)| output.len()).sum::<usize>();
                    let outputs = (kept_bytes <= KEPT_BYTES).then_some(outputs);
                    grown[position] = Some(Grown { key, run, outputs });
                }
                lost => {
                    first_failure.get_or_insert_with(|| self.lost(&key, &lost));
                }
            }
        }
        match first_failure {
            Some(failed) => Err(failed),
            None => Ok(grown.into_iter().flatten().collect()),
        }
    }

    /// Waits for a child, which is made first, when it has its turn, unless it is there; and for the next in its place when it
    /// turns out never to have come into being.
    async fn over(
        &self,
        position: usize,
        born: Option<Born>,
        turns: &Semaphore,
        orphans: &Orphans<'_>,
    ) -> Result<(usize, String, RunEnd), TaskError> {
        let birth = self.birth(position);
        let mut born = match born {
            Some(born) => born,
            None => {
                let _turn = turns.acquire().await;
                birth.run().await?
            }
        };
        loop {
            orphans.born(&born.run);
            let end = self.this.dispatch.subscription.finished(&born.run).await?;
            orphans.over(&born.run);
            match end {
                RunEnd::NeverWas => born = birth.instead_of(&born).await?,
                end => return Ok((position, born.run, end)),
            }
        }
    }

    fn birth(&self, position: usize) -> Birth<'_> {
        Birth { this: self.this, workflow: self.workflow, position, child: &self.plan[position] }
    }

    /// The parent's failure for a child's: the child was tried as often as it may be, so the parent is not tried again.
    fn lost(&self, key: &str, end: &RunEnd) -> Failed {
        let name = &self.this.task.name;
        match end {
            RunEnd::Failed(failures) if !failures.is_empty() => {
                let failure = &failures[0];
                let place = Some(child_task(name, key, failure.task.as_deref()));
                Failed { class: failure.class, message: failure.message.clone(), place, may_retry: false }
            }
            _ => Failed {
                class: FailureClass::Permanent,
                message: format!("child {key} of {name} was cancelled"),
                place: Some(child_task(name, key, None)),
                may_retry: false,
            },
        }
    }

    fn too_late(&self) -> Failed {
        let (all, done) = (self.plan.len(), self.done.load(Ordering::Relaxed));
        TaskError::retryable(format!(
            "task {} was not done after {}: {} of its {all} children were not done (its execution_timeout, which \
             WORKFLOW_OVERRIDES can raise)",
            self.this.task.name,
            show_duration(self.this.task.limits.execution_timeout),
            all - done,
        ))
        .into()
    }
}

/// Children that are not over. When their parent is cancelled they are too: the engine leaves them alone.
struct Orphans<'a> {
    this: &'a Try<'a>,
    runs: Mutex<HashSet<String>>,
}

impl Orphans<'_> {
    fn runs(&self) -> MutexGuard<'_, HashSet<String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn born(&self, run: &str) {
        self.runs().insert(run.to_owned());
    }

    fn over(&self, run: &str) {
        self.runs().remove(run);
    }
}

impl Drop for Orphans<'_> {
    fn drop(&mut self) {
        let dispatch = Arc::clone(self.this.dispatch);
        let runs: Vec<String> = std::mem::take(&mut *self.runs()).into_iter().collect();
        if runs.is_empty() || dispatch.ledger.why_void(&self.this.envelope.key) != Some(Void::Cancelled) {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = dispatch.rest.cancel(&runs).await {
                tracing::warn!(%error, runs = runs.len(), "the children of a cancelled task could not be cancelled");
            }
        });
    }
}

/// The children's outputs, one by one.
struct Outputs {
    reader: RunReader,
    children: VecDeque<Grown>,
}

#[async_trait]
impl ChildOutputs<Value> for Outputs {
    async fn next(&mut self) -> Result<Option<(String, Value)>, TaskError> {
        let Some(Grown { key, run, outputs }) = self.children.pop_front() else { return Ok(None) };
        let outputs = match outputs {
            Some(outputs) => outputs,
            None => self.fetched(&key, &run).await?,
        };
        let mut by_task = Map::new();
        for (task, json) in outputs {
            let output: Value = serde_json::from_str(&json).map_err(|error| {
                TaskError::permanent(format!("the output of child {key}'s task {task} can't be read: {error}"))
            })?;
            if !is_skipped(&output) {
                by_task.insert(task, output);
            }
        }
        Ok(Some((key, Value::Object(by_task))))
    }
}

impl Outputs {
    async fn fetched(&self, key: &str, run: &str) -> Result<Vec<(String, String)>, TaskError> {
        let gone = || HatchetError::Away {
            call: "reading a child's outputs",
            why: format!("Hatchet has no run of child {key}"),
        };
        match self.reader.look(run).await? {
            RunState::Over(RunEnd::Completed(outputs)) => Ok(outputs),
            _ => Err(gone().into()),
        }
    }
}
