//! A client of the stub on a clock that the test moves.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use trackscribe::clock::{Clock as _, ManualClock, Timestamp};
use trackscribe::daily::{DailyClient, DailyTimeouts, RateLimiter};
use trackscribe::secret::Secret;

use crate::stub::{API_KEY, StubDaily};

/// 2026-01-05T09:00:00Z.
pub const START: Timestamp = Timestamp::from_micros(1_767_603_600_000_000);

pub const TIMEOUTS: DailyTimeouts = DailyTimeouts {
    connect: Duration::from_secs(5),
    read: Duration::from_secs(5),
    request: Duration::from_secs(5),
    operation: Duration::from_secs(120),
};

/// A stub, a client of it and their clock.
pub struct Account {
    pub stub: StubDaily,
    pub clock: ManualClock,
    pub client: DailyClient,
    pub limiter: Arc<RateLimiter>,
}

impl Account {
    pub async fn start() -> Self {
        Self::with(TIMEOUTS).await
    }

    pub async fn with(timeouts: DailyTimeouts) -> Self {
        let stub = StubDaily::start().await;
        let clock = ManualClock::at(START);
        let limiter = Arc::new(RateLimiter::new(Arc::new(clock.clone())));
        let client = DailyClient::new(&stub.url.parse().unwrap(), Secret::new(API_KEY), limiter.clone(), timeouts);
        Self { stub, clock, client: client.unwrap(), limiter }
    }

    /// Does the work, moving the clock to whatever is waited for next.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_millis(1)) => {
                    if let Some(next) = self.clock.awaited().first() {
                        self.clock.advance(next.since(self.clock.now()));
                    }
                }
            }
        }
    }

    /// How far the clock was moved.
    pub fn passed(&self) -> Duration {
        self.clock.now().since(START)
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings").join(name)
}
