//! The traits that tasks implement. An engine never sees these types: the registry wraps each into one that takes and
//! gives JSON.

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{TaskContext, TaskError};

/// Opens what a task is given (`Services`) and closes it on every path: done, failed, panicked, timed out, cancelled.
#[async_trait]
pub trait House: Send + Sync + 'static {
    /// What each task gets: fresh database pool, storage, speech, language, CPU permits.
    type Services: Send + Sync + 'static;

    /// Opens the services for one attempt.
    async fn open(&self, ctx: &TaskContext) -> Result<Self::Services, TaskError>;

    /// Closes them. The registry gives it five seconds at most.
    async fn close(&self, services: &Self::Services);
}

/// The parents of a task that reads none of their outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoParents {}

/// One step of a workflow. May run twice, or be killed anywhere: all that it writes is keyed by what it was made from.
#[async_trait]
pub trait Task<S>: Send + Sync + 'static {
    /// The name in the workflow's file, and the name of the file under `src/pipeline/`.
    const NAME: &'static str;
    /// The workflow's input, as far as this task reads it.
    type Input: DeserializeOwned + Send;
    /// A struct whose fields are named as declared parents and typed as their outputs. Checked at registration.
    type Parents: DeserializeOwned + Send;
    /// A JSON object under 64 KiB, without run ids, wall-clock times or a field named `skipped`.
    type Output: Serialize + Send;

    /// Does the step.
    async fn run(
        &self,
        ctx: &TaskContext,
        services: &S,
        input: Self::Input,
        parents: Self::Parents,
    ) -> Result<Self::Output, TaskError>;
}

/// A child run to make: the key is stable over retries of the parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child<I> {
    /// Names the child among its siblings, e.g. the track's id.
    pub key: String,
    /// The child workflow's input.
    pub input: I,
}

/// Reads the children's outputs one by one, in the plan's order, so that hundreds of them are never in memory at once.
///
/// A child's output is a JSON object with one field per task of the child workflow.
#[async_trait]
pub trait ChildOutputs<O>: Send {
    /// The next child's key and output; `None` after the last.
    async fn next(&mut self) -> Result<Option<(String, O)>, TaskError>;
}

/// A step that makes child runs: `plan` says which, `collect` reads their outputs and makes one of them. How the children
/// run in between is the engine's business.
#[async_trait]
pub trait FanOut<S>: Send + Sync + 'static {
    /// The name in the workflow's file.
    const NAME: &'static str;
    /// The workflow's input, as far as this task reads it.
    type Input: DeserializeOwned + Clone + Send + Sync;
    /// See [`Task::Parents`].
    type Parents: DeserializeOwned + Clone + Send + Sync;
    /// The child workflow's input. The whole plan, keys and inputs together, stays under 64 KiB.
    type ChildInput: Serialize + Send;
    /// One child's output: an object with a field per task of the child workflow.
    type ChildOutput: DeserializeOwned + Send;
    /// See [`Task::Output`].
    type Output: Serialize + Send;

    /// Says which children to make. Called again on a retry only if no plan was stored.
    async fn plan(
        &self,
        ctx: &TaskContext,
        services: &S,
        input: Self::Input,
        parents: Self::Parents,
    ) -> Result<Vec<Child<Self::ChildInput>>, TaskError>;

    /// Reads the children's outputs and makes one output.
    async fn collect(
        &self,
        ctx: &TaskContext,
        services: &S,
        input: Self::Input,
        parents: Self::Parents,
        children: &mut dyn ChildOutputs<Self::ChildOutput>,
    ) -> Result<Self::Output, TaskError>;
}
