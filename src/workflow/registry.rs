//! Joins what the workflow files say with the code of their tasks, and refuses to start when the two do not fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostics::{DefinitionError, DefinitionErrors};
use super::erase::Erased;
use super::fields::field_names;
use super::names::suggestion;
use super::{Definitions, FanOut, Handler, House, PoolSizes, Task, WorkflowDefinition};

/// All workflows with the code of each of their tasks: what an engine runs.
#[derive(Clone)]
pub struct Registry {
    definitions: Arc<Definitions>,
    handlers: Arc<BTreeMap<(String, String), Handler>>,
}

impl Registry {
    /// Starts joining `definitions` with tasks that work in `house`.
    pub fn builder<H: House>(house: H, definitions: Definitions) -> RegistryBuilder<H> {
        RegistryBuilder { house: Arc::new(house), definitions, handlers: BTreeMap::new(), errors: Vec::new() }
    }

    /// The workflow of exactly that name.
    pub fn workflow(&self, name: &str) -> Option<&WorkflowDefinition> {
        self.definitions.workflow(name)
    }

    /// All workflows.
    pub fn workflows(&self) -> &[WorkflowDefinition] {
        self.definitions.workflows()
    }

    /// The code of a task. There for each task of each workflow, on-failure tasks included.
    pub fn handler(&self, workflow: &str, task: &str) -> Option<Handler> {
        self.handlers.get(&(workflow.to_owned(), task.to_owned())).cloned()
    }

    /// Slots per pool on this machine.
    pub fn pools(&self) -> &PoolSizes {
        self.definitions.pools()
    }

    /// The definitions, overrides included.
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }
}

/// A registry in the making. Errors are kept until [`RegistryBuilder::build`], which reports all of them.
pub struct RegistryBuilder<H> {
    house: Arc<H>,
    definitions: Definitions,
    handlers: BTreeMap<(String, String), Handler>,
    errors: Vec<DefinitionError>,
}

impl<H: House> RegistryBuilder<H> {
    /// The code of an ordinary or on-failure task, found in the workflow by [`Task::NAME`].
    #[must_use]
    pub fn task<T: Task<H::Services>>(mut self, workflow: &str, task: T) -> Self {
        let reads = self.check_parents(workflow, T::NAME, field_names::<T::Parents>());
        let handler = Handler::Task(Arc::new(Erased { house: Arc::clone(&self.house), task, reads }));
        self.handler(workflow, T::NAME, handler)
    }

    /// The code of a fan-out, found in the workflow by [`FanOut::NAME`].
    #[must_use]
    pub fn fan_out<T: FanOut<H::Services>>(mut self, workflow: &str, task: T) -> Self {
        let reads = self.check_parents(workflow, T::NAME, field_names::<T::Parents>());
        self.check_child_output(workflow, T::NAME, field_names::<T::ChildOutput>());
        let handler = Handler::FanOut(Arc::new(Erased { house: Arc::clone(&self.house), task, reads }));
        self.handler(workflow, T::NAME, handler)
    }

    /// The code of a task whose types are erased already: it looks after its services itself.
    #[must_use]
    pub fn handler(mut self, workflow: &str, task: &str, handler: Handler) -> Self {
        let Some(definition) = self.definitions.workflow(workflow) else {
            let known = suggestion(workflow, self.definitions.workflows().iter().map(|w| w.name.as_str()));
            self.report(
                workflow,
                task,
                None,
                format!("there is code for a task of workflow {workflow:?}, which does not exist{known}"),
            );
            return self;
        };
        let Some(described) = definition.task(task) else {
            let known = suggestion(task, definition.all_tasks().map(|task| task.name.as_str()));
            self.report(
                workflow,
                task,
                None,
                format!("there is code for this task, but the workflow has no such task{known}"),
            );
            return self;
        };
        let problem = match (&handler, &described.fan_out) {
            (Handler::Task(_), Some(child)) => {
                Some(format!("is declared as a fan-out of {child}, but its code is an ordinary task: implement FanOut"))
            }
            (Handler::FanOut(_), None) => Some(
                "is declared as an ordinary task, but its code is a fan-out: add fan_out, or implement Task".to_owned(),
            ),
            _ => None,
        };
        if let Some(problem) = problem {
            self.report(workflow, task, Some("fan_out"), problem);
        }
        if self.handlers.insert((workflow.to_owned(), task.to_owned()), handler).is_some() {
            self.report(workflow, task, None, "was given code twice: remove one registration".to_owned());
        }
        self
    }

    /// The registry, if every task has its code and all of it fits.
    ///
    /// # Errors
    /// Everything that does not fit, by workflow and task.
    pub fn build(mut self) -> Result<Registry, DefinitionErrors> {
        let missing: Vec<(String, String)> = self
            .definitions
            .all_tasks()
            .map(|(workflow, task)| (workflow.name.clone(), task.name.clone()))
            .filter(|key| !self.handlers.contains_key(key))
            .collect();
        for (workflow, task) in missing {
            self.report(&workflow, &task, None, "has no handler: register its code".to_owned());
        }
        if self.errors.is_empty() {
            Ok(Registry { definitions: Arc::new(self.definitions), handlers: Arc::new(self.handlers) })
        } else {
            Err(DefinitionErrors(self.errors))
        }
    }

    fn report(&mut self, workflow: &str, task: &str, field: Option<&str>, problem: String) {
        self.errors.push(DefinitionError {
            file: self.definitions.file_of(workflow).to_owned(),
            line: None,
            workflow: Some(workflow.to_owned()),
            task: Some(task.to_owned()),
            field: field.map(ToOwned::to_owned),
            problem,
        });
    }

    /// H2: a task that reads what is not its parent's would find it there only by luck.
    fn check_parents(
        &mut self,
        workflow: &str,
        task: &str,
        reads: Option<&'static [&'static str]>,
    ) -> &'static [&'static str] {
        let Some(reads) = reads else {
            let problem = "its Parents type has no fixed fields: use a plain struct, or NoParents";
            self.report(workflow, task, Some("parents"), problem.to_owned());
            return &[];
        };
        let Some(described) = self.definitions.workflow(workflow).and_then(|w| w.task(task)).cloned() else {
            return reads;
        };
        for name in reads.iter().filter(|name| !described.parents.iter().any(|parent| parent == *name)) {
            let parents = described.parents.join(", ");
            let declared =
                if parents.is_empty() { "it has none".to_owned() } else { format!("its parents are {parents}") };
            let problem =
                format!("the code reads the output of {name:?}, which is not a parent ({declared}): add it to parents");
            self.report(workflow, task, Some("parents"), problem);
        }
        reads
    }

    /// The same for what a fan-out reads of its children: one field per task of the child workflow. A type without fixed
    /// fields takes whatever comes.
    fn check_child_output(&mut self, workflow: &str, task: &str, reads: Option<&'static [&'static str]>) {
        let described = self.definitions.workflow(workflow).and_then(|w| w.task(task));
        let Some(child) =
            described.and_then(|task| task.fan_out.as_deref()).and_then(|name| self.definitions.workflow(name))
        else {
            return;
        };
        let steps: Vec<String> = child.tasks.iter().map(|task| task.name.clone()).collect();
        let child = child.name.clone();
        for name in reads.unwrap_or_default().iter().filter(|name| !steps.iter().any(|step| step == *name)) {
            let hint = suggestion(name, steps.iter().map(String::as_str));
            self.report(
                workflow,
                task,
                Some("fan_out"),
                format!("the code reads {name:?} of a child, but {child} has no such task{hint}"),
            );
        }
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
