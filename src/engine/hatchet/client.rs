//! Hatchet behind the engines' one face: starts runs, looks at them, waits for them, stops them, takes them up again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use prost::Message as _;
use serde_json::{Map, Value};
use tonic::Status;

use super::connection::Connection;
use super::error::HatchetError;
use super::failure_text;
use super::registration::{DEDUPE_KEY, dedupe_key};
use super::rest::{Rest, RunQuery, TaskState};
use super::run_end::RunEnd;
use super::run_reader::{RunReader, RunState};
use super::subscription::{self, Subscription};
use super::wire::v1;
use super::worker::{ROOT_RUN, is_skipped};
use crate::clock::{SharedClock, Timestamp};
use crate::engine::{Engine, EngineError, RunFailure, RunOutcome, RunStatus, StartOptions};
use crate::failure::FailureClass;
use crate::ids::RunId;
use crate::workflow::{Definitions, MAX_OUTER_INPUT_BYTES, payload_bytes};

/// How long it is believed that the engine knows a workflow.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// How long a run that was started here may be unknown to the engine without being called so.
const JUST_STARTED: Duration = Duration::from_secs(60);
/// How far back an active run of the same key is looked for: as long as the engine keeps runs.
const LOOK_BACK: Duration = Duration::from_secs(30 * 24 * 3600);
/// When children are cancelled once more: the read side did not show those that were just made.
const ONCE_MORE: Duration = Duration::from_secs(3);

/// Metadata by which a run says what it repeats.
const REPLAY_OF: &str = "trackscribe_replay_of";

/// A Hatchet engine.
pub struct HatchetEngine {
    connection: Connection,
    rest: Rest,
    reader: RunReader,
    definitions: Definitions,
    subscription: Subscription,
    clock: SharedClock,
    /// Workflows that the engine was seen to know.
    known: Mutex<HashMap<String, Timestamp>>,
    /// Runs that were started here a moment ago.
    started: Mutex<HashMap<RunId, Timestamp>>,
}

impl HatchetEngine {
    /// The engine of a connection.
    pub fn new(connection: Connection, rest: Rest, definitions: Definitions, clock: SharedClock) -> Self {
        let reader = RunReader::new(connection.clone(), rest.clone());
        Self {
            subscription: Subscription::new(
                connection.clone(),
                reader.clone(),
                clock.clone(),
                subscription::BEING_MADE,
            ),
            reader,
            connection,
            rest,
            definitions,
            clock,
            known: Mutex::default(),
            started: Mutex::default(),
        }
    }

    /// Whether the engine answers and knows all our workflows: a word on it.
    ///
    /// # Errors
    /// What is missing, for people.
    pub async fn check(&self) -> Result<String, String> {
        for workflow in self.definitions.workflows() {
            self.known(&workflow.name).await.map_err(|error| error.to_string())?;
        }
        Ok(format!("Hatchet at {} knows our workflows", self.connection.account().address))
    }

    /// Sees to it that the engine knows a workflow: for one that it does not know it gives the id of a run that never is.
    async fn known(&self, workflow: &str) -> Result<(), EngineError> {
        let name = self.connection.account().namespace().workflow(workflow);
        let now = self.clock.now();
        let seen = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
        if seen.is_some_and(|seen| now.since(seen) < KNOWN_FOR) {
            return Ok(());
        }
        if !self.rest.has_workflow(&name).await? {
            let message = format!(
                "Hatchet does not know the workflow {name} yet: start trackscribe worker with this tenant's token, which \
                 registers it"
            );
            return Err(EngineError::Backend { class: FailureClass::Retryable, message });
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name, now);
        Ok(())
    }

    /// The active run of a key.
    async fn active(&self, key: &str) -> Result<Option<RunId>, EngineError> {
        let query = RunQuery {
            since: self.clock.now().minus(LOOK_BACK),
            states: vec![TaskState::Queued, TaskState::Running],
            metadata: [(DEDUPE_KEY.to_owned(), key.to_owned())].into(),
            limit: 1,
        };
        let found = self.rest.runs(&query).await?;
        found.first().map(|run| run_id(&run.workflow_run_external_id)).transpose()
    }

