//! Makes a fan-out's children, each once however often the parent is tried: the engine finds a child again by its parent
//! and its key, also when it failed, so what is lost is made anew under the key of the next round.
//!
//! A first attempt makes them all by one call, which costs the engine far less than a call for each. Whenever some of them
//! may be there already each is asked for by itself: the engine runs finished children again that are asked for together
//! with new ones.

use std::time::Duration;

use prost::Message as _;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::action::ROOT_RUN;
use super::attempt::Try;
use crate::engine::RunStatus;
use crate::engine::hatchet::error::{HatchetError, told};
use crate::engine::hatchet::names;
use crate::engine::hatchet::patience::Patience;
use crate::engine::hatchet::run_reader::RunState;
use crate::engine::hatchet::status::{Meaning, meaning};
use crate::engine::hatchet::wire::v1;
use crate::workflow::{Child, TaskError};

/// How long an engine that is in trouble is asked for a child before the attempt fails.
const ASKING: Duration = Duration::from_secs(120);
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Most children that one call makes, and most bytes of it: half of what the engine takes of each.
const TOGETHER: usize = 500;
const TOGETHER_BYTES: usize = 2 << 20;

/// A child's place in the plan.
pub(super) struct Birth<'a> {
    pub(super) this: &'a Try<'a>,
    /// The child's workflow.
    pub(super) workflow: &'a str,
    pub(super) position: usize,
    pub(super) child: &'a Child<Value>,
}

/// A child that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Born {
    pub(super) run: String,
    round: u32,
}

/// Makes all children of a first attempt, and says of each run when it is made. `None` for those that the engine did not
/// answer for: it may have made them all the same.
pub(super) async fn all_together(births: &[Birth<'_>], born_now: impl Fn(&str)) -> Vec<Option<Born>> {
    let (mut born, mut rest) = (Vec::with_capacity(births.len()), births);
    while !rest.is_empty() {
        let mut bytes = 0;
        let mut requests = Vec::new();
        for birth in rest.iter().take(TOGETHER) {
            let request = birth.request(1);
            bytes += request.encoded_len();
            if bytes > TOGETHER_BYTES && !requests.is_empty() {
                break;
            }
            requests.push(request);
        }
        let count = requests.len();
        match rest[0].this.dispatch.connection.trigger_all(requests).await {
            Ok(runs) if runs.len() == count => {
                runs.iter().for_each(|run| born_now(run));
                born.extend(runs.into_iter().map(|run| Some(Born { run, round: 1 })));
            }
            answer => {
                let why = answer.err().map(|status| told(&status));
                tracing::debug!(
                    children = count,
                    ?why,
                    "children could not be made together; each is asked for by itself"
                );
                born.extend((0..count).map(|_| None));
            }
        }
        rest = &rest[count..];
    }
    born
}

impl Birth<'_> {
    /// The run of a child that was asked for before: the one that was made then, unless that was lost.
    ///
    /// # Errors
    /// When the engine makes none.
    pub(super) async fn run(&self) -> Result<Born, TaskError> {
        self.since_round(1).await
    }

    /// A child in place of one that turned out not to exist.
    ///
    /// # Errors
    /// When the engine makes none.
    pub(super) async fn instead_of(&self, lost: &Born) -> Result<Born, TaskError> {
        self.since_round(lost.round + 1).await
    }

    async fn since_round(&self, first: u32) -> Result<Born, TaskError> {
        for round in first.. {
            let run = self.ask(round).await?;
            // It was asked for before, so it may be over by now, or the engine may know the id of a run that it never made.
            if self.is_wanted(&run).await? {
                return Ok(Born { run, round });
            }
        }
        Err(TaskError::permanent(format!("child {} was lost too often", self.child.key)))
    }

    /// Asks for the child of a round.
    async fn ask(&self, round: u32) -> Result<String, TaskError> {
        let dispatch = self.this.dispatch;
        let began = Instant::now();
        let mut patience = Patience::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let status = match dispatch.connection.trigger(self.request(round)).await {
                Ok(run) => return Ok(run),
                Err(status) => status,
            };
            let may_pass = matches!(meaning(status.code()), Meaning::Again | Meaning::Refused);
            if !may_pass || began.elapsed() >= ASKING {
                let message = format!("child {}: {}", self.child.key, told(&status));
                return Err(if may_pass { TaskError::retryable(message) } else { TaskError::permanent(message) });
            }
            dispatch.clock.sleep_until(dispatch.clock.now().plus(patience.next())).await;
        }
    }

    fn request(&self, round: u32) -> v1::TriggerRequest {
        let envelope = self.this.envelope;
        let mut metadata = envelope.own_metadata();
        metadata.insert(ROOT_RUN.to_owned(), envelope.root_run().to_owned());
        let metadata: Map<String, Value> = metadata.into_iter().map(|(name, value)| (name, value.into())).collect();
        let namespace = self.this.dispatch.connection.account().namespace();
        v1::TriggerRequest {
            name: namespace.workflow(self.workflow),
            input: self.child.input.to_string(),
            parent_task_run_external_id: Some(envelope.key.task_run.clone()),
            child_index: Some(i32::try_from(self.position).unwrap_or(i32::MAX)),
            child_key: Some(names::child_key(self.workflow, &self.child.key, round)),
            additional_metadata: Some(Value::Object(metadata).to_string()),
            priority: Some(envelope.priority),
        }
    }

    /// Whether a run lives or completed. One that failed, was cancelled, or never came into being is not wanted.
    async fn is_wanted(&self, run: &str) -> Result<bool, TaskError> {
        let dispatch = self.this.dispatch;
        // Not by the clock: set forward, it would make a child twice.
        let began = Instant::now();
        loop {
            match dispatch.reader.look(run).await {
                Ok(RunState::Over(end)) => return Ok(end.status() == Some(RunStatus::Completed)),
                Ok(RunState::UnderWay { .. }) => return Ok(true),
                Ok(RunState::Unknown) if began.elapsed() >= dispatch.being_made => return Ok(false),
                Ok(RunState::Unknown) => {}
                Err(HatchetError::Away { .. }) if began.elapsed() < ASKING => {}
                Err(error) => return Err(error.into()),
            }
            dispatch.clock.sleep_until(dispatch.clock.now().plus(dispatch.being_made / 20)).await;
        }
    }
}
