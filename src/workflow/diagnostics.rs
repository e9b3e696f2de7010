//! What is wrong with a workflow file, said so that whoever wrote it can go and mend it: file, line, task, field. All
//! problems of a file are reported at once.

use std::fmt;

use crate::failure::{Failure, FailureClass};

/// One problem in a workflow or overrides file, or in how its tasks are joined to code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// The file as the person named it.
    pub file: String,
    /// 1-based; `None` where no line is to blame.
    pub line: Option<usize>,
    /// The workflow concerned, when that is not clear from the file.
    pub workflow: Option<String>,
    /// The task concerned.
    pub task: Option<String>,
    /// The field concerned.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub problem: String,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        let named = [("workflow", &self.workflow), ("task", &self.task), ("field", &self.field)];
        let place: Vec<String> =
            named.iter().filter_map(|(kind, name)| name.as_ref().map(|name| format!("{kind} {name:?}"))).collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        f.write_str(&self.problem)
    }
}

/// Everything that is wrong, in the order of the files' lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct DefinitionErrors(pub Vec<DefinitionError>);

fn lines(errors: &[DefinitionError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Failure for DefinitionErrors {
    fn class(&self) -> FailureClass {
        FailureClass::Permanent
    }
}
