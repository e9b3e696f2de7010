//! What one process does for all that share a database: a round every now and then, under a lease, until told to stop.
//! Another process takes over when the holder stops, dies, or loses the database.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::failure::Failure;
use crate::secret::redacted;
use crate::store::{Database, leases};

/// How long a lease lasts unless its holder lengthens it: how long the others wait for a dead one.
const LEASE: Duration = Duration::from_secs(30);
/// How often a holder lengthens it, and how soon the others notice that it ended.
const RENEWAL: Duration = Duration::from_secs(10);

/// Something that is done round after round.
#[async_trait]
pub trait Round: Send + Sync {
    /// Why a round failed as a whole.
    type Error: Failure;

    /// Does what there is to do now. May be dropped at any await: what it leaves undone, the next round does.
    ///
    /// # Errors
    /// What kept it from doing anything; the next round tries again.
    async fn round(&self) -> Result<(), Self::Error>;
}

/// A named task of one process for all.
pub struct Duty {
    /// Where leases are kept.
    pub database: Database,
    /// Time.
    pub clock: SharedClock,
    /// The lease's name.
    pub name: &'static str,
    /// This process, told apart from all others.
    pub holder: String,
    /// How long after one round the next begins.
    pub period: Duration,
}

impl Duty {
    /// Does rounds until `stop`, whenever `wake` is notified and each period, while this process holds the lease.
    pub async fn run<R: Round>(&self, rounds: &R, wake: &Notify, stop: &CancellationToken) {
        let mut held_until = None;
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let mut holds = held_until.is_some_and(|until| now < until);
            if !holds {
                holds = self.take().await;
                held_until = holds.then(|| now.plus(RENEWAL));
            }
            if holds {
                tokio::select! {
                    () = self.keep() => held_until = None,
                    () = stop.cancelled() => {}
                    done = rounds.round() => {
                        if let Err(error) = done {
                            tracing::warn!(duty = self.name, error = redacted(&chain(&error)), "a round failed");
                        }
                    }
                }
            }
            let wait = if holds { self.period } else { self.period.max(RENEWAL) };
            let next = self.clock.now().plus(wait);
            tokio::select! {
                () = self.clock.sleep_until(next) => {}
                () = wake.notified(), if holds => {}
                () = stop.cancelled() => {}
            }
        }
        if let Err(error) = leases::give_back(&self.database, self.name, &self.holder).await {
            tracing::debug!(duty = self.name, error = redacted(&chain(&error)), "its lease ends by itself");
        }
    }

    async fn take(&self) -> bool {
        match leases::take(&self.database, self.name, &self.holder, self.clock.now(), LEASE).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(duty = self.name, error = redacted(&chain(&error)), "its lease can't be taken");
                false
            }
        }
    }

    /// Lengthens the lease during a long round. Returns when it is lost.
    async fn keep(&self) {
        let mut until = self.clock.now().plus(LEASE);
        loop {
            self.clock.sleep_until(self.clock.now().plus(RENEWAL)).await;
            let now = self.clock.now();
            match leases::renew(&self.database, self.name, &self.holder, now, LEASE).await {
                Ok(true) => until = now.plus(LEASE),
                Ok(false) => return,
                // A database that is away for a moment takes the lease from nobody, until its end.
                Err(_) if now < until => {}
                Err(_) => return,
            }
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::store::StoreError;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    #[async_trait]
    impl Round for Counted {
        type Error = StoreError;

        async fn round(&self) -> Result<(), StoreError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    struct Process {
        rounds: Arc<Counted>,
        wake: Arc<Notify>,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Process {
        fn start(database: &Database, clock: &ManualClock, holder: &str) -> Self {
            let duty = Duty {
                database: database.clone(),
                clock: Arc::new(clock.clone()),
                name: "counting",
                holder: holder.to_owned(),
                period: Duration::from_secs(60),
            };
            let (rounds, wake, stop) = (Arc::<Counted>::default(), Arc::<Notify>::default(), CancellationToken::new());
            let task = tokio::spawn({
                let (rounds, wake, stop) = (rounds.clone(), wake.clone(), stop.clone());
                async move { duty.run(&*rounds, &wake, &stop).await }
            });
            Self { rounds, wake, stop, task }
        }

        fn rounds(&self) -> usize {
            self.rounds.0.load(Ordering::SeqCst)
        }
    }

    async fn until(holds: impl Fn() -> bool) {
        for _ in 0..5_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("did not come");
    }

    #[tokio::test]
    async fn one_of_two_processes_works_and_the_other_takes_over_when_it_stops() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        let clock = ManualClock::at(Timestamp::from_micros(0));
        let first = Process::start(&database, &clock, "a");
        until(|| first.rounds() == 1 && clock.awaited().len() == 1).await;
        let second = Process::start(&database, &clock, "b");
        until(|| clock.awaited().len() == 2).await;
        assert_eq!(second.rounds(), 0);

        first.wake.notify_one();
        until(|| first.rounds() == 2 && clock.awaited().len() == 2).await;
        first.stop.cancel();
        first.task.await.unwrap();
        clock.advance(Duration::from_secs(60));
        until(|| second.rounds() == 1).await;
        second.stop.cancel();
        second.task.await.unwrap();
        assert_eq!(
            (first.rounds.0.load(Ordering::SeqCst), leases::read(&database, "counting").await.unwrap()),
            (2, None)
        );
    }
}
