//! What the embedded engine remembers: runs, their tasks, attempts, outputs, errors and logs. The same rows are the
//! trace that people look at, so there is no second place to look.
//!
//! Transactions that run side by side on PostgreSQL lock rows in one order: the root run, other runs, task runs, attempts.
//!
//! Statements change a row only from the state they expect: a result that comes after its run was cancelled, or from
//! an attempt that was given up, matches no row and is dropped.

mod attempts;
mod create;
mod ending;
mod executor;
mod logs;
mod read;
mod records;
mod status;
mod task_runs;

pub use attempts::{AttemptEnd, NewAttempt, TaskEnd};
pub use create::{Created, NewRun, NewTask, ParentOf};
pub use ending::Admission;
pub use executor::TakenOver;
pub use logs::LogLine;
pub use read::{ActiveRun, RunFilter};
pub use records::{AttemptRecord, ChildRecord, RunRecord, TaskRunRecord};
pub use status::{AttemptOutcome, RunStatus, StoredFailure, TaskStatus};

use super::{Database, StoreError, WriteTransaction};
use crate::ids::RunId;

/// Runs in one database.
#[derive(Debug, Clone)]
pub struct RunStore {
    database: Database,
}

impl RunStore {
    /// The runs of `database`. Writes carry the generation that the database was opened for.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The database below.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

/// Keeps the shape of a tree of runs as it is until the transaction ends: no children come, nobody cancels or resumes it.
async fn lock_tree(transaction: &mut WriteTransaction, root: &RunId) -> Result<(), StoreError> {
    sqlx::query("UPDATE runs SET status = status WHERE id = $1")
        .bind(root.as_str().to_owned())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
