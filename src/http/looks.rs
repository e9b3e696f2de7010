//! Looks at one dependency, one at a time and each in a task of its own: whoever asked may have gone long before a
//! dependency that hangs has answered, and the next who asks is told what was found.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use super::ReadyCheck;
use crate::clock::Timestamp;

/// How long a look may take. A dependency that hangs for longer is told as one that does not answer.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// How long whoever asks waits for what has to be known now: less than a probe's usual second.
const PATIENCE: Duration = Duration::from_millis(700);
/// The same for what was known a while ago: what takes no time to look at is told as it is now.
const MOMENT: Duration = Duration::from_millis(50);
/// For how long what was found is told while a new look is under way.
const KNOWN: Duration = Duration::from_secs(5 * 60);

/// What a look found: a word on how it is, or what is wrong.
pub(super) type Looked = Result<String, String>;

/// A dependency and what is known of it.
pub(super) struct Looks {
    check: Arc<dyn ReadyCheck>,
    state: Arc<watch::Sender<State>>,
}

#[derive(Default)]
struct State {
    under_way: bool,
    last: Option<(Timestamp, Looked)>,
}

impl State {
    /// What was found at most `age` before `now`.
    fn within(&self, age: Duration, now: Timestamp) -> Option<&Looked> {
        self.last.as_ref().filter(|(at, _)| *at <= now && now.since(*at) < age).map(|(_, found)| found)
    }
}

impl Looks {
    pub(super) fn new(check: Arc<dyn ReadyCheck>) -> Self {
        Self { check, state: Arc::default() }
    }

    pub(super) fn check(&self) -> &dyn ReadyCheck {
        self.check.as_ref()
    }

    /// What is known at `now`: what was found just now, or else what a look finds that takes no longer than whoever asks
    /// may wait. The look goes on after that.
    pub(super) async fn known(&self, now: Timestamp) -> Looked {
        let begins = self.state.send_if_modified(|state| {
            let begins = !state.under_way && state.within(self.check.fresh_for(), now).is_none();
            state.under_way |= begins;
            begins
        });
        if begins {
            tokio::spawn(look(Arc::clone(&self.check), Arc::clone(&self.state), now));
        }
        let before = match self.state.borrow().within(KNOWN, now) {
            Some(found) if !self.check.is_needed() => Some(found.clone()),
            _ => None,
        };
        let patience = if before.is_some() { MOMENT } else { PATIENCE };
        let mut changes = self.state.subscribe();
        if let Ok(Ok(state)) = timeout(patience, changes.wait_for(|state| !state.under_way)).await
            && let Some((_, found)) = &state.last
        {
            return found.clone();
        }
        before.unwrap_or_else(|| Err(format!("has not answered within {} ms", patience.as_millis())))
    }
}

/// Looks once, and ends however the dependency behaves.
async fn look(check: Arc<dyn ReadyCheck>, state: Arc<watch::Sender<State>>, now: Timestamp) {
    let found = match timeout(LONGEST_LOOK, AssertUnwindSafe(check.check()).catch_unwind()).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => Err("can't be looked at: the look failed, see the log".to_owned()),
        Err(_) => Err(format!("did not answer within {} s", LONGEST_LOOK.as_secs())),
    };
    state.send_modify(|state| *state = State { under_way: false, last: Some((now, found)) });
}
