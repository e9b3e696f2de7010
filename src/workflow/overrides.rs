//! `WORKFLOW_OVERRIDES`: a TOML file that changes limits without a rebuild, and never the shape.
//!
//! ```toml
//! [pools]
//! speech = 1
//!
//! [rate_limits]
//! daily_api = 5
//!
//! [DiarizationPipeline.concurrency]
//! max_runs = 2
//!
//! [TrackProcessing.tasks.transcribe_track]
//! execution_timeout = "24h"
//! retries = 2
//! ```

use super::check::{self, Finding};
use super::definition::{Limits, Pool, PoolSizes, WorkflowDefinition};
use super::definitions::{Definitions, Override};
use super::diagnostics::{DefinitionError, DefinitionErrors};
use super::duration::show_duration;
use super::names::suggestion;
use super::parse::SomeLimits;
use super::rate_limit::{MOST_UNITS, RateLimit};
use super::reading::{Fields, Place, Reading};

/// Why other fields are refused.
const NOT_A_LIMIT: &str = "is no limit: overrides change timeouts, retries, backoff, max_runs, pool sizes and rate \
                           limits only, never a workflow's shape";

/// Most slots of a pool: more is surely a slip.
const MOST_SLOTS: u32 = 1000;

impl Definitions {
    /// The same workflows with the limits that `text` (of the file called `file`) states.
    ///
    /// # Errors
    /// Everything in it that is not a limit of a workflow, task or pool that exists, or is out of range; also limits that
    /// no longer fit each other.
    pub fn with_overrides(mut self, file: &str, text: &str) -> Result<Self, DefinitionErrors> {
        let (mut reading, document) = Reading::open(file, text);
        if !reading.has_errors() {
            let mut top = Fields::of(document.get_ref(), Place::default());
            if let Some(mut pools) = top.table(&mut reading, "pools") {
                override_pools(&mut reading, &mut pools, &mut self.pools, &mut self.overrides);
            }
            if let Some(limits) = top.table(&mut reading, "rate_limits") {
                override_rate_limits(&mut reading, &limits, &mut self.rate_limits, &mut self.overrides);
            }
            let hint = "must be a table: [pools], [rate_limits], or one named as a workflow";
            for (name, mut fields) in top.tables(&mut reading, hint) {
                let known: Vec<&str> = self.workflows.iter().map(|workflow| workflow.name.as_str()).collect();
                let hint = suggestion(&name, known);
                match self.workflows.iter_mut().find(|workflow| workflow.name == name) {
                    Some(workflow) => override_workflow(&mut reading, &mut fields, workflow, &mut self.overrides),
                    None if matches!(name.as_str(), "pools" | "rate_limits") => {}
                    None => reading.report(fields.place(), format!("there is no workflow {name:?}{hint}")),
                }
            }
        }
        let mut errors = reading.finish();
        if errors.is_empty() {
            errors.extend(check::check_together(&self.workflows, &self.rate_limits).into_iter().map(|finding| {
                let Finding { workflow, task, field, problem } = finding;
                let (file, field) = (file.to_owned(), Some(field.to_owned()));
                DefinitionError { file, line: None, workflow: Some(workflow), task: Some(task), field, problem }
            }));
        }
        if errors.is_empty() { Ok(self) } else { Err(DefinitionErrors(errors)) }
    }
}

fn override_pools(
    reading: &mut Reading<'_>,
    fields: &mut Fields<'_, '_>,
    pools: &mut PoolSizes,
    overrides: &mut Vec<Override>,
) {
    for pool in Pool::ALL {
        let Some(slots) = fields.number(reading, pool.as_str(), 1..=MOST_SLOTS) else { continue };
        let was = pools.insert(pool, slots as usize).map_or_else(|| "unset".to_owned(), |slots| slots.to_string());
        overrides.push(Override { workflow: String::new(), task: None, field: pool.as_str().to_owned(), was });
    }
    fields.refuse_rest(reading, "there is no such pool");
}

fn override_rate_limits(
    reading: &mut Reading<'_>,
    fields: &Fields<'_, '_>,
    limits: &mut [RateLimit],
    overrides: &mut Vec<Override>,
) {
    for (key, units) in fields.numbers(reading, 1..=MOST_UNITS) {
        let hint = suggestion(&key, limits.iter().map(|limit| limit.key.as_str()));
        match limits.iter_mut().find(|limit| limit.key == key) {
            Some(limit) => {
                let was = std::mem::replace(&mut limit.limit, units).to_string();
                overrides.push(Override { workflow: "rate_limits".to_owned(), task: None, field: key, was });
            }
            None => {
                let place = fields.place_of(reading, &key);
                reading.report(place, format!("there is no such rate limit{hint}"));
            }
        }
    }
}

