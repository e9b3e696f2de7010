//! An action as the engine sends it: who it is for, and what it gives.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::ledger::AttemptKey;
use crate::engine::hatchet::failure_text;
use crate::engine::hatchet::names::planned_key;
use crate::engine::hatchet::wire;
use crate::ids::{RunId, TaskRunId};
use crate::workflow::{TaskDefinition, TaskError, TaskIdentity, TaskRunError, WorkflowDefinition};

/// Metadata by which a child knows the outermost run.
pub(in crate::engine::hatchet) const ROOT_RUN: &str = "trackscribe_root_run";
/// How metadata begins that is the engine's or ours, not the run's.
const INTERNAL: [&str; 2] = ["hatchet__", "trackscribe_"];
/// The same, as a whole.
const INTERNAL_NAMES: [&str; 1] = ["traceparent"];

/// Who an attempt is.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub(super) key: AttemptKey,
    pub(super) action: String,
    /// The Hatchet worker that it was sent to.
    pub(super) worker: String,
    pub(super) run: String,
    pub(super) child_key: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    /// 1 to 3; what is retried comes back as 4.
    pub(super) priority: i32,
    job: String,
    job_run: String,
    task: String,
    payload: String,
}

/// What an attempt works on.
#[derive(Debug, PartialEq)]
pub(super) struct Given {
    pub(super) input: Value,
    /// The outputs of the declared parents, skipped ones left out.
    pub(super) parents: Value,
    pub(super) skipped: BTreeSet<String>,
    /// What failed, in the order of the workflow's file; for the on-failure task.
    pub(super) errors: Vec<TaskRunError>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    input: Option<Value>,
    #[serde(default)]
    parents: Option<Map<String, Value>>,
    #[serde(default)]
    step_run_errors: Option<Map<String, Value>>,
}

impl Envelope {
    /// Reads the outside of an action that came for `worker`.
    pub(super) fn new(action: wire::Action, worker: &str) -> Self {
        let metadata = action.additional_metadata.as_deref().map(texts).unwrap_or_default();
        Self {
            key: AttemptKey { task_run: action.task_run_external_id, retry_count: action.retry_count },
            action: action.action_id.to_ascii_lowercase(),
            worker: worker.to_owned(),
            run: action.workflow_run_id,
            child_key: action.child_key,
            metadata,
            priority: action.priority.clamp(1, 3),
            job: action.job_id,
            job_run: action.job_run_id,
            task: action.task_id,
            payload: action.payload,
        }
    }

    /// The outermost run: a child's parent says which, and only a child is believed.
    pub(super) fn root_run(&self) -> &str {
        let told = self.metadata.get(ROOT_RUN).filter(|_| self.child_key.is_some());
        told.unwrap_or(&self.run)
    }

