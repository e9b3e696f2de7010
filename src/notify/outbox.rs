//! Makes the effects that the outbox remembers, whether or not the run lives that wanted them (U9): the second try comes
//! 60 s after the first, then the wait doubles up to an hour, and after 30 tries, about a day, somebody has to see to it.
//! What must happen however long it takes, as deletions that somebody demanded, is tried on each hour.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::SharedClock;
use crate::duty::Round;
use crate::secret::redacted;
use crate::store::outbox::{self, OutboxRow};
use crate::store::{Database, StoreError};

/// Tries of one effect, the first included.
pub const MOST_TRIES: i64 = 30;
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// Effects looked at in one go.
const BATCH: u32 = 100;

/// Why an effect did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotDelivered {
    /// It is tried again; why.
    Again(String),
    /// It can never happen; why.
    Never(String),
}

impl From<StoreError> for NotDelivered {
    fn from(error: StoreError) -> Self {
        Self::Again(error.to_string())
    }
}

/// Makes the effects of one kind.
#[async_trait]
pub trait Deliver: Send + Sync {
    /// Whether it must happen, however long it takes: then it is never given up.
    fn must_happen(&self) -> bool {
        false
    }

    /// Tries once. Doing what was done before must change nothing.
    ///
    /// # Errors
    /// Why it did not happen.
    async fn deliver(&self, row: &OutboxRow) -> Result<(), NotDelivered>;
}

/// Everything that can be delivered, by kind.
pub struct Outbox {
    database: Database,
    clock: SharedClock,
    deliver: BTreeMap<&'static str, Arc<dyn Deliver>>,
}

/// What came of one look into the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Effects that happened.
    pub done: usize,
    /// Effects that are tried again later.
    pub again: usize,
    /// Effects that were given up.
    pub abandoned: usize,
}

impl Outbox {
    /// An outbox whose effects `deliver` makes.
    pub fn new(
        database: Database,
        clock: SharedClock,
        deliver: impl IntoIterator<Item = (&'static str, Arc<dyn Deliver>)>,
    ) -> Self {
        Self { database, clock, deliver: deliver.into_iter().collect() }
    }

    /// Tries each effect whose time has come, once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn once(&self) -> Result<Delivered, StoreError> {
        let mut delivered = Delivered::default();
        loop {
            let due = outbox::due(&self.database, self.clock.now(), BATCH).await?;
            for row in &due {
                self.try_one(row, &mut delivered).await?;
            }
            if due.len() < BATCH as usize {
                return Ok(delivered);
            }
        }
    }

    async fn try_one(&self, row: &OutboxRow, delivered: &mut Delivered) -> Result<(), StoreError> {
        let maker = self.deliver.get(row.kind.as_str());
        let must_happen = maker.is_some_and(|maker| maker.must_happen());
        let outcome = match maker {
            Some(deliver) => deliver.deliver(row).await,
            // A newer program in the same deployment may know it.
            None => Err(NotDelivered::Again(format!("nobody here makes effects of kind {}", row.kind))),
        };
        let tries = row.tries + 1;
        let (error, again) = match outcome {
            Ok(()) => {
                delivered.done += 1;
                return outbox::done(&self.database, &row.id).await;
            }
            Err(NotDelivered::Again(error)) => (error, tries < MOST_TRIES || must_happen),
            Err(NotDelivered::Never(error)) => (error, must_happen),
        };
        let error = redacted(&error);
        let (effect, transcript) = (row.kind.as_str(), row.transcript.as_str());
        if again && tries < MOST_TRIES {
            delivered.again += 1;
            tracing::warn!(effect, transcript, tries, error, "did not work; tried again later");
        } else if again {
            delivered.again += 1;
            tracing::error!(effect, transcript, tries, error, "still does not work: somebody has to see to it");
        } else {
            delivered.abandoned += 1;
            tracing::error!(effect, transcript, tries, error, "given up: somebody has to see to it");
        }
        let at = again.then(|| self.clock.now().plus(wait_after(tries)));
        outbox::failed(&self.database, &row.id, &error, at).await
    }
}

#[async_trait]
impl Round for Outbox {
    type Error = StoreError;

    async fn round(&self) -> Result<(), StoreError> {
        self.once().await.map(drop)
    }
}

/// How long after try number `tries` the next comes.
fn wait_after(tries: i64) -> Duration {
    let doublings = u32::try_from((tries - 1).clamp(0, 16)).unwrap_or(0);
    (outbox::FIRST_RETRY * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u9_thirty_tries_take_about_a_day() {
        let waits: Vec<u64> = (1..MOST_TRIES).map(|tries| wait_after(tries).as_secs() / 60).collect();
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
        let hours = waits.iter().sum::<u64>() / 60;
        assert!((23..=26).contains(&hours), "{hours}");
    }
}
