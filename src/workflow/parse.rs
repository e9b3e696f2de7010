//! One workflow file as text → one [`WorkflowDefinition`]. What needs only the file itself is checked here; what needs the
//! whole graph or other files is in `check`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use toml::Spanned;

use super::definition::{Concurrency, ConcurrencyKey, Limits, Pool, TaskDefinition, WorkflowDefinition};
use super::names::{suggestion, task_name_problem, workflow_name_problem};
use super::rate_limit::{self, Declared};
use super::reading::{Fields, Place, Reading};

/// Tries after the first, at most: Conductor's cap.
pub(super) const MOST_RETRIES: u32 = 10;
/// Longest wait before a retry: Hatchet's cap.
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(24 * 3600);

/// A parsed file and where its parts stand, for errors found later.
pub(super) struct Parsed {
    pub(super) definition: WorkflowDefinition,
    pub(super) lines: Lines,
    pub(super) rate_limits: Vec<Declared>,
}

/// The lines of tasks and of some of their fields.
#[derive(Default)]
pub(super) struct Lines(BTreeMap<(String, &'static str), Option<usize>>);

impl Lines {
    /// Where `field` of `task` stands.
    pub(super) fn place(&self, task: &str, field: &'static str) -> Place {
        let line = self.0.get(&(task.to_owned(), field)).copied().flatten();
        Place { line, task: Some(task.to_owned()), field: Some(field.to_owned()), workflow: None }
    }
}

/// Limits as far as one table states them; the rest comes from `[defaults]`.
#[derive(Default, Clone)]
pub(super) struct SomeLimits {
    pub(super) execution_timeout: Option<Duration>,
    pub(super) schedule_timeout: Option<Duration>,
    pub(super) stall_timeout: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) backoff_factor: Option<u32>,
    pub(super) backoff_max: Option<Duration>,
}

impl SomeLimits {
    pub(super) fn read(reading: &mut Reading<'_>, fields: &mut Fields<'_, '_>) -> Self {
        let backoff_max = fields.duration(reading, "backoff_max");
        if backoff_max.is_some_and(|longest| longest > LONGEST_BACKOFF) {
            let place = fields.place_of(reading, "backoff_max");
            reading.report(place, "is too long: at most \"24h\"");
        }
        Self {
            execution_timeout: fields.duration(reading, "execution_timeout"),
            schedule_timeout: fields.duration(reading, "schedule_timeout"),
            stall_timeout: fields.duration(reading, "stall_timeout"),
            retries: fields.number(reading, "retries", 0..=MOST_RETRIES),
            backoff_factor: fields.number(reading, "backoff_factor", 1..=2),
            backoff_max,
        }
    }

    /// Completes them from the file's defaults; reports what neither states.
    fn complete(self, defaults: &Self, reading: &mut Reading<'_>, fields: &Fields<'_, '_>) -> Option<Limits> {
        let mut missing = |field: &str| {
            // A value that is there but wrong has been reported already.
            if !fields.has(field) {
                let place = fields.place_of(reading, field);
                reading.report(place, "is stated neither here nor in [defaults]: add it to one of them");
            }
        };
        macro_rules! either {
            ($field:ident) => {{
                let value = self.$field.or(defaults.$field);
                if value.is_none() {
                    missing(stringify!($field));
                }
                value
            }};
        }
        let execution_timeout = either!(execution_timeout);
        let schedule_timeout = either!(schedule_timeout);
        let stall_timeout = either!(stall_timeout);
        let retries = either!(retries);
        let backoff_factor = either!(backoff_factor);
        let backoff_max = either!(backoff_max);
        Some(Limits {
            execution_timeout: execution_timeout?,
            schedule_timeout: schedule_timeout?,
            stall_timeout: stall_timeout?,
            retries: retries?,
            backoff_factor: backoff_factor?,
            backoff_max: backoff_max?,
        })
    }
}

/// Reads one file. `None` when it has errors; they are in `reading`.
pub(super) fn parse(reading: &mut Reading<'_>, document: &Spanned<toml::de::DeTable<'_>>) -> Option<Parsed> {
    let mut top = Fields::of(document.get_ref(), Place::default());
    let name = top.required_text(reading, "name");
    if let Some(problem) = name.as_deref().and_then(workflow_name_problem) {
        let place = top.place_of(reading, "name");
        reading.report(place, problem);
    }
    let description = top.required_text(reading, "description");
    let input = top.required_text(reading, "input");
    let input_schema = read_input_schema(reading, &mut top);
    let concurrency = top.table(reading, "concurrency").and_then(|mut fields| read_concurrency(reading, &mut fields));
    let rate_limits = rate_limit::read_declared(reading, &mut top);
    let defaults = top
        .table(reading, "defaults")
        .map(|mut fields| {
            let limits = SomeLimits::read(reading, &mut fields);
            fields.refuse_rest(reading, "is no limit, and only limits can have defaults");
            limits
        })
        .unwrap_or_default();

    let mut lines = Lines::default();
    let mut tasks: Vec<TaskDefinition> = Vec::new();
    for mut fields in top.list_of_tables(reading, "task") {
        if let Some(task) = read_task(reading, &mut fields, &defaults, &mut lines, Kind::Step) {
            if tasks.iter().any(|earlier| earlier.name == task.name) {
                let place = fields.place_of(reading, "name");
                reading.report(place, "there is a task of this name already: rename one of them");
            } else {
                tasks.push(task);
            }
        }
    }
    if !top.has("task") {
        reading.report(
            Place { field: Some("task".to_owned()), ..Place::default() },
            "a workflow needs at least one [[task]]",
        );
    }
    let on_failure = top.table(reading, "on_failure").and_then(|mut fields| {
        let task = read_task(reading, &mut fields, &defaults, &mut lines, Kind::OnFailure)?;
        if tasks.iter().any(|step| step.name == task.name) {
            let place = fields.place_of(reading, "name");
            reading.report(place, "is also one of the steps: the on-failure task needs a name of its own");
        }
        Some(task)
    });
    top.refuse_rest(reading, "no workflow has such a field");

    let definition = WorkflowDefinition {
        name: name?,
        description: description?,
        input: input?,
        input_schema,
        tasks,
        on_failure,
        concurrency,
    };
    (!reading.has_errors()).then_some(Parsed { definition, lines, rate_limits })
}

/// A run's input is an object, so its schema describes one.
fn read_input_schema(reading: &mut Reading<'_>, top: &mut Fields<'_, '_>) -> Option<Value> {
    let schema = top.json(reading, "input_schema")?;
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        let place = top.place_of(reading, "input_schema");
        reading.report(place, "must be a JSON schema with type = \"object\": a run's input is one");
    }
    Some(schema)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Step,
    OnFailure,
}

