//! How a run ended, from either of the two forms in which the engine tells it.

use super::failure_text;
use super::rest::{RunPage, TaskState};
use super::wire::{self, v1};
use crate::engine::{RunFailure, RunStatus};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RunEnd {
    /// All its tasks are done. Their outputs as JSON, by task.
    Completed(Vec<(String, String)>),
    /// Tasks failed. Which was first is not told.
    Failed(Vec<RunFailure>),
    /// Somebody stopped it.
    Cancelled,
    /// The engine has no such run, or none any more.
    NeverWas,
}

/// What is told of one task.
struct Told {
    task: String,
    fate: Fate,
}

enum Fate {
    /// Its output as JSON; none where it made none.
    Made(Option<String>),
    /// What it failed of.
    Lost(String),
    Stopped,
}

impl RunEnd {
    /// From what the stream of awaited runs says.
    pub(super) fn of_results(results: Vec<wire::TaskResult>) -> Self {
        let told = results.into_iter().map(|result| {
            let fate = match result.error {
                None => Fate::Made(result.output),
                // A task that was cancelled has an error without text.
                Some(text) if text.is_empty() => Fate::Stopped,
                Some(text) => Fate::Lost(text),
            };
            Told { task: result.task_name, fate }
        });
        Self::of(told.collect())
    }

    /// From what the engine says of a run that is done.
    pub(super) fn of_details(details: v1::RunDetails) -> Self {
        let told = details.task_runs.into_iter().map(|(task, detail)| {
            let fate = match detail.status() {
                v1::RunStatus::Failed => Fate::Lost(detail.error.unwrap_or_default()),
                v1::RunStatus::Cancelled => Fate::Stopped,
                // Here an empty error says nothing: tasks that completed have one too.
                _ => Fate::Made(detail.output.map(|output| String::from_utf8_lossy(&output).into_owned())),
            };
            Told { task, fate }
        });
        Self::of(told.collect())
    }

    /// From what REST shows of a run that is done.
    pub(super) fn of_page(page: RunPage) -> Self {
        let told = page.tasks.into_iter().filter_map(|task| {
            let name = task.task()?.to_owned();
            let fate = match task.status {
                TaskState::Failed => Fate::Lost(task.error_message.unwrap_or_default()),
                TaskState::Cancelled => Fate::Stopped,
                _ => Fate::Made(Some(task.output.to_string())),
            };
            Some(Told { task: name, fate })
        });
        Self::of(told.collect())
    }

    fn of(mut told: Vec<Told>) -> Self {
        told.sort_by(|a, b| a.task.cmp(&b.task));
        let (mut made, mut failed, mut is_stopped) = (Vec::new(), Vec::new(), false);
        for Told { task, fate } in told {
            match fate {
                Fate::Made(output) => made.extend(output.filter(|json| !json.is_empty()).map(|json| (task, json))),
                Fate::Lost(text) => failed.push(failure_text::read(&task, &text)),
                Fate::Stopped => is_stopped = true,
            }
        }
        match (failed.is_empty(), is_stopped) {
            (false, _) => Self::Failed(failed),
            (true, true) => Self::Cancelled,
            (true, false) => Self::Completed(made),
        }
    }

    /// In the words of all engines; `None` when there is no such run.
    pub(super) fn status(&self) -> Option<RunStatus> {
        match self {
            Self::Completed(_) => Some(RunStatus::Completed),
            Self::Failed(_) => Some(RunStatus::Failed),
            Self::Cancelled => Some(RunStatus::Cancelled),
            Self::NeverWas => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(task: &str, error: Option<&str>, output: Option<&str>) -> wire::TaskResult {
        wire::TaskResult {
            task_name: task.to_owned(),
            error: error.map(str::to_owned),
            output: output.map(str::to_owned),
            ..wire::TaskResult::default()
        }
    }

    #[test]
    fn a_cancelled_child_is_no_empty_success() {
        let done = result("a", None, Some("{}"));
        assert_eq!(RunEnd::of_results(vec![done.clone(), result("b", Some(""), None)]), RunEnd::Cancelled);
        let end = RunEnd::of_results(vec![
            done.clone(),
            result("b", Some("boom\n[permanent]"), None),
            result("c", Some(""), None),
        ]);
        assert!(matches!(end, RunEnd::Failed(failures) if failures.len() == 1 && failures[0].message == "boom"));
        assert_eq!(RunEnd::of_results(vec![done]), RunEnd::Completed(vec![("a".to_owned(), "{}".to_owned())]));
    }

    #[test]
    fn a_task_that_failed_without_a_word_has_failed() {
        let detail = v1::TaskDetail { status: v1::RunStatus::Failed as i32, ..v1::TaskDetail::default() };
        let details = v1::RunDetails { task_runs: [("a".to_owned(), detail)].into(), ..v1::RunDetails::default() };
        assert_eq!(RunEnd::of_details(details).status(), Some(RunStatus::Failed));
    }

    #[test]
    fn what_rest_shows_of_a_run_says_the_same() {
        let page = |a: &str, b: &str| -> RunPage {
            let task = |name: &str, status: &str| {
                json!({
                    "taskExternalId": name, "workflowRunExternalId": "r", "status": status, "output": {"made": name},
                    "actionId": format!("flow:{name}"), "errorMessage": "boom\n[permanent]",
                })
            };
            serde_json::from_value(json!({"run": {"status": "COMPLETED"}, "tasks": [task("b", b), task("a", a)]}))
                .unwrap()
        };
        let made = |name: &str| (name.to_owned(), json!({"made": name}).to_string());
        assert_eq!(RunEnd::of_page(page("COMPLETED", "COMPLETED")), RunEnd::Completed(vec![made("a"), made("b")]));
        assert_eq!(RunEnd::of_page(page("COMPLETED", "CANCELLED")), RunEnd::Cancelled);
        let end = RunEnd::of_page(page("FAILED", "CANCELLED"));
        assert!(matches!(end, RunEnd::Failed(failures) if failures.len() == 1 && failures[0].message == "boom"));
    }
}
