//! Whether the engine really refuses the token. It says so also while it can't reach its database, so that a token that
//! was good a moment ago is believed to be bad only when nothing else is heard for minutes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What the engine has said of the token.
#[derive(Debug)]
pub(super) struct Trust {
    untried: Duration,
    trusted: Duration,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    was_taken: bool,
    refused_since: Option<Instant>,
}

impl Trust {
    /// How long a token may be refused that was never taken, and one that was.
    pub(super) fn new(untried: Duration, trusted: Duration) -> Self {
        Self { untried, trusted, heard: Mutex::default() }
    }

    /// It was taken.
    pub(super) fn taken(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Heard { was_taken: true, refused_since: None };
    }

    /// It was refused. Says whether that is to be believed. Not by the clock: one that somebody sets ends no worker.
    pub(super) fn refused(&self, now: Instant) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *heard.refused_since.get_or_insert(now);
        now.duration_since(since) >= if heard.was_taken { self.trusted } else { self.untried }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_good_is_bad_only_when_it_stays_so() {
        let (trust, began) = (Trust::new(Duration::from_secs(10), Duration::from_secs(180)), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(!trust.refused(at(0)) && !trust.refused(at(9)) && trust.refused(at(10)));
        trust.taken();
        assert!(!trust.refused(at(20)) && !trust.refused(at(199)));
        trust.taken();
        assert!(!trust.refused(at(200)) && !trust.refused(at(379)) && trust.refused(at(380)));
    }
}
