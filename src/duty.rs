//! What one process does for all that share a database: a round every now and then, under a lease, until told to stop.
//! Another process takes over when the holder stops, dies, or loses the database.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::failure::{Failure, panic_text, with_causes};
use crate::secret::redacted;
use crate::store::Database;
use crate::store::leases::{self, Lease};

/// How long a lease lasts unless its holder lengthens it: how long the others wait for a dead one.
const LEASE: Duration = Duration::from_secs(30);
/// How often a holder lengthens it, and how soon the others notice that it ended.
const RENEWAL: Duration = Duration::from_secs(10);
/// The shortest wait for another one's lease to end, should clocks differ.
const SHORTEST: Duration = Duration::from_millis(100);

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
        let mut other = None;
        while !stop.is_cancelled() {
            let wait = match leases::take(&self.database, self.name, &self.holder, self.clock.now(), LEASE).await {
                Ok(Lease::Taken) => {
                    if other.take().is_some() {
                        tracing::info!(duty = self.name, "this process takes it over");
                    }
                    // Held through the pauses too, so that nobody else does the same at other times.
                    tokio::select! {
                        () = self.keep() => tracing::warn!(duty = self.name, "its lease was lost"),
                        () = self.rounds(rounds, wake) => {}
                        () = stop.cancelled() => {}
                    }
                    Duration::ZERO
                }
                Ok(Lease::HeldBy { holder, until }) => {
                    if other.as_ref() != Some(&holder) {
                        tracing::info!(duty = self.name, holder, %until, "another process does it, until it ends or dies");
                    }
                    other = Some(holder);
                    until.since(self.clock.now()).clamp(SHORTEST, RENEWAL)
                }
                Err(error) => {
                    tracing::warn!(
                        duty = self.name,
                        error = redacted(&with_causes(&error)),
                        "its lease can't be taken"
                    );
                    RENEWAL
                }
            };
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now().plus(wait)) => {}
                () = stop.cancelled() => {}
            }
        }
        if let Err(error) = leases::give_back(&self.database, self.name, &self.holder).await {
            tracing::debug!(duty = self.name, error = redacted(&with_causes(&error)), "its lease ends by itself");
        }
    }

    /// Round after round, for ever. One that panics costs no other: what it was about is met again by whoever has the lease
    /// next, and would end one process after the other.
    async fn rounds<R: Round>(&self, rounds: &R, wake: &Notify) {
        loop {
            match AssertUnwindSafe(rounds.round()).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(duty = self.name, error = redacted(&with_causes(&error)), "a round failed");
                }
                Err(panic) => {
                    let why = redacted(panic_text(panic.as_ref()));
                    tracing::error!(duty = self.name, why, "a round panicked: a defect of this program");
                }
            }
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now().plus(self.period)) => {}
                () = wake.notified() => {}
            }
        }
    }

    /// Lengthens the lease. Returns when it is lost.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::{Clock as _, ManualClock, Timestamp};
    use crate::store::StoreError;

    /// Counts its rounds, and panics in the second.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    #[async_trait]
    impl Round for Counted {
        type Error = StoreError;

        async fn round(&self) -> Result<(), StoreError> {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) != 1, "the second round is odd");
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
                period: Duration::from_secs(300),
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

    async fn opened() -> (tempfile::TempDir, Database, ManualClock) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        (folder, database, ManualClock::at(Timestamp::from_micros(0)))
    }

    /// A process with the lease waits for its next round and for the lease's renewal, any other for the lease only.
    #[tokio::test]
    async fn one_of_two_processes_works_and_the_other_takes_over_when_it_stops() {
        let (_folder, database, clock) = opened().await;
        let first = Process::start(&database, &clock, "a");
        until(|| first.rounds() == 1 && clock.awaited().len() == 2).await;
        let second = Process::start(&database, &clock, "b");
        until(|| clock.awaited().len() == 3).await;
        assert_eq!(second.rounds(), 0);

        // In the long pause between two rounds the lease stays where it is.
        for _ in 0..6 {
            clock.advance(RENEWAL);
            let now = clock.now();
            until(|| clock.awaited().iter().filter(|until| **until == now.plus(RENEWAL)).count() == 2).await;
        }
        assert_eq!((first.rounds(), second.rounds()), (1, 0));
        first.stop.cancel();
        first.task.await.unwrap();
        clock.advance(RENEWAL);
        until(|| second.rounds() == 1).await;
        second.stop.cancel();
        second.task.await.unwrap();
        assert_eq!(leases::read(&database, "counting").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_a_killed_process_did_goes_on_as_soon_as_its_lease_ends() {
        let (_folder, database, clock) = opened().await;
        leases::take(&database, "counting", "killed", clock.now(), LEASE).await.unwrap();
        clock.advance(Duration::from_secs(3));
        let next = Process::start(&database, &clock, "next");
        for waits_until in [13, 23, 30] {
            let moment = Timestamp::from_micros(waits_until * 1_000_000);
            until(|| clock.awaited() == [moment]).await;
            assert_eq!(next.rounds(), 0);
            clock.advance(moment.since(clock.now()));
        }
        until(|| next.rounds() == 1).await;
        next.stop.cancel();
        next.task.await.unwrap();
    }

    #[tokio::test]
    async fn a_round_that_panics_does_not_end_the_duty() {
        let (_folder, database, clock) = opened().await;
        let process = Process::start(&database, &clock, "a");
        for rounds in 1..=3 {
            until(|| process.rounds() == rounds && clock.awaited().len() == 2).await;
            process.wake.notify_one();
        }
        until(|| process.rounds() == 4).await;
        process.stop.cancel();
        process.task.await.unwrap();
    }
}