fn override_workflow(
    reading: &mut Reading<'_>,
    fields: &mut Fields<'_, '_>,
    workflow: &mut WorkflowDefinition,
    overrides: &mut Vec<Override>,
) {
    fields.name_workflow(&workflow.name);
    if let Some(mut group) = fields.table(reading, "concurrency") {
        let max_runs = group.number(reading, "max_runs", 1..=10_000);
        match (&mut workflow.concurrency, max_runs) {
            (Some(concurrency), Some(max_runs)) => {
                let was = std::mem::replace(&mut concurrency.max_runs, max_runs).to_string();
                let (workflow, field) = (workflow.name.clone(), "max_runs".to_owned());
                overrides.push(Override { workflow, task: None, field, was });
            }
            (None, _) => {
                reading.report(group.place(), "this workflow has no concurrency group to change: remove the table")
            }
            (Some(_), None) => {}
        }
        group.refuse_rest(reading, NOT_A_LIMIT);
    }
    if let Some(tasks) = fields.table(reading, "tasks") {
        for (name, mut limits) in tasks.tables(reading, "must be a table named as a task") {
            let names: Vec<String> = workflow.all_tasks().map(|task| task.name.clone()).collect();
            let workflow_name = workflow.name.clone();
            let task = workflow.tasks.iter_mut().chain(&mut workflow.on_failure).find(|task| task.name == name);
            let Some(task) = task else {
                let hint = suggestion(&name, names.iter().map(String::as_str));
                reading.report(limits.place(), format!("there is no task {name:?}{hint}"));
                continue;
            };
            limits.name_task(&name);
            let stated = SomeLimits::read(reading, &mut limits);
            limits.refuse_rest(reading, NOT_A_LIMIT);
            for (field, was) in apply(stated, &mut task.limits) {
                let (workflow, task) = (workflow_name.clone(), Some(name.clone()));
                overrides.push(Override { workflow, task, field: field.to_owned(), was });
            }
        }
    }
    fields.refuse_rest(reading, NOT_A_LIMIT);
}

