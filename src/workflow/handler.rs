//! Tasks as an engine sees them: JSON in, JSON out.

use async_trait::async_trait;
use serde_json::Value;

use super::task::{Child, ChildOutputs};
use super::{TaskContext, TaskError};

/// A task's code with its types erased. `parents` is an object: one field per declared parent.
#[async_trait]
pub trait TaskHandler: Send + Sync {
    /// One attempt's work, services opened and closed inside.
    async fn run(&self, ctx: &TaskContext, input: Value, parents: Value) -> Result<Value, TaskError>;
}

/// A fan-out's code with its types erased.
#[async_trait]
pub trait FanOutHandler: Send + Sync {
    /// Says which children to make.
    async fn plan(&self, ctx: &TaskContext, input: Value, parents: Value) -> Result<Vec<Child<Value>>, TaskError>;

    /// Makes one output of the children's outputs.
    async fn collect(
        &self,
        ctx: &TaskContext,
        input: Value,
        parents: Value,
        children: &mut dyn ChildOutputs<Value>,
    ) -> Result<Value, TaskError>;
}

/// The code behind a task's name.
#[derive(Clone)]
pub enum Handler {
    /// An ordinary step.
    Task(std::sync::Arc<dyn TaskHandler>),
    /// A step that makes child runs.
    FanOut(std::sync::Arc<dyn FanOutHandler>),
}
