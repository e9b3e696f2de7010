//! Wraps typed tasks into ones that take and give JSON, with services opened before and closed after.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::services::OpenServices;
use super::{Child, ChildOutputs, FanOut, FanOutHandler, House, Task, TaskContext, TaskError, TaskHandler};

/// A typed task with its house.
pub(super) struct Erased<H, T> {
    pub(super) house: Arc<H>,
    pub(super) task: T,
    /// The parents that the task reads; nothing else is passed on to it.
    pub(super) reads: &'static [&'static str],
}

#[async_trait]
impl<H: House, T: Task<H::Services>> TaskHandler for Erased<H, T> {
    async fn run(&self, ctx: &TaskContext, input: Value, parents: Value) -> Result<Value, TaskError> {
        let input = read(T::NAME, "its input", input)?;
        let parents = read(T::NAME, "its parents' outputs", only(self.reads, parents))?;
        let open = OpenServices::open(&self.house, ctx).await?;
        let services = open.services();
        let output = open.during(self.task.run(ctx, &services, input, parents)).await?;
        write(T::NAME, "its output", &output)
    }
}

#[async_trait]
impl<H: House, T: FanOut<H::Services>> FanOutHandler for Erased<H, T> {
    async fn plan(&self, ctx: &TaskContext, input: Value, parents: Value) -> Result<Vec<Child<Value>>, TaskError> {
        let input = read(T::NAME, "its input", input)?;
        let parents = read(T::NAME, "its parents' outputs", only(self.reads, parents))?;
        let open = OpenServices::open(&self.house, ctx).await?;
        let services = open.services();
        let plan = open.during(self.task.plan(ctx, &services, input, parents)).await?;
        plan.into_iter()
            .map(|child| {
                let input = write(T::NAME, "a child's input", &child.input)?;
                Ok(Child { key: child.key, input })
            })
            .collect()
    }

    async fn collect(
        &self,
        ctx: &TaskContext,
        input: Value,
        parents: Value,
        children: &mut dyn ChildOutputs<Value>,
    ) -> Result<Value, TaskError> {
        let input = read(T::NAME, "its input", input)?;
        let parents = read(T::NAME, "its parents' outputs", only(self.reads, parents))?;
        let open = OpenServices::open(&self.house, ctx).await?;
        let services = open.services();
        let mut children = TypedOutputs { task: T::NAME, children, output: PhantomData };
        let output = open.during(self.task.collect(ctx, &services, input, parents, &mut children)).await?;
        write(T::NAME, "its output", &output)
    }
}

struct TypedOutputs<'a, O> {
    task: &'static str,
    children: &'a mut dyn ChildOutputs<Value>,
    output: PhantomData<fn() -> O>,
}

#[async_trait]
impl<O: DeserializeOwned + Send> ChildOutputs<O> for TypedOutputs<'_, O> {
    async fn next(&mut self) -> Result<Option<(String, O)>, TaskError> {
        let Some((key, output)) = self.children.next().await? else { return Ok(None) };
        let output = read(self.task, &format!("the output of child {key}"), output)?;
        Ok(Some((key, output)))
    }
}

/// The named fields of an object; what is absent stays absent, so that an `Option` or a default can stand for a skipped
/// parent.
fn only(names: &[&str], object: Value) -> Value {
    let Value::Object(mut fields) = object else { return object };
    Value::Object(names.iter().filter_map(|name| fields.remove_entry(*name)).collect::<Map<_, _>>())
}

/// Reads JSON into a type. What does not fit will not fit on a retry either.
fn read<T: DeserializeOwned>(task: &str, what: &str, value: Value) -> Result<T, TaskError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(", field {path}") };
        TaskError::permanent(format!("task {task} can't read {what}{place}: {}", error.inner()))
    })
}

fn write(task: &str, what: &str, value: &impl Serialize) -> Result<Value, TaskError> {
    serde_json::to_value(value)
        .map_err(|error| TaskError::permanent(format!("task {task} can't write {what} as JSON: {error}")))
}
