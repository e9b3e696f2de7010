//! All that one of a database's processes does for all of them: inbox, poller, reconciler, outbox, each under its lease.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Inbox, Poller, Reconciler};
use crate::clock::SharedClock;
use crate::duty::{Duty, Round};
use crate::notify::Outbox;
use crate::store::Database;

/// How often stored deliveries are looked for that this process did not store itself.
const INBOX: Duration = Duration::from_secs(1);
/// How often due requests are looked for.
const RECONCILER: Duration = Duration::from_secs(5);
/// How often due effects are looked for.
const OUTBOX: Duration = Duration::from_secs(5);

/// Makes this process look at once instead of at the next turn.
#[derive(Clone, Default)]
pub struct Wakers {
    /// A delivery was stored.
    pub inbox: Arc<Notify>,
}

/// Everything that is done for all.
pub struct Watch {
    /// The store.
    pub database: Database,
    /// Time.
    pub clock: SharedClock,
    /// This process, told apart from all others.
    pub holder: String,
    /// Works on deliveries.
    pub inbox: Inbox,
    /// Looks into Daily's list; `None` where nobody wants that.
    pub poller: Option<(Poller, Duration)>,
    /// Looks after runs.
    pub reconciler: Reconciler,
    /// Makes effects.
    pub outbox: Outbox,
    /// Wakes them.
    pub wakers: Wakers,
}

impl Watch {
    /// Does its part until `stop`, then gives the leases back.
    pub async fn run(&self, stop: &CancellationToken) {
        // Whoever asks for a run asks the engine at once, and whoever wants an effect tries it: the rest waits for its time.
        let never = Notify::new();
        let polling = async {
            if let Some((poller, interval)) = &self.poller {
                self.duty("poller", *interval, poller, &never, stop).await;
            }
        };
        tokio::join!(
            self.duty("inbox", INBOX, &self.inbox, &self.wakers.inbox, stop),
            polling,
            self.duty("reconciler", RECONCILER, &self.reconciler, &never, stop),
            self.duty("outbox", OUTBOX, &self.outbox, &never, stop),
        );
    }

    async fn duty<R: Round>(
        &self,
        name: &'static str,
        period: Duration,
        rounds: &R,
        wake: &Notify,
        stop: &CancellationToken,
    ) {
        let duty = Duty {
            database: self.database.clone(),
            clock: Arc::clone(&self.clock),
            name,
            holder: self.holder.clone(),
            period,
        };
        duty.run(rounds, wake, stop).await;
    }
}