fn read_task(
    reading: &mut Reading<'_>,
    fields: &mut Fields<'_, '_>,
    defaults: &SomeLimits,
    lines: &mut Lines,
    kind: Kind,
) -> Option<TaskDefinition> {
    let name = fields.required_text(reading, "name");
    if let Some(name) = &name {
        fields.name_task(name);
        if let Some(problem) = task_name_problem(name) {
            let place = fields.place_of(reading, "name");
            reading.report(place, problem);
        }
    }
    let mut parents = Vec::new();
    let mut fan_out = None;
    if kind == Kind::Step {
        for parent in fields.texts(reading, "parents") {
            if parents.contains(&parent) {
                let place = fields.place_of(reading, "parents");
                reading.report(place, format!("{parent:?} is listed twice: once is enough"));
            } else {
                parents.push(parent);
            }
        }
        fan_out = fields.text(reading, "fan_out");
    }
    let pool = fields.required_text(reading, "pool").and_then(|text| {
        let pool = Pool::named(&text);
        if pool.is_none() {
            let place = fields.place_of(reading, "pool");
            let hint = suggestion(&text, Pool::ALL.map(Pool::as_str));
            reading.report(place, format!("there is no pool {text:?}{hint}"));
        }
        pool
    });
    let rate_limits = rate_limit::read_units(reading, fields);
    let stated = SomeLimits::read(reading, fields);
    let limits = stated.complete(defaults, reading, fields);
    fields.refuse_rest(
        reading,
        match kind {
            Kind::Step => "no task has such a field",
            Kind::OnFailure => "an on-failure task has no such field",
        },
    );
    let name = name?;
    for field in ["name", "parents", "fan_out", "rate_limits", "execution_timeout", "schedule_timeout", "stall_timeout"]
    {
        lines.0.insert((name.clone(), field), fields.place_of(reading, field).line);
    }
    Some(TaskDefinition { name, parents, fan_out, pool: pool?, rate_limits, limits: limits? })
}

fn read_concurrency(reading: &mut Reading<'_>, fields: &mut Fields<'_, '_>) -> Option<Concurrency> {
    let text = fields.required_text(reading, "key");
    let key = text.as_deref().and_then(|text| {
        let field_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // Both forms become an expression on Hatchet, so neither may hold a quote.
        match text.strip_prefix("input.") {
            Some(field) if field_name(field) => Some(ConcurrencyKey::InputField(field.to_owned())),
            None if field_name(text) => Some(ConcurrencyKey::Constant(text.to_owned())),
            _ => {
                let place = fields.place_of(reading, "key");
                reading.report(
                    place,
                    format!(
                        "{text:?} is no key: write \"input.<field>\" or one constant word of letters, digits and _"
                    ),
                );
                None
            }
        }
    });
    if !fields.has("max_runs") {
        let place = fields.place_of(reading, "max_runs");
        reading.report(place, "is missing: add it");
    }
    let max_runs = fields.number(reading, "max_runs", 1..=10_000);
    fields.refuse_rest(reading, "no concurrency group has such a field");
    Some(Concurrency { key: key?, max_runs: max_runs? })
}