    /// What a collision of keys means: the run that has the key, or that it has just ended.
    async fn collided(&self, status: &Status) -> Result<RunId, EngineError> {
        let away = |message: String| EngineError::Backend { class: FailureClass::Retryable, message };
        let existing = existing_run(status)
            .ok_or_else(|| away("Hatchet has a run of this key already, but does not say which".to_owned()))?;
        let run = run_id(&existing)?;
        match self.status(&run).await {
            Ok(status) if status.is_active() => Ok(run),
            Ok(_) | Err(EngineError::UnknownRun(_)) => {
                Err(away("a run of this key has ended less than 30 s ago; another can be started then".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Where a run is. One that was started here a moment ago may be unknown to the engine; any other is unknown to us too.
    async fn look(&self, run: &RunId) -> Result<RunState, EngineError> {
        match self.reader.look(run.as_str()).await? {
            RunState::Unknown if !self.just_started().contains_key(run) => Err(EngineError::UnknownRun(run.clone())),
            state => Ok(state),
        }
    }

    /// The runs that were started here a moment ago, and no others.
    fn just_started(&self) -> MutexGuard<'_, HashMap<RunId, Timestamp>> {
        let now = self.clock.now();
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|_, at| now.since(*at) < JUST_STARTED);
        started
    }

    /// The failure that came first. Where several tasks failed, only the read side knows when.
    async fn first(&self, run: &RunId, mut failures: Vec<RunFailure>) -> Option<RunFailure> {
        if failures.len() > 1
            && let Ok(Some(page)) = self.rest.run(run.as_str()).await
        {
            let failed = page.tasks.iter().filter(|task| task.status == TaskState::Failed);
            let first = failed.min_by_key(|task| (task.finished_at.is_none(), task.finished_at));
            if let Some((task, text)) = first.and_then(|task| Some((task.task()?, task.error_message.as_deref()?))) {
                return Some(failure_text::read(task, text));
            }
        }
        if failures.is_empty() { None } else { Some(failures.swap_remove(0)) }
    }
}

#[async_trait]
impl Engine for HatchetEngine {
    async fn start(&self, workflow: &str, input: Value, options: StartOptions) -> Result<RunId, EngineError> {
        if self.definitions.workflow(workflow).is_none() {
            let known = self.definitions.workflows().iter().map(|known| known.name.clone()).collect();
            return Err(EngineError::UnknownWorkflow { name: workflow.to_owned(), known });
        }
        if !input.is_object() {
            return Err(EngineError::InputNoObject);
        }
        let bytes = payload_bytes(&input);
        if bytes > MAX_OUTER_INPUT_BYTES {
            return Err(EngineError::InputTooLarge { bytes, most: MAX_OUTER_INPUT_BYTES });
        }
        self.known(workflow).await?;
        let name = self.connection.account().namespace().workflow(workflow);
        let mut metadata: Map<String, Value> =
            options.metadata.into_iter().map(|(name, value)| (name, value.into())).collect();
        if let Some(key) = options.dedupe_key {
            let key = dedupe_key(&name, &key);
            if let Some(run) = self.active(&key).await? {
                return Ok(run);
            }
            metadata.insert(DEDUPE_KEY.to_owned(), key.into());
        }
        metadata.extend(options.replay_of.map(|run| (REPLAY_OF.to_owned(), run.to_string().into())));
        let request = v1::TriggerRequest {
            name,
            input: input.to_string(),
            additional_metadata: Some(Value::Object(metadata).to_string()),
            priority: i32::try_from(options.priority.number()).ok(),
            ..v1::TriggerRequest::default()
        };
        match self.connection.trigger(request).await {
            Ok(run) => {
                let run = run_id(&run)?;
                self.just_started().insert(run.clone(), self.clock.now());
                Ok(run)
            }
            Err(status) if status.code() == tonic::Code::AlreadyExists => self.collided(&status).await,
            Err(status) => Err(HatchetError::of("starting a run", &status).into()),
        }
    }

    async fn status(&self, run: &RunId) -> Result<RunStatus, EngineError> {
        match self.look(run).await? {
            RunState::Unknown | RunState::UnderWay { is_queued: true } => Ok(RunStatus::Queued),
            RunState::UnderWay { is_queued: false } => Ok(RunStatus::Running),
            RunState::Over(end) => end.status().ok_or_else(|| EngineError::UnknownRun(run.clone())),
        }
    }

    async fn cancel(&self, run: &RunId) -> Result<(), EngineError> {
        match self.look(run).await? {
            RunState::Unknown => {
                let message = format!("run {run} is just being made; cancel it in a moment");
                return Err(EngineError::Backend { class: FailureClass::Retryable, message });
            }
            RunState::Over(_) => return Ok(()),
            RunState::UnderWay { .. } => {}
        }
        self.rest.cancel(&[run.to_string()]).await?;
        // The engine leaves children alone. A parent that some worker holds cancels those that it made; these are the rest.
        let since = self.clock.now().minus(LOOK_BACK);
        self.rest.cancel_by_metadata(ROOT_RUN, run.as_str(), since).await?;
        let (rest, run, clock) = (self.rest.clone(), run.clone(), self.clock.clone());
        tokio::spawn(async move {
            clock.sleep_until(clock.now().plus(ONCE_MORE)).await;
            if let Err(error) = rest.cancel_by_metadata(ROOT_RUN, run.as_str(), since).await {
                tracing::warn!(%run, %error, "children of a cancelled run may still run");
            }
        });
        Ok(())
    }

    async fn resume(&self, run: &RunId) -> Result<(), EngineError> {
        if !matches!(self.look(run).await?, RunState::Over(_)) {
            return Ok(());
        }
        let page = self.rest.run(run.as_str()).await?.ok_or_else(|| EngineError::UnknownRun(run.clone()))?;
        // Not the run as a whole: that would do completed tasks again.
        let lost = page.tasks.iter().filter(|task| matches!(task.status, TaskState::Failed | TaskState::Cancelled));
        let lost: Vec<String> = lost.map(|task| task.task_external_id.clone()).collect();
        if !lost.is_empty() {
            self.rest.replay(&lost).await?;
        }
        Ok(())
    }

    async fn wait(&self, run: &RunId) -> Result<RunOutcome, EngineError> {
        self.look(run).await?;
        let end = self.subscription.finished(run.as_str()).await?;
        let status = end.status().ok_or_else(|| EngineError::UnknownRun(run.clone()))?;
        let (mut output, mut failure) = (Map::new(), None);
        match end {
            RunEnd::Completed(outputs) => {
                for (task, json) in outputs {
                    let made: Value = serde_json::from_str(&json).map_err(|error| EngineError::Backend {
                        class: FailureClass::Permanent,
                        message: format!("the output of task {task} can't be read: {error}"),
                    })?;
                    if !is_skipped(&made) {
                        output.insert(task, made);
                    }
                }
            }
            RunEnd::Failed(failures) => failure = self.first(run, failures).await,
            RunEnd::Cancelled | RunEnd::NeverWas => {}
        }
        Ok(RunOutcome { status, failure, output })
    }
}

fn run_id(text: &str) -> Result<RunId, EngineError> {
    text.parse().map_err(|error: crate::ids::InvalidId| EngineError::Backend {
        class: FailureClass::Retryable,
        message: format!("what Hatchet answered: {error}"),
    })
}

/// The run that has the key already.
fn existing_run(status: &Status) -> Option<String> {
    let details = v1::StatusDetails::decode(status.details()).ok()?;
    let collision = details.details.iter().find(|packed| packed.type_url.ends_with("IdempotencyCollisionError"))?;
    Some(v1::IdempotencyCollisionError::decode(collision.value.as_slice()).ok()?.existing_run_external_id)
}
