//! What can only be checked with a whole workflow, or all of them, in view: parents, cycles, fan-outs, and that inner
//! deadlines lie below outer ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::definition::{TaskDefinition, WorkflowDefinition};
use super::duration::show_duration;
use super::names::suggestion;
use super::rate_limit::{self, RateLimit};

/// A problem of one task's field.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) workflow: String,
    pub(super) task: String,
    pub(super) field: &'static str,
    pub(super) problem: String,
}

/// Checks parents and puts the tasks into an order they can run in.
pub(super) fn order_tasks(workflow: &mut WorkflowDefinition) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names: Vec<&str> = workflow.tasks.iter().map(|task| task.name.as_str()).collect();
    let on_failure = workflow.on_failure.as_ref().map(|task| task.name.as_str());
    let finding = |task: &TaskDefinition, problem: String| Finding {
        workflow: workflow.name.clone(),
        task: task.name.clone(),
        field: "parents",
        problem,
    };
    for task in &workflow.tasks {
        for parent in &task.parents {
            let problem = if *parent == task.name {
                "a task can't be its own parent: remove it".to_owned()
            } else if on_failure == Some(parent.as_str()) {
                format!("{parent:?} is the on-failure task, which no step can wait for: remove it")
            } else if !names.contains(&parent.as_str()) {
                format!(
                    "there is no task {parent:?}{}",
                    suggestion(parent, names.iter().copied().filter(|n| *n != task.name))
                )
            } else {
                continue;
            };
            findings.push(finding(task, problem));
        }
    }
    if !findings.is_empty() {
        return findings;
    }

    // Kahn's algorithm, taking the first of the file that is ready each time, so that the file's order stays where it can.
    let mut ordered: Vec<usize> = Vec::new();
    let mut done = BTreeSet::new();
    while let Some(next) = workflow
        .tasks
        .iter()
        .position(|task| !done.contains(&task.name) && task.parents.iter().all(|parent| done.contains(parent)))
    {
        done.insert(workflow.tasks[next].name.clone());
        ordered.push(next);
    }
    if ordered.len() < workflow.tasks.len() {
        let ring = ring(workflow.tasks.iter().map(|task| (task.name.as_str(), parents_of(task))).collect());
        if let Some(task) = ring.first().and_then(|name| workflow.task(name)) {
            findings.push(finding(
                task,
                format!("tasks wait for each other in a ring: {}; remove one of these", arrows(&ring)),
            ));
        }
        return findings;
    }
    let mut tasks: Vec<Option<TaskDefinition>> = std::mem::take(&mut workflow.tasks).into_iter().map(Some).collect();
    workflow.tasks = ordered.into_iter().filter_map(|index| tasks[index].take()).collect();
    findings
}

fn parents_of(task: &TaskDefinition) -> Vec<&str> {
    task.parents.iter().map(String::as_str).collect()
}

fn arrows(ring: &[&str]) -> String {
    let mut names = ring.to_vec();
    names.extend(ring.first());
    names.join(" -> ")
}

/// A ring in a graph, smallest name first, each followed by one it points at; empty if there is none.
fn ring<'a>(edges: BTreeMap<&'a str, Vec<&'a str>>) -> Vec<&'a str> {
    // What points at nothing that is left can't be in a ring: peel it off until nothing changes.
    let mut left = edges;
    loop {
        let leaves: Vec<&str> = left
            .iter()
            .filter(|(_, to)| !to.iter().any(|name| left.contains_key(name)))
            .map(|(name, _)| *name)
            .collect();
        if leaves.is_empty() {
            break;
        }
        left.retain(|name, _| !leaves.contains(name));
    }
    // From any one that is left, walking always stays among those left and so must come round.
    let mut path: Vec<&str> = left.keys().next().copied().into_iter().collect();
    while let Some(next) =
        path.last().and_then(|at| left.get(at)).and_then(|to| to.iter().find(|name| left.contains_key(*name)))
    {
        if let Some(start) = path.iter().position(|name| name == next) {
            let mut ring = path.split_off(start);
            let smallest = (0..ring.len()).min_by_key(|index| ring[*index]).unwrap_or(0);
            ring.rotate_left(smallest);
            return ring;
        }
        path.push(next);
    }
    Vec::new()
}

