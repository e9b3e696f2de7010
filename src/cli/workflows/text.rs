//! Workflows as a tree with columns, for people: 100 columns wide.

use std::fmt::Write as _;

use crate::workflow::{Definitions, Limits, TaskDefinition, WorkflowDefinition, show_duration};

/// Widest line, in characters.
const WIDTH: usize = 100;
/// Width of the first column.
const NAMES: usize = 33;

/// Each workflow with its tasks, then the pools and what was overridden.
pub(super) fn show(definitions: &Definitions, workflows: &[&WorkflowDefinition]) -> String {
    let mut page = String::new();
    for workflow in workflows {
        show_workflow(&mut page, definitions, workflow);
        page.push('\n');
    }
    let pools: Vec<String> = definitions
        .pools()
        .iter()
        .map(|(pool, slots)| format!("{pool} {slots}{}", mark(definitions, "", None, &[pool.as_str()])))
        .collect();
    line(&mut page, format!("Slots on this machine: {}", pools.join(", ")));
    show_rate_limits(&mut page, definitions, workflows);
    line(
        &mut page,
        "Retry n waits 1^n or 2^n seconds, up to the ceiling. A fan-out's time includes its children's.".to_owned(),
    );
    show_overrides(&mut page, definitions, workflows);
    page
}

/// The rate limits of these workflows' tasks, and who takes how many units.
fn show_rate_limits(page: &mut String, definitions: &Definitions, workflows: &[&WorkflowDefinition]) {
    for limit in definitions.rate_limits() {
        let tasks = workflows.iter().flat_map(|workflow| workflow.all_tasks());
        let users: Vec<String> = tasks
            .filter_map(|task| Some(format!("{} takes {}", task.name, task.rate_limits.get(&limit.key)?)))
            .collect();
        if users.is_empty() {
            continue;
        }
        let mark = mark(definitions, "rate_limits", None, &[&limit.key]);
        let text = format!("Rate limit {}: {limit}{mark} on all machines; {}", limit.key, users.join(", "));
        for (index, part) in wrapped(&text, WIDTH - 2).into_iter().enumerate() {
            line(page, if index == 0 { part } else { format!("  {part}") });
        }
    }
}

fn show_workflow(page: &mut String, definitions: &Definitions, workflow: &WorkflowDefinition) {
    line(page, workflow.name.clone());
    line(page, format!("  {}", workflow.description));
    line(page, format!("  input    {}", workflow.input));
    line(page, format!("  version  {}", workflow.shape_hash().chars().take(16).collect::<String>()));
    if let Some(group) = &workflow.concurrency {
        let mark = mark(definitions, &workflow.name, None, &["max_runs"]);
        line(page, format!("  at once  {}{mark} per {}; later ones queue", group.max_runs, group.key));
    }
    page.push('\n');
    let heads = ["pool", "time", "no progress", "for a slot", "retries", "retry wait"];
    line(page, columns("  task", heads.map(str::to_owned)));
    let mut roots = workflow.tasks.iter().filter(|task| anchor(workflow, task).is_none()).peekable();
    while let Some(root) = roots.next() {
        show_task(page, definitions, workflow, root, "  ", "  ");
        if roots.peek().is_some() || workflow.on_failure.is_some() {
            page.push('\n');
        }
    }
    if let Some(task) = &workflow.on_failure {
        show_row(page, definitions, workflow, task, "  ", "    ", "when a task failed for good");
    }
}

/// The task under which `task` is drawn: its only near parent. One that joins several branches begins a tree of its own.
fn anchor<'d>(workflow: &'d WorkflowDefinition, task: &'d TaskDefinition) -> Option<&'d str> {
    match workflow.nearest_parents(task)[..] {
        [only] => Some(only),
        _ => None,
    }
}

fn show_task(
    page: &mut String,
    definitions: &Definitions,
    workflow: &WorkflowDefinition,
    task: &TaskDefinition,
    first: &str,
    rest: &str,
) {
    let nearest = workflow.nearest_parents(task);
    let mut note = String::new();
    if nearest.len() > 1 {
        note = format!("after {}", nearest.join(", "));
    }
    if let Some(child) = &task.fan_out {
        note = format!("a run of {child} per child, then joined");
    }
    let below: Vec<&TaskDefinition> =
        workflow.tasks.iter().filter(|other| anchor(workflow, other) == Some(task.name.as_str())).collect();
    let margin = format!("{rest}{}", if below.is_empty() { "  " } else { "│ " });
    show_row(page, definitions, workflow, task, first, &margin, &note);
    for (index, next) in below.iter().enumerate() {
        let (branch, trunk) = if index + 1 == below.len() { ("└ ", "  ") } else { ("├ ", "│ ") };
        show_task(page, definitions, workflow, next, &format!("{rest}{branch}"), &format!("{rest}{trunk}"));
    }
}

