//! Workflows as a mermaid flowchart, for READMEs and pages that draw it.

use std::fmt::Write as _;

use crate::workflow::{Definitions, Pool, TaskDefinition, WorkflowDefinition, show_duration, task_ref};

/// Arrows that follow from others are left out; dotted ones are child runs and the on-failure task.
pub(super) fn show(definitions: &Definitions, workflows: &[&WorkflowDefinition]) -> String {
    let mut chart = Chart::default();
    chart.line(0, "flowchart TD");
    for workflow in workflows {
        chart.line(1, &format!("subgraph {}", workflow.name));
        for task in &workflow.tasks {
            chart.node(definitions, workflow, task);
        }
        for task in &workflow.tasks {
            for parent in workflow.nearest_parents(task) {
                chart.line(2, &format!("{} --> {}", id(&workflow.name, parent), id(&workflow.name, &task.name)));
            }
        }
        if let Some(task) = &workflow.on_failure {
            // Differs from every task's id: no task may have an upper-case letter.
            let failure = id(&workflow.name, "on") + "Failure";
            chart.line(2, &format!("{failure}{{{{\"a task failed for good\"}}}}"));
            chart.node(definitions, workflow, task);
            chart.line(2, &format!("{failure} -.-> {}", id(&workflow.name, &task.name)));
        }
        chart.line(1, "end");
    }
    for workflow in workflows {
        for task in &workflow.tasks {
            let Some(child) = &task.fan_out else { continue };
            if !workflows.iter().any(|other| other.name == *child) {
                chart.line(1, &format!("{child}[[\"{child}\"]]"));
            }
            chart.line(1, &format!("{} -.->|one run per child| {child}", id(&workflow.name, &task.name)));
        }
    }
    for (pool, colour) in [(Pool::Audio, "#dbeafe"), (Pool::Speech, "#fde68a"), (Pool::Io, "#f3f4f6")] {
        chart.line(1, &format!("classDef {pool} fill:{colour},stroke:#6b7280,color:#111827"));
    }
    chart.0
}

#[derive(Default)]
struct Chart(String);

impl Chart {
    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.0, "{}{text}", "    ".repeat(depth));
    }

    fn node(&mut self, definitions: &Definitions, workflow: &WorkflowDefinition, task: &TaskDefinition) {
        let changed: Vec<String> = definitions
            .overrides()
            .iter()
            .filter(|change| change.workflow == workflow.name && change.task.as_deref() == Some(&task.name))
            .map(|change| change.field.clone())
            .collect();
        let mark = if changed.is_empty() { String::new() } else { format!("<br/>* {} overridden", changed.join(", ")) };
        let limits = &task.limits;
        let label = format!(
            "{}<br/>{}, {} at most, retries {}{mark}",
            task.name,
            task.pool,
            show_duration(limits.execution_timeout),
            limits.retries
        );
        self.line(2, &format!("{}[\"{label}\"]:::{}", id(&workflow.name, &task.name), task.pool));
    }
}

/// A node's id; with the workflow in front it is unique and never a word of mermaid's own, such as `end`.
fn id(workflow: &str, task: &str) -> String {
    task_ref(workflow, task).replace(':', "__")
}

#[cfg(test)]
mod tests {
    use super::super::{Format, print};
    use super::*;
    use crate::workflow::default_pool_sizes;

    fn embedded() -> Definitions {
        Definitions::embedded(default_pool_sizes(2, 1)).unwrap()
    }

    #[test]
    fn every_task_is_a_node_and_every_arrow_joins_nodes() {
        let definitions = embedded();
        let chart = print(&definitions, None, Format::Mermaid).unwrap();
        assert!(chart.starts_with("flowchart TD\n"));
        for workflow in definitions.workflows() {
            for task in workflow.all_tasks() {
                assert_eq!(
                    chart.matches(&format!("{}[\"", id(&workflow.name, &task.name))).count(),
                    1,
                    "{}",
                    task.name
                );
            }
        }
        assert!(
            chart.contains("        diarizationpipeline__get_recording --> diarizationpipeline__get_participants\n")
        );
        assert!(chart.contains("    diarizationpipeline__process_tracks -.->|one run per child| TrackProcessing\n"));
        assert!(!chart.contains("diarizationpipeline__get_recording --> diarizationpipeline__finalize"));
        assert_eq!(chart.matches("subgraph ").count(), chart.matches("    end\n").count());
    }

    #[test]
    fn the_same_workflows_give_the_same_chart_and_overrides_are_marked() {
        let definitions = embedded();
        let chart = print(&definitions, None, Format::Mermaid).unwrap();
        assert_eq!(chart, print(&embedded(), None, Format::Mermaid).unwrap());
        let changed = definitions.with_overrides("o", "[TrackProcessing.tasks.pad_track]\nretries = 1\n").unwrap();
        let changed = print(&changed, Some("TrackProcessing"), Format::Mermaid).unwrap();
        assert!(changed.contains("pad_track<br/>audio, 2h at most, retries 1<br/>* retries overridden"), "{changed}");
    }

    #[test]
    fn a_child_that_is_not_shown_is_one_node() {
        let chart = print(&embedded(), Some("DiarizationPipeline"), Format::Mermaid).unwrap();
        assert!(chart.contains("    TrackProcessing[[\"TrackProcessing\"]]\n"));
    }
}
