//! Becomes the executor whenever there is none: of several processes on one database one executes the runs, the others
//! stand by, and one of them takes over when the lock falls.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{EmbeddedEngine, Succession};
use crate::clock::SharedClock;
use crate::engine::EngineError;
use crate::failure::panic_text;
use crate::secret::redacted;
use crate::store::Database;
use crate::workflow::Registry;

/// How often the lock is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long a new executor waits before it begins when the one before it did not give the database back: one that lives has
/// noticed by then that it lost the lock, and its tasks have stopped.
const SETTLE: Duration = Duration::from_secs(2);

/// Whether this process executes runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutorState {
    /// It does not, and why.
    StandsBy(String),
    /// It is the executor of this generation.
    Executes(i64),
}

/// Tries to become the executor until it is stopped; never gives up because the database is away.
#[derive(Debug)]
pub struct Standby {
    state: watch::Receiver<ExecutorState>,
    task: JoinHandle<()>,
}

impl Standby {
    /// Begins to try, about once a second, until `stop` is cancelled.
    pub fn start(database: Database, registry: Registry, clock: SharedClock, stop: CancellationToken) -> Self {
        let (sender, state) = watch::channel(ExecutorState::StandsBy("it has just started".to_owned()));
        let supervisor = Supervisor { database, registry, clock, stop, state: sender };
        Self { state, task: tokio::spawn(supervisor.run()) }
    }

    /// Whether this process executes runs now.
    pub fn executes(&self) -> bool {
        matches!(*self.state.borrow(), ExecutorState::Executes(_))
    }

    /// The same, with the reason.
    pub fn state(&self) -> ExecutorState {
        self.state.borrow().clone()
    }

    /// To be told when that changes.
    pub fn watch(&self) -> watch::Receiver<ExecutorState> {
        self.state.clone()
    }

    /// Waits, after `stop` was cancelled, until the runs of this process have stopped and the lock is given back.
    ///
    /// # Errors
    /// Comes back unasked, with [`EngineError::Stopped`], when it panicked: this process executes nothing any more.
    pub async fn stopped(self) -> Result<(), EngineError> {
        match self.task.await.map_err(JoinError::try_into_panic) {
            Err(Ok(panic)) => {
                let why = format!("it panicked, a defect of this program: {}", panic_text(panic.as_ref()));
                Err(EngineError::Stopped(redacted(&why)))
            }
            // The runtime ended, and everything with it.
            Ok(()) | Err(Err(_)) => Ok(()),
        }
    }
}

struct Supervisor {
    database: Database,
    registry: Registry,
    clock: SharedClock,
    stop: CancellationToken,
    state: watch::Sender<ExecutorState>,
}

impl Supervisor {
    async fn run(self) {
        let mut succession = Succession { alive: None, settle: SETTLE };
        while !self.stop.is_cancelled() {
            let opening =
                EmbeddedEngine::succeed(&self.database, self.registry.clone(), Arc::clone(&self.clock), succession);
            let opened = tokio::select! {
                () = self.stop.cancelled() => break,
                opened = opening => opened,
            };
            match opened {
                Ok(engine) => {
                    succession.alive = Some(engine.generation());
                    let why = self.execute(engine).await;
                    self.stand_by(why);
                }
                Err(EngineError::AlreadyRunning { .. }) => {
                    self.stand_by("another process executes the runs".to_owned())
                }
                Err(error) => self.stand_by(format!("the database can't be used: {error}")),
            }
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
        self.stand_by("it stops".to_owned());
    }

    /// Executes runs until told to stop or until that has to end; says why.
    async fn execute(&self, engine: EmbeddedEngine) -> String {
        tracing::info!(generation = engine.generation(), "this process executes the runs now");
        self.state.send_replace(ExecutorState::Executes(engine.generation()));
        let why = tokio::select! {
            () = self.stop.cancelled() => "it stops".to_owned(),
            why = engine.ended() => why,
        };
        // Before anybody is told: what is asked from now on goes to the next executor.
        self.state.send_replace(ExecutorState::StandsBy(why.clone()));
        engine.shutdown().await;
        why
    }

    fn stand_by(&self, why: String) {
        let now = ExecutorState::StandsBy(why);
        self.state.send_if_modified(|state| {
            if *state == now {
                return false;
            }
            if let ExecutorState::StandsBy(why) = &now {
                tracing::info!(why, "this process stands by");
            }
            *state = now.clone();
            true
        });
    }
}
