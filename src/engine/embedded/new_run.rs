//! Turns a workflow and an input into the rows of a new run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::engine::Priority;
use crate::ids::RunId;
use crate::store::runs::{NewRun, NewTask, ParentOf};
use crate::workflow::{ConcurrencyKey, WorkflowDefinition};

/// A run of `workflow`, outermost unless `parent` says otherwise.
pub(super) fn new_run(
    workflow: &WorkflowDefinition,
    input: &Value,
    metadata: BTreeMap<String, String>,
    parent: Option<(RunId, ParentOf)>,
    now: Timestamp,
) -> NewRun {
    let id = RunId::generate();
    let (root_run, parent) = match parent {
        Some((root_run, parent)) => (root_run, Some(parent)),
        None => (id.clone(), None),
    };
    NewRun {
        id,
        workflow: workflow.name.clone(),
        version: workflow.shape_hash(),
        shape: shape(workflow).to_string(),
        input: input.to_string(),
        tasks: workflow
            .tasks
            .iter()
            .map(|task| NewTask { name: task.name.clone(), on_failure: false })
            .chain(workflow.on_failure.iter().map(|task| NewTask { name: task.name.clone(), on_failure: true }))
            .collect(),
        root_run,
        parent,
        replay_of: None,
        dedupe_key: None,
        concurrency_group: concurrency_group(workflow, input),
        priority: Priority::default().number(),
        metadata,
        created_at: now,
    }
}

/// What people and pages draw; the hash, not this, is what runs are compared by.
fn shape(workflow: &WorkflowDefinition) -> Value {
    let tasks: Vec<Value> = workflow
        .tasks
        .iter()
        .map(|task| json!({"name": task.name, "parents": task.parents, "fan_out": task.fan_out}))
        .collect();
    json!({"input": workflow.input, "on_failure": workflow.on_failure.as_ref().map(|task| &task.name), "tasks": tasks})
}

/// Runs whose input lacks the key's field, or has null there, belong to no group.
fn concurrency_group(workflow: &WorkflowDefinition, input: &Value) -> Option<String> {
    let key = match &workflow.concurrency.as_ref()?.key {
        ConcurrencyKey::Constant(word) => word.clone(),
        ConcurrencyKey::InputField(field) => match input.get(field)? {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    };
    Some(format!("{}:{key}", workflow.name))
}
