//! Waits for runs, however many, on one stream. The engine answers each run once; after a reconnect all that were not
//! answered are asked for again. It never answers for a run that does not exist, so whoever waits long also looks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;

use super::connection::{Connection, next};
use super::error::{HatchetError, told};
use super::patience::Patience;
use super::run_end::RunEnd;
use super::run_reader::{RunReader, RunState};
use super::wire;
use crate::clock::SharedClock;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// A stream that nobody waits on is closed after this.
const IDLE: Duration = Duration::from_secs(60);
/// How long a run may be unknown to the engine after it gave its id, unless somebody says otherwise.
pub(super) const BEING_MADE: Duration = Duration::from_secs(10);
/// When a run that was not answered is looked at, counted from the last look: as many times as long.
const LOOKS: [u32; 3] = [1, 6, 30];

/// The stream and who waits on it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Subscription {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    reader: RunReader,
    clock: SharedClock,
    being_made: Duration,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// By run.
    waiters: HashMap<String, Vec<oneshot::Sender<Vec<wire::TaskResult>>>>,
    /// Tells whoever drives the stream of a new run; `None` while nobody does.
    asked: Option<mpsc::UnboundedSender<String>>,
}

impl Subscription {
    /// `being_made` is how long a run may be unknown to the engine after it gave its id.
    pub(super) fn new(connection: Connection, reader: RunReader, clock: SharedClock, being_made: Duration) -> Self {
        Self { shared: Arc::new(Shared { connection, reader, clock, being_made, waiting: Mutex::default() }) }
    }

    /// Waits until a run is over. An engine that is away is waited for.
    ///
    /// # Errors
    /// When the engine calls the question wrong.
    pub(super) async fn finished(&self, run: &str) -> Result<RunEnd, HatchetError> {
        let (clock, being_made) = (&self.shared.clock, self.shared.being_made);
        let mut answer = self.shared.ask(run);
        let mut looks = LOOKS.iter().copied();
        let mut unknown_since = None;
        let (mut wait, mut is_over) = (being_made, false);
        loop {
            tokio::select! {
                biased;
                answered = &mut answer, if !is_over => match answered {
                    // More than fits into one message comes as nothing; a run always has tasks.
                    Ok(results) if results.is_empty() => is_over = true,
                    Ok(results) => return Ok(RunEnd::of_results(results)),
                    // Whoever drove the stream is gone: asked anew.
                    Err(_) => answer = self.shared.ask(run),
                },
                () = clock.sleep_until(clock.now().plus(wait)) => {}
            }
            wait = match is_over {
                // Only the read side can be behind.
                true => being_made / 10,
                false => being_made * looks.next().unwrap_or(LOOKS[LOOKS.len() - 1]),
            };
            match self.shared.reader.look(run).await {
                Ok(RunState::Over(end)) => return Ok(end),
                Ok(RunState::UnderWay { .. }) => unknown_since = None,
                Ok(RunState::Unknown) => {
                    if unknown_since.get_or_insert_with(Instant::now).elapsed() >= being_made {
                        return Ok(RunEnd::NeverWas);
                    }
                    wait = being_made / 5;
                }
                Err(error @ HatchetError::Rejected { .. }) => return Err(error),
                Err(error) => tracing::debug!(run, %error, "a run that is waited for can't be looked at"),
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a waiter; makes sure that somebody drives the stream.
    fn ask(self: &Arc<Self>, run: &str) -> oneshot::Receiver<Vec<wire::TaskResult>> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.waiters.entry(run.to_owned()).or_default().push(sender);
        let is_driven = waiting.asked.as_ref().is_some_and(|asked| asked.send(run.to_owned()).is_ok());
        if !is_driven {
            let (asked, runs) = mpsc::unbounded_channel();
            waiting.asked = Some(asked);
            drop(waiting);
            tokio::spawn(drive(Arc::clone(self), runs));
        }
        answer
    }

    /// Runs that somebody still waits for.
    fn outstanding(&self) -> Vec<String> {
        let mut waiting = self.lock();
        waiting.waiters.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        waiting.waiters.keys().cloned().collect()
    }

    fn answer(&self, finished: wire::RunFinished) {
        let waiters = self.lock().waiters.remove(&finished.workflow_run_id).unwrap_or_default();
        for waiter in waiters {
            // Who does not wait any more needs no answer.
            let _ = waiter.send(finished.results.clone());
        }
    }

    /// Ends driving unless somebody waits.
    fn leave(&self) -> bool {
        let mut waiting = self.lock();
        let is_left = waiting.waiters.is_empty();
        if is_left {
            waiting.asked = None;
        }
        is_left
    }
}

async fn drive(shared: Arc<Shared>, mut asked: mpsc::UnboundedReceiver<String>) {
    let mut patience = Patience::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let outstanding = shared.outstanding();
        if outstanding.is_empty() && shared.leave() {
            return;
        }
        // All that were asked for so far are outstanding.
        while asked.try_recv().is_ok() {}
        match one_stream(&shared, &mut asked, shared.outstanding(), &mut patience).await {
            Ok(()) => continue,
            Err(status) => {
                let wait = patience.next();
                tracing::debug!(error = told(&status), ?wait, "the stream of awaited runs broke");
                shared.clock.sleep_until(shared.clock.now().plus(wait)).await;
            }
        }
    }
}

/// Waits on one stream until it breaks, or nobody waits any more.
async fn one_stream(
    shared: &Shared,
    asked: &mut mpsc::UnboundedReceiver<String>,
    outstanding: Vec<String>,
    patience: &mut Patience,
) -> Result<(), Status> {
    let (requests, runs) = mpsc::unbounded_channel();
    let ask = |run: String| {
        // Its other end lives as long as the stream.
        let _ = requests.send(wire::RunSubscription { workflow_run_id: run });
    };
    outstanding.into_iter().for_each(ask);
    let runs = stream::unfold(runs, |mut runs| async move { runs.recv().await.map(|run| (run, runs)) });
    // The call's answer may come only with the first run that is over.
    let opening = shared.connection.subscribe(runs);
    tokio::pin!(opening);
    let mut answers: Option<tonic::Streaming<wire::RunFinished>> = None;
    loop {
        tokio::select! {
            opened = &mut opening, if answers.is_none() => answers = Some(opened?),
            answer = next(&mut answers) => match answer? {
                Some(finished) => {
                    patience.reset();
                    shared.answer(finished);
                }
                None => return Err(Status::unavailable("the engine closed the stream")),
            },
            run = asked.recv() => match run {
                Some(run) => ask(run),
                None => return Ok(()),
            },
            () = tokio::time::sleep(IDLE) => {
                if shared.outstanding().is_empty() {
                    return Ok(());
                }
            }
        }
    }
}
