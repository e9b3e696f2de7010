//! How a run ended, from either of the two forms in which the engine tells it.

use super::failure_text;
use super::wire::{self, v1};
use crate::engine::{RunFailure, RunStatus};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RunEnd {
    /// All its tasks are done. Their outputs as JSON, by task.
    Completed(Vec<(String, String)>),
    /// Tasks failed. Which was first is not told; none where the engine keeps no cause.
    Failed(Vec<RunFailure>),
    /// Somebody stopped it.
    Cancelled,
    /// The engine has no such run, or none any more.
    NeverWas,
}

/// What is told of one task.
struct Told {
    task: String,
    error: Option<String>,
    output: Option<String>,
}

impl RunEnd {
    /// From what the stream of awaited runs says.
    pub(super) fn of_results(results: Vec<wire::TaskResult>) -> Self {
        let told = results.into_iter().map(|result| Told {
            task: result.task_name,
            error: result.error,
            output: result.output,
        });
        Self::of(told.collect())
    }

    /// From what the engine says of a run that is done.
    pub(super) fn of_details(details: v1::RunDetails) -> Self {
        let told = details.task_runs.into_iter().map(|(task, detail)| {
            let is_lost = matches!(detail.status(), v1::RunStatus::Failed | v1::RunStatus::Cancelled);
            Told {
                task,
                // Here an empty error says nothing: tasks that completed have one too.
                error: is_lost.then(|| detail.error.unwrap_or_default()),
                output: detail.output.map(|output| String::from_utf8_lossy(&output).into_owned()),
            }
        });
        Self::of(told.collect())
    }

    fn of(mut told: Vec<Told>) -> Self {
        told.sort_by(|a, b| a.task.cmp(&b.task));
        let failed = told.iter().filter_map(|told| {
            let text = told.error.as_deref().filter(|text| !text.is_empty())?;
            Some(failure_text::read(&told.task, text))
        });
        let failed: Vec<RunFailure> = failed.collect();
        if !failed.is_empty() {
            return Self::Failed(failed);
        }
        // A task that was cancelled has an error without text.
        if told.iter().any(|told| told.error.is_some()) {
            return Self::Cancelled;
        }
        let output = |told: Told| Some((told.task, told.output.filter(|output| !output.is_empty())?));
        Self::Completed(told.into_iter().filter_map(output).collect())
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
}