    /// The run's own metadata: as tasks see it, and as children inherit it.
    pub(super) fn own_metadata(&self) -> BTreeMap<String, String> {
        let is_internal =
            |name: &str| INTERNAL.iter().any(|prefix| name.starts_with(prefix)) || INTERNAL_NAMES.contains(&name);
        self.metadata.iter().filter(|(name, _)| !is_internal(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
    }

    /// Who the attempt is, in the words of all engines.
    ///
    /// # Errors
    /// When the engine's ids are none.
    pub(super) fn identity(&self, workflow: &str, task: &str) -> Result<TaskIdentity, TaskError> {
        let bad = |error: crate::ids::InvalidId| TaskError::permanent(format!("what the engine sent: {error}"));
        Ok(TaskIdentity {
            workflow: workflow.to_owned(),
            task: task.to_owned(),
            run: self.run.parse::<RunId>().map_err(bad)?,
            root_run: self.root_run().parse::<RunId>().map_err(bad)?,
            child_key: self.child_key.as_deref().map(|key| planned_key(key).to_owned()),
            task_run: self.key.task_run.parse::<TaskRunId>().map_err(bad)?,
            attempt: u32::try_from(self.key.retry_count).unwrap_or(0).saturating_add(1),
            generation: None,
        })
    }

    /// Reads what the attempt works on.
    ///
    /// # Errors
    /// When it can't be read; it won't be better next time.
    pub(super) fn given(&self, workflow: &WorkflowDefinition, task: &TaskDefinition) -> Result<Given, TaskError> {
        let payload: Payload = serde_json::from_str(&self.payload).map_err(|error| {
            let bytes = self.payload.len();
            TaskError::permanent(format!(
                "task {}: what the engine sent ({bytes} bytes) can't be read: {error}",
                task.name
            ))
        })?;
        // All completed tasks' outputs come; only what was declared is passed on.
        let (mut parents, mut skipped) = (payload.parents.unwrap_or_default(), BTreeSet::new());
        parents.retain(|name, output| {
            let is_parent = task.parents.contains(name);
            if is_parent && is_skipped(output) {
                skipped.insert(name.clone());
                return false;
            }
            is_parent
        });
        let failed = payload.step_run_errors.unwrap_or_default();
        let errors = workflow.tasks.iter().filter_map(|task| {
            let text = failed.get(&task.name)?.as_str().unwrap_or_default();
            let failure = failure_text::read(&task.name, text);
            let place = failure.task.unwrap_or_else(|| task.name.clone());
            Some(TaskRunError { task: place, message: failure.message, class: failure.class })
        });
        let input = payload.input.filter(|input| !input.is_null()).unwrap_or_else(|| Value::Object(Map::new()));
        Ok(Given { input, parents: Value::Object(parents), skipped, errors: errors.collect() })
    }

    /// What the engine is told of this attempt.
    pub(super) fn event(
        &self,
        kind: wire::TaskEventType,
        payload: String,
        may_retry: bool,
        at: wire::Moment,
    ) -> wire::TaskEvent {
        wire::TaskEvent {
            worker_id: self.worker.clone(),
            job_id: self.job.clone(),
            job_run_id: self.job_run.clone(),
            task_id: self.task.clone(),
            task_run_external_id: self.key.task_run.clone(),
            action_id: self.action.clone(),
            happened_at: Some(at),
            r#type: kind as i32,
            payload,
            retry_count: Some(self.key.retry_count),
            should_not_retry: Some(!may_retry),
        }
    }
}

/// How the engine marks a task that it left out.
pub(in crate::engine::hatchet) fn is_skipped(output: &Value) -> bool {
    output.get("skipped") == Some(&Value::Bool(true))
}

/// Metadata as texts: others may have put anything in.
fn texts(json: &str) -> BTreeMap<String, String> {
    let fields: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::failure::FailureClass;
    use crate::workflow::{Definitions, default_pool_sizes};

    fn envelope(payload: &Value, metadata: &Value, child_key: Option<&str>) -> Envelope {
        let action = wire::Action {
            workflow_run_id: "run".to_owned(),
            task_run_external_id: "task".to_owned(),
            action_id: "diarizationpipeline:finalize".to_owned(),
            payload: payload.to_string(),
            retry_count: 2,
            additional_metadata: Some(metadata.to_string()),
            child_key: child_key.map(str::to_owned),
            priority: 4,
            ..wire::Action::default()
        };
        Envelope::new(action, "worker")
    }

    fn given(task: &str, payload: &Value) -> Given {
        let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        let workflow = definitions.workflow("DiarizationPipeline").unwrap();
        envelope(payload, &json!({}), None).given(workflow, workflow.task(task).unwrap()).unwrap()
    }

    #[test]
    fn only_declared_parents_are_passed_on_and_skipped_ones_are_told() {
        let given = given(
            "generate_waveform",
            &json!({
                "input": {"transcript_id": "t"}, "triggered_by": "manual", "user_data": null,
                "parents": {"mixdown_tracks": {"skipped": true}, "get_recording": {"a": 1}},
            }),
        );
        assert_eq!((given.input, given.parents), (json!({"transcript_id": "t"}), json!({})));
        assert_eq!(given.skipped, BTreeSet::from(["mixdown_tracks".to_owned()]));
        assert!(given.errors.is_empty());
    }

    #[test]
    fn an_on_failure_task_hears_what_failed_in_the_files_order() {
        let errors = given(
            "mark_failed",
            &json!({"input": null, "step_run_errors": {
                "mixdown_tracks": "disk full\n[retryable]",
                "process_tracks": "404\n[permanent in process_tracks[t001]/pad_track]",
            }}),
        )
        .errors;
        assert_eq!(errors[0].task, "process_tracks[t001]/pad_track");
        assert_eq!((errors[0].message.as_str(), errors[0].class), ("404", FailureClass::Permanent));
        assert_eq!((errors[1].task.as_str(), errors[1].class), ("mixdown_tracks", FailureClass::Retryable));
    }

    #[test]
    fn a_task_is_told_the_same_words_as_on_other_engines() {
        let metadata = json!({"origin": "webhook", "n": 1, "traceparent": "x", "hatchet__parent_step_run_id": "y", ROOT_RUN: "root"});
        let child = envelope(&json!({}), &metadata, Some("TrackProcessing:t001#2"));
        let identity = child.identity("TrackProcessing", "pad_track").unwrap();
        assert_eq!((identity.root_run.as_str(), identity.child_key.as_deref()), ("root", Some("t001")));
        assert_eq!((identity.attempt, identity.generation, child.priority), (3, None, 3));
        let own = BTreeMap::from([("n".to_owned(), "1".to_owned()), ("origin".to_owned(), "webhook".to_owned())]);
        assert_eq!(child.own_metadata(), own);
        // Whoever starts a run by hand can't name another run's results.
        assert_eq!(envelope(&json!({}), &metadata, None).root_run(), "run");
    }

    proptest::proptest! {
        #[test]
        fn no_payload_breaks_the_reader(payload in ".{0,80}", metadata in ".{0,40}") {
            let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
            let workflow = definitions.workflow("DiarizationPipeline").unwrap();
            let action = wire::Action { payload, additional_metadata: Some(metadata), ..wire::Action::default() };
            let _ = Envelope::new(action, "w").given(workflow, &workflow.tasks[0]);
        }
    }
}