/// Puts the stated limits into place. Gives the name and the former value of each.
fn apply(stated: SomeLimits, limits: &mut Limits) -> Vec<(&'static str, String)> {
    let mut changed = Vec::new();
    let durations = [
        ("execution_timeout", stated.execution_timeout, &mut limits.execution_timeout),
        ("schedule_timeout", stated.schedule_timeout, &mut limits.schedule_timeout),
        ("stall_timeout", stated.stall_timeout, &mut limits.stall_timeout),
        ("backoff_max", stated.backoff_max, &mut limits.backoff_max),
    ];
    for (field, now, limit) in durations {
        if let Some(now) = now {
            changed.push((field, show_duration(std::mem::replace(limit, now))));
        }
    }
    let numbers = [
        ("retries", stated.retries, &mut limits.retries),
        ("backoff_factor", stated.backoff_factor, &mut limits.backoff_factor),
    ];
    for (field, now, limit) in numbers {
        if let Some(now) = now {
            changed.push((field, std::mem::replace(limit, now).to_string()));
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::default_pool_sizes;
    use super::*;

    fn with(text: &str) -> Result<Definitions, DefinitionErrors> {
        Definitions::embedded(default_pool_sizes(2, 1)).unwrap().with_overrides("overrides.toml", text)
    }

    fn errors(text: &str) -> String {
        with(text).expect_err("these overrides are wrong").to_string()
    }

    #[test]
    fn every_limit_can_be_changed_and_what_it_was_is_remembered() {
        let definitions = with(
            "[pools]\nspeech = 3\n\
             [DiarizationPipeline.concurrency]\nmax_runs = 4\n\
             [DiarizationPipeline.tasks.mark_failed]\nretries = 1\n\
             [TrackProcessing.tasks.transcribe_track]\nexecution_timeout = '20h'\nschedule_timeout = '2h'\n\
             stall_timeout = '1h'\nretries = 0\nbackoff_factor = 1\nbackoff_max = '5s'\n",
        )
        .unwrap();
        assert_eq!(definitions.pools()[&Pool::Speech], 3);
        let pipeline = definitions.workflow("DiarizationPipeline").unwrap();
        assert_eq!(pipeline.concurrency.as_ref().unwrap().max_runs, 4);
        assert_eq!(pipeline.on_failure.as_ref().unwrap().limits.retries, 1);
        let limits = &definitions.workflow("TrackProcessing").unwrap().task("transcribe_track").unwrap().limits;
        let hours = |n: u64| Duration::from_secs(n * 3600);
        let wanted = Limits {
            execution_timeout: hours(20),
            schedule_timeout: hours(2),
            stall_timeout: hours(1),
            retries: 0,
            backoff_factor: 1,
            backoff_max: Duration::from_secs(5),
        };
        assert_eq!(*limits, wanted);
        assert_eq!(definitions.overrides().len(), 9);
        let retries = definitions.overridden("TrackProcessing", Some("transcribe_track"), "retries").unwrap();
        assert_eq!(retries.was, "4");
        assert_eq!(definitions.overridden("DiarizationPipeline", None, "max_runs").unwrap().was, "1");
        assert_eq!(definitions.overridden("", None, "speech").unwrap().was, "2");
        assert!(definitions.overridden("TrackProcessing", Some("pad_track"), "retries").is_none());
    }

    #[test]
    fn overrides_never_change_a_workflows_shape() {
        let plain = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        let changed = with("[DiarizationPipeline.tasks.finalize]\nretries = 1\n").unwrap();
        for (before, after) in plain.workflows().iter().zip(changed.workflows()) {
            assert_eq!(before.shape_hash(), after.shape_hash());
        }
        for field in ["parents = []", "name = 'x'", "pool = 'audio'", "fan_out = 'TrackProcessing'"] {
            let text = errors(&format!("[DiarizationPipeline.tasks.finalize]\n{field}\n"));
            assert!(
                text.starts_with("overrides.toml:2: workflow \"DiarizationPipeline\", task \"finalize\", field "),
                "{text}"
            );
            assert!(text.contains("never a workflow's shape"), "{text}");
        }
        assert!(errors("[DiarizationPipeline]\ninput = 'x'\n").contains("field \"input\": is no limit"));
        assert!(errors("[DiarizationPipeline.concurrency]\nkey = 'x'\n").contains("field \"key\": is no limit"));
    }

    #[test]
    fn what_does_not_exist_can_not_be_overridden() {
        let text = errors("[Diarizationpipeline.tasks.finalize]\nretries = 1\n");
        assert!(text.contains("did you mean \"DiarizationPipeline\"?"), "{text}");
        let text = errors("[TrackProcessing.tasks.pad_tracks]\nretries = 1\n");
        assert!(
            text.contains("overrides.toml:1: workflow \"TrackProcessing\"") && text.contains("\"pad_track\""),
            "{text}"
        );
        assert!(errors("[pools]\ngpu = 1\n").contains("field \"gpu\": there is no such pool"));
        assert!(errors("[pools]\nspeech = 0\n").contains("a whole number from 1 to 1000, but is 0"));
        assert!(errors("[TrackProcessing.concurrency]\nmax_runs = 1\n").contains("no concurrency group"));
        assert!(errors("retries = 3\n").contains("must be a table"));
        assert!(errors("pools = 3\n").contains("must be a table"));
        assert!(errors("[DiarizationPipeline]\ntasks = 3\n").contains("must be a table"));
    }

    #[test]
    fn overrides_that_no_longer_fit_each_other_are_refused() {
        let text = errors("[TrackProcessing.tasks.transcribe_track]\nexecution_timeout = '80h'\n");
        assert!(text.contains("task \"process_tracks\", field \"execution_timeout\": 72h includes"), "{text}");
    }

    #[test]
    fn all_errors_are_reported_at_once_by_line() {
        let text = errors(
            "[pools]\nspeech = 'x'\n[TrackProcessing.tasks.pad_track]\nretries = 11\nbackoff_factor = 3\nbackoff_max = '25h'\n",
        );
        let lines: Vec<&str> = text.lines().map(|line| line.split(": ").next().unwrap()).collect();
        assert_eq!(lines, ["overrides.toml:2", "overrides.toml:4", "overrides.toml:5", "overrides.toml:6"], "{text}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_of_overrides_panic(text in "(?s).{0,200}") {
            let _ = with(&text);
        }
    }
}
