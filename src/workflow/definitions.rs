//! All workflows of the program together, with the machine's pools and what was overridden.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::{self, Finding};
use super::definition::{Pool, PoolSizes, TaskDefinition, WorkflowDefinition};
use super::diagnostics::{DefinitionError, DefinitionErrors};
use super::parse::{self, Lines};
use super::rate_limit::{self, Declared, RateLimit};
use super::reading::{Place, Reading};

/// The workflow files that the binary carries: name as in the repository, text.
pub const EMBEDDED: [(&str, &str); 2] = [
    ("workflows/diarization_pipeline.toml", include_str!("../../workflows/diarization_pipeline.toml")),
    ("workflows/track_processing.toml", include_str!("../../workflows/track_processing.toml")),
];

/// A limit that an overrides file changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The workflow; empty for `[pools]`, `rate_limits` for those.
    pub workflow: String,
    /// The task; `None` for the workflow's concurrency and for pools.
    pub task: Option<String>,
    /// The limit's name as in the file, e.g. `retries`, `max_runs`, `speech`; a rate limit's key.
    pub field: String,
    /// What it was, as text.
    pub was: String,
}

/// Validated workflows. They can run as they are; only code has to be joined to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definitions {
    pub(super) workflows: Vec<WorkflowDefinition>,
    pub(super) rate_limits: Vec<RateLimit>,
    pub(super) pools: PoolSizes,
    pub(super) overrides: Vec<Override>,
    /// The file each workflow came from, by workflow name.
    pub(super) files: BTreeMap<String, String>,
}

impl Definitions {
    /// The program's own workflows.
    ///
    /// # Errors
    /// Only if the files in the repository are wrong, which a test would have said.
    pub fn embedded(pools: PoolSizes) -> Result<Self, DefinitionErrors> {
        Self::parse(&EMBEDDED, pools)
    }

    /// The program's own workflows with the limits of an overrides file, if there is one.
    ///
    /// # Errors
    /// Everything that is wrong in the file, or that it can't be read.
    pub fn load(pools: PoolSizes, overrides: Option<&Path>) -> Result<Self, DefinitionErrors> {
        let definitions = Self::embedded(pools)?;
        let Some(path) = overrides else { return Ok(definitions) };
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => definitions.with_overrides(&file, &text),
            Err(error) => {
                let problem = format!("can't be read: {error}; WORKFLOW_OVERRIDES must name a TOML file");
                let nowhere = DefinitionError { file, line: None, workflow: None, task: None, field: None, problem };
                Err(DefinitionErrors(vec![nowhere]))
            }
        }
    }

    /// Reads and validates workflow files (name, text), all that belong together.
    ///
    /// # Errors
    /// Everything that is wrong in any of them, file by file.
    pub fn parse(files: &[(&str, &str)], pools: PoolSizes) -> Result<Self, DefinitionErrors> {
        let mut workflows: Vec<WorkflowDefinition> = Vec::new();
        let mut origins: BTreeMap<String, (String, Lines)> = BTreeMap::new();
        let mut declared: Vec<Declared> = Vec::new();
        let mut errors = Vec::new();
        for (file, text) in files {
            let (mut reading, document) = Reading::open(file, text);
            // After a syntax error the rest would be reported as missing though it is there.
            let parsed = if reading.has_errors() { None } else { parse::parse(&mut reading, &document) };
            if let Some(mut parsed) = parsed {
                for finding in check::order_tasks(&mut parsed.definition) {
                    reading.report(parsed.lines.place(&finding.task, finding.field), finding.problem);
                }
                declared.extend(parsed.rate_limits);
                let definition = parsed.definition;
                // Task references are lower-cased, so names that differ only in case collide.
                match workflows.iter().find(|earlier| earlier.name.eq_ignore_ascii_case(&definition.name)) {
                    Some(earlier) => {
                        let problem =
                            format!("{} has this name already (case apart): choose another", origins[&earlier.name].0);
                        reading.report(Place { field: Some("name".to_owned()), ..Place::default() }, problem);
                    }
                    None => {
                        origins.insert(definition.name.clone(), ((*file).to_owned(), parsed.lines));
                        workflows.push(definition);
                    }
                }
            }
            errors.extend(reading.finish());
        }
        let mut rate_limits = Vec::new();
        if errors.is_empty() {
            rate_limits = rate_limit::join(&declared, &mut errors);
            errors.extend(check::check_together(&workflows, &rate_limits).into_iter().map(|finding| {
                let Finding { workflow, task, field, problem } = finding;
                let (file, lines) = &origins[&workflow];
                let place = lines.place(&task, field);
                let (task, field) = (place.task, place.field);
                DefinitionError { file: file.clone(), line: place.line, workflow: None, task, field, problem }
            }));
        }
        // A use that is misspelt would leave its limit unused.
        if errors.is_empty() {
            errors.extend(rate_limit::unused(&declared, &workflows));
        }
        if !errors.is_empty() {
            return Err(DefinitionErrors(errors));
        }
        let files = origins.into_iter().map(|(name, (file, _))| (name, file)).collect();
        Ok(Self { workflows, rate_limits, pools, overrides: Vec::new(), files })
    }

    /// All workflows, in the files' order.
    pub fn workflows(&self) -> &[WorkflowDefinition] {
        &self.workflows
    }

    /// The workflow of exactly that name.
    pub fn workflow(&self, name: &str) -> Option<&WorkflowDefinition> {
        self.workflows.iter().find(|workflow| workflow.name == name)
    }

    /// All rate limits, by key.
    pub fn rate_limits(&self) -> &[RateLimit] {
        &self.rate_limits
    }

    /// Slots per pool on this machine.
    pub fn pools(&self) -> &PoolSizes {
        &self.pools
    }

    /// The same with this many slots in a pool.
    #[must_use]
    pub fn with_slots(mut self, pool: Pool, slots: usize) -> Self {
        self.pools.insert(pool, slots);
        self
    }

    /// What an overrides file changed; empty without one.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// The override of one limit, if there is one.
    pub fn overridden(&self, workflow: &str, task: Option<&str>, field: &str) -> Option<&Override> {
        self.overrides.iter().find(|o| o.workflow == workflow && o.task.as_deref() == task && o.field == field)
    }

    /// The file that a workflow came from; what errors about it name.
    pub(super) fn file_of(&self, workflow: &str) -> &str {
        self.files.get(workflow).map_or("workflows", String::as_str)
    }

    /// The tasks of all workflows, each with its workflow.
    pub(super) fn all_tasks(&self) -> impl Iterator<Item = (&WorkflowDefinition, &TaskDefinition)> {
        self.workflows.iter().flat_map(|workflow| workflow.all_tasks().map(move |task| (workflow, task)))
    }
}

#[cfg(test)]
#[path = "definitions_tests.rs"]
mod tests;
