//! What a workflow is, apart from any engine: its definition as data, the traits that tasks implement, what a task is
//! told about itself, how one task is run safely, and the registry that joins definitions and handlers.

mod check;
mod context;
mod definition;
mod definitions;
mod diagnostics;
mod duration;
mod erase;
mod error;
mod fields;
mod handler;
mod names;
mod overrides;
mod parse;
mod payload;
mod rate_limit;
mod reading;
mod registry;
pub mod runner;
mod services;
mod shape;
mod task;
#[cfg(test)]
pub(crate) mod testing;

pub use context::{LogLevel, TaskContext, TaskIdentity, TaskRunError, TaskSink};
pub use definition::{
    Concurrency, ConcurrencyKey, Limits, Pool, PoolSizes, TaskDefinition, WorkflowDefinition, default_pool_sizes,
};
pub use definitions::{Definitions, EMBEDDED, Override};
pub use diagnostics::{DefinitionError, DefinitionErrors};
pub use duration::show_duration;
pub use error::TaskError;
pub use handler::{FanOutHandler, Handler, TaskHandler};
pub use names::task_ref;
pub use payload::{MAX_OUTER_INPUT_BYTES, MAX_PAYLOAD_BYTES, canonical, payload_bytes};
pub use rate_limit::{RateLimit, RateSpan};
pub use registry::{Registry, RegistryBuilder};
pub use task::{Child, ChildOutputs, FanOut, House, NoParents, Task};