fn show_row(
    page: &mut String,
    definitions: &Definitions,
    workflow: &WorkflowDefinition,
    task: &TaskDefinition,
    first: &str,
    margin: &str,
    note: &str,
) {
    let Limits { execution_timeout, schedule_timeout, stall_timeout, retries, backoff_factor, backoff_max } =
        &task.limits;
    let marked = |text: String, fields: &[&str]| {
        let mark = mark(definitions, &workflow.name, Some(&task.name), fields);
        text + mark
    };
    let wait = format!("{backoff_factor}^n s to {}", show_duration(*backoff_max));
    let cells = [
        task.pool.as_str().to_owned(),
        marked(show_duration(*execution_timeout), &["execution_timeout"]),
        marked(show_duration(*stall_timeout), &["stall_timeout"]),
        marked(show_duration(*schedule_timeout), &["schedule_timeout"]),
        marked(retries.to_string(), &["retries"]),
        marked(wait, &["backoff_factor", "backoff_max"]),
    ];
    line(page, columns(&format!("{first}{}", task.name), cells));
    for part in wrapped(note, WIDTH.saturating_sub(margin.chars().count() + 2)) {
        line(page, format!("{margin}  {part}"));
    }
}

fn columns(name: &str, [pool, time, stall, slot, retries, wait]: [String; 6]) -> String {
    format!("{name:<NAMES$} {pool:<7} {time:<10} {stall:<12} {slot:<11} {retries:<8} {wait}")
}

/// Lines of at most `width` characters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn mark(definitions: &Definitions, workflow: &str, task: Option<&str>, fields: &[&str]) -> &'static str {
    if fields.iter().any(|field| definitions.overridden(workflow, task, field).is_some()) { "*" } else { "" }
}

fn show_overrides(page: &mut String, definitions: &Definitions, workflows: &[&WorkflowDefinition]) {
    let shown =
        |name: &str| matches!(name, "" | "rate_limits") || workflows.iter().any(|workflow| workflow.name == name);
    let changed: Vec<_> = definitions.overrides().iter().filter(|change| shown(&change.workflow)).collect();
    if changed.is_empty() {
        return;
    }
    page.push('\n');
    line(page, "* changed by WORKFLOW_OVERRIDES:".to_owned());
    for change in changed {
        let place = match (&*change.workflow, &change.task) {
            ("", _) => "pools".to_owned(),
            (workflow, None) => workflow.to_owned(),
            (workflow, Some(task)) => format!("{workflow}/{task}"),
        };
        line(page, format!("  {place} {}, was {}", change.field, change.was));
    }
}

/// Adds a line without blanks at its end.
fn line(page: &mut String, text: String) {
    let _ = writeln!(page, "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::super::{Format, print};
    use super::*;
    use crate::workflow::default_pool_sizes;

    fn shown(overrides: &str) -> String {
        let definitions =
            Definitions::embedded(default_pool_sizes(2, 1)).unwrap().with_overrides("o.toml", overrides).unwrap();
        print(&definitions, None, Format::Text).unwrap()
    }

    #[test]
    fn every_task_is_there_once_and_no_line_is_too_wide() {
        let page = shown("");
        let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        for task in definitions.workflows().iter().flat_map(|workflow| workflow.all_tasks()) {
            let rows = page
                .lines()
                .filter(|line| line.trim_start_matches([' ', '│', '├', '└']).split(' ').next() == Some(&task.name));
            assert_eq!(rows.count(), 1, "{}\n{page}", task.name);
        }
        for line in page.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(!page.contains('*'));
    }

    #[test]
    fn the_tree_shows_what_waits_for_what() {
        let page = shown("");
        let rows: Vec<&str> = page
            .lines()
            .map(|line| line.split("  ").find(|part| !part.trim().is_empty()).unwrap_or("").trim())
            .collect();
        let at = |row: &str| rows.iter().position(|line| *line == row).unwrap_or_else(|| panic!("{row} in\n{page}"));
        assert!(at("└ get_participants") == at("get_recording") + 1);
        assert!(at("├ generate_title") == at("└ detect_topics") + 1);
        assert!(page.contains("after generate_waveform, generate_title, generate_summary, identify_action_items"));
        assert!(at("└ cleanup_consent") > at("finalize"));
    }

    #[test]
    fn what_was_overridden_is_marked_and_listed() {
        let page = shown(
            "[pools]\nspeech = 4\n[rate_limits]\ndaily_api = 5\n[DiarizationPipeline.concurrency]\nmax_runs = 3\n[TrackProcessing.tasks.pad_track]\nretries = 1\nbackoff_max = '9s'\n",
        );
        for wanted in [
            "speech 4*",
            "3* per input.transcript_id",
            "2^n s to 9s*",
            "  pools speech, was 2",
            "Rate limit daily_api: 5 a second* on all machines; get_recording takes 1, get_participants takes 1",
            "  rate_limits daily_api, was 15",
            "  DiarizationPipeline max_runs, was 1",
            "  TrackProcessing/pad_track retries, was 4",
            "  TrackProcessing/pad_track backoff_max, was 2m",
        ] {
            assert!(page.contains(wanted), "{wanted} in\n{page}");
        }
        let row = page.lines().find(|line| line.trim_start().starts_with("pad_track")).unwrap();
        assert_eq!(row.matches('*').count(), 2, "{row}");
    }
}
