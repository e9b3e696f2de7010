//! What a workflow is, apart from any engine: its definition as data, the traits that tasks implement, what a task is
//! told about itself, how one task is run safely, and the registry that joins definitions and handlers.

mod context;
mod definition;
mod error;
mod handler;
mod task;

pub use context::{LogLevel, TaskContext, TaskIdentity, TaskRunError, TaskSink};
pub use definition::{Concurrency, ConcurrencyKey, Limits, Pool, PoolSizes, TaskDefinition, WorkflowDefinition};
pub use error::TaskError;
pub use handler::{FanOutHandler, Handler, TaskHandler};
pub use task::{Child, ChildOutputs, FanOut, House, NoParents, Task};
