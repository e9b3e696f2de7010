//! The engine's face for processes that do not execute: they write down what is asked for, and the executor of the
//! database, wherever it is, sees it within half a second.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::requests;
use crate::clock::SharedClock;
use crate::engine::{Engine, EngineError, RunOutcome, RunStatus, StartOptions};
use crate::ids::RunId;
use crate::store::Database;
use crate::store::runs::{Created, RunStore};
use crate::workflow::Definitions;

/// How often [`EmbeddedClient::wait`] looks.
const LOOK: Duration = Duration::from_millis(250);

/// Starts, watches, cancels and resumes runs of one database without executing them.
#[derive(Debug, Clone)]
pub struct EmbeddedClient {
    store: RunStore,
    definitions: Definitions,
    clock: ClockOf,
}

/// A clock that need not be shown.
#[derive(Clone)]
struct ClockOf(SharedClock);

impl std::fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clock")
    }
}

impl EmbeddedClient {
    /// A client of the executor of `database`, whose schema is up to date. Uses the pool that it is given.
    pub fn new(database: Database, definitions: Definitions, clock: SharedClock) -> Self {
        Self { store: RunStore::new(database), definitions, clock: ClockOf(clock) }
    }
}

#[async_trait]
impl Engine for EmbeddedClient {
    async fn start(&self, workflow: &str, input: Value, options: StartOptions) -> Result<RunId, EngineError> {
        let run = requests::requested(&self.definitions, workflow, &input, options, self.clock.0.now())?;
        let (Created::New(run) | Created::Existing(run)) = self.store.create(&run).await?;
        Ok(run)
    }

    async fn status(&self, run: &RunId) -> Result<RunStatus, EngineError> {
        Ok(requests::record(&self.store, run).await?.status.into())
    }

    async fn cancel(&self, run: &RunId) -> Result<(), EngineError> {
        requests::record(&self.store, run).await?;
        self.store.cancel(run, self.clock.0.now()).await?;
        Ok(())
    }

    async fn resume(&self, run: &RunId) -> Result<(), EngineError> {
        requests::resume(&self.store, run).await?;
        Ok(())
    }

    async fn wait(&self, run: &RunId) -> Result<RunOutcome, EngineError> {
        loop {
            let record = requests::record(&self.store, run).await?;
            if record.status.is_final() {
                return requests::outcome(&self.store, record).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
