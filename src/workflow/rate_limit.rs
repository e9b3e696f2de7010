//! Rate limits: how much of something that lies outside, such as somebody's API, the tasks of all workflows may use in a
//! span of time. A file declares one by its key, tasks say how many of its units each of their attempts takes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::check::Finding;
use super::definition::WorkflowDefinition;
use super::diagnostics::DefinitionError;
use super::duration::show_duration;
use super::names::{rate_limit_key_problem, suggestion};
use super::reading::{Fields, Place, Reading};

/// Most units of a span: more is surely a slip, and no limit.
pub(super) const MOST_UNITS: u32 = 100_000;

/// So many units in such a span, for all tasks that name its key, on all machines that work for one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name. No namespace is put before it: what it protects is the same for everybody.
    pub key: String,
    /// Units, at least 1.
    pub limit: u32,
    /// The span in which they may be used.
    pub per: RateSpan,
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if self.per == RateSpan::Hour { "an" } else { "a" };
        write!(f, "{} {article} {}", self.limit, self.per.as_str())
    }
}

/// The span of a rate limit. None is longer, because the embedded engine counts in memory and every start of it would begin a
/// new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateSpan {
    /// One second.
    Second,
    /// Sixty of them.
    Minute,
    /// Sixty minutes.
    Hour,
}

impl RateSpan {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// The span's name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    /// How long it is.
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

/// A rate limit where it is declared.
pub(super) struct Declared {
    limit: RateLimit,
    file: String,
    place: Place,
}

impl Declared {
    fn wrong(&self, problem: String) -> DefinitionError {
        let Place { line, workflow, task, field } = self.place.clone();
        DefinitionError { file: self.file.clone(), line, workflow, task, field, problem }
    }
}

/// The `[[rate_limit]]` tables of a file.
pub(super) fn read_declared(reading: &mut Reading<'_>, top: &mut Fields<'_, '_>) -> Vec<Declared> {
    let mut declared: Vec<Declared> = Vec::new();
    for mut fields in top.list_of_tables(reading, "rate_limit") {
        let key = fields.required_text(reading, "key");
        if let Some(problem) = key.as_deref().and_then(rate_limit_key_problem) {
            let place = fields.place_of(reading, "key");
            reading.report(place, problem);
        }
        if !fields.has("limit") {
            let place = fields.place_of(reading, "limit");
            reading.report(place, "is missing: add it");
        }
        let limit = fields.number(reading, "limit", 1..=MOST_UNITS);
        let per = fields.required_text(reading, "per").and_then(|text| {
            let per = RateSpan::ALL.into_iter().find(|per| per.as_str() == text);
            if per.is_none() {
                let place = fields.place_of(reading, "per");
                let hint = suggestion(&text, RateSpan::ALL.map(RateSpan::as_str));
                reading.report(place, format!("there is no span {text:?}{hint}"));
            }
            per
        });
        fields.refuse_rest(reading, "no rate limit has such a field");
        let place = fields.place_of(reading, "key");
        let (Some(key), Some(limit), Some(per)) = (key, limit, per) else { continue };
        if declared.iter().any(|earlier| earlier.limit.key == key) {
            reading.report(place, format!("rate limit {key:?} is declared already: remove one of them"));
        } else {
            declared.push(Declared { limit: RateLimit { key, limit, per }, file: reading.file().to_owned(), place });
        }
    }
    declared
}

/// A task's `rate_limits`: units by key.
pub(super) fn read_units(reading: &mut Reading<'_>, fields: &mut Fields<'_, '_>) -> BTreeMap<String, u32> {
    let Some(units) = fields.table(reading, "rate_limits") else { return BTreeMap::new() };
    units.numbers(reading, 1..=MOST_UNITS).into_iter().collect()
}

/// All files' rate limits, by key. The same may be declared in several files, which may be read apart; one that says something
/// else is an error.
pub(super) fn join(declared: &[Declared], errors: &mut Vec<DefinitionError>) -> Vec<RateLimit> {
    let mut joined: BTreeMap<&str, &Declared> = BTreeMap::new();
    for this in declared {
        let first = *joined.entry(&this.limit.key).or_insert(this);
        if first.limit != this.limit {
            errors.push(this.wrong(format!(
                "rate limit {:?} is {} here, but {} in {}: make them equal",
                this.limit.key, this.limit, first.limit, first.file
            )));
        }
    }
    joined.into_values().map(|first| first.limit.clone()).collect()
}

/// A limit that no task uses was meant for one.
pub(super) fn unused(declared: &[Declared], workflows: &[WorkflowDefinition]) -> Vec<DefinitionError> {
    let uses =
        |workflow: &WorkflowDefinition, key: &str| workflow.all_tasks().any(|task| task.rate_limits.contains_key(key));
    let unused = declared.iter().filter(|this| !workflows.iter().any(|workflow| uses(workflow, &this.limit.key)));
    let problem = |key: &str| format!("no task uses rate limit {key:?}: name it in a task's rate_limits, or remove it");
    unused.map(|this| this.wrong(problem(&this.limit.key))).collect()
}

/// Checks what tasks take of the limits there are.
pub(super) fn check_tasks(limits: &[RateLimit], workflows: &[WorkflowDefinition]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workflow in workflows {
        for task in workflow.all_tasks() {
            let mut report = |field, problem| {
                findings.push(Finding { workflow: workflow.name.clone(), task: task.name.clone(), field, problem });
            };
            for (key, units) in &task.rate_limits {
                let Some(limit) = limits.iter().find(|limit| limit.key == *key) else {
                    let hint = match suggestion(key, limits.iter().map(|limit| limit.key.as_str())) {
                        none if none.is_empty() => ": declare it with [[rate_limit]]".to_owned(),
                        hint => hint,
                    };
                    report("rate_limits", format!("there is no rate limit {key:?}{hint}"));
                    continue;
                };
                if *units > limit.limit {
                    let problem = format!(
                        "takes {units} units of {key:?}, which allows {limit}: no attempt could ever begin; lower the \
                         units or raise the limit"
                    );
                    report("rate_limits", problem);
                }
                let (longest, span) = (task.limits.schedule_timeout, limit.per.duration());
                if longest <= span {
                    let problem = format!(
                        "{} must be more than the span of rate limit {key:?}, one {}, which a task may wait for: raise it",
                        show_duration(longest),
                        limit.per.as_str()
                    );
                    report("schedule_timeout", problem);
                }
            }
        }
    }
    findings
}

#[cfg(test)]
#[path = "rate_limit_tests.rs"]
mod tests;