/// Checks what workflows say about each other, and all limits against one another.
pub(super) fn check_together(workflows: &[WorkflowDefinition], rate_limits: &[RateLimit]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let by_name: BTreeMap<&str, &WorkflowDefinition> = workflows.iter().map(|w| (w.name.as_str(), w)).collect();
    for workflow in workflows {
        for task in &workflow.tasks {
            let Some(child) = &task.fan_out else { continue };
            if !by_name.contains_key(child.as_str()) {
                let hint = suggestion(child, by_name.keys().copied().filter(|name| *name != workflow.name));
                findings.push(Finding {
                    workflow: workflow.name.clone(),
                    task: task.name.clone(),
                    field: "fan_out",
                    problem: format!("there is no workflow {child:?}{hint}"),
                });
            }
        }
    }
    let fan_outs = workflows
        .iter()
        .map(|w| (w.name.as_str(), w.tasks.iter().filter_map(|task| task.fan_out.as_deref()).collect()))
        .collect();
    let ring = ring(fan_outs);
    if let Some(workflow) = ring.first().and_then(|name| by_name.get(name)) {
        let next = ring.get(1).unwrap_or(&ring[0]);
        let task = workflow.tasks.iter().find(|task| task.fan_out.as_deref() == Some(*next));
        findings.push(Finding {
            workflow: workflow.name.clone(),
            task: task.map(|task| task.name.clone()).unwrap_or_default(),
            field: "fan_out",
            problem: format!("workflows make runs of each other in a ring: {}; no such run could end", arrows(&ring)),
        });
    }
    if findings.is_empty() {
        findings.extend(check_limits(&by_name, workflows));
        findings.extend(rate_limit::check_tasks(rate_limits, workflows));
    }
    findings
}

/// H4: an inner deadline at or above the outer one is a race that loses the inner error.
fn check_limits(by_name: &BTreeMap<&str, &WorkflowDefinition>, workflows: &[WorkflowDefinition]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in workflows {
        for task in workflow.all_tasks() {
            let limits = &task.limits;
            let mut report = |field, problem| {
                findings.push(Finding { workflow: workflow.name.clone(), task: task.name.clone(), field, problem });
            };
            if limits.stall_timeout >= limits.execution_timeout {
                let (stall, execution) = (show_duration(limits.stall_timeout), show_duration(limits.execution_timeout));
                report(
                    "stall_timeout",
                    format!(
                        "{stall} must be less than the execution_timeout of {execution}: lower it or raise the other"
                    ),
                );
            }
            let Some(child) = task.fan_out.as_deref().and_then(|name| by_name.get(name)) else { continue };
            let needed = longest_path(child);
            if limits.execution_timeout <= needed {
                let (own, needed) = (show_duration(limits.execution_timeout), show_duration(needed));
                report(
                    "execution_timeout",
                    format!(
                        "{own} includes the children's time, but one run of {} may alone take {needed} (the sum of \
                         execution_timeout along its longest path): raise it above that",
                        child.name
                    ),
                );
            }
        }
    }
    findings
}

/// The largest sum of execution timeouts along any path of the workflow.
fn longest_path(workflow: &WorkflowDefinition) -> Duration {
    let mut until: BTreeMap<&str, Duration> = BTreeMap::new();
    for task in &workflow.tasks {
        let start =
            task.parents.iter().filter_map(|parent| until.get(parent.as_str())).max().copied().unwrap_or_default();
        until.insert(&task.name, start + task.limits.execution_timeout);
    }
    until.into_values().max().unwrap_or_default()
}
