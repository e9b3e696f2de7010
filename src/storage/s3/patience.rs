//! How long to wait for a bucket, and how often to ask again.

use std::time::Duration;

/// Time-outs and tries. There is none on the whole of a download: a long one is no failure while bytes come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the head of an answer.
    pub first_byte: Duration,
    /// For the next bytes of a body, either way.
    pub stall: Duration,
    /// For one part or small object to be sent and answered: whoever sends is answered only at the end.
    pub upload: Duration,
    /// How often a request is sent, the first time included.
    pub tries: u32,
    /// How often in a row, without a byte in between, a broken download is taken up again.
    pub resumes: u32,
    /// The pause before the second try; doubled each time.
    pub backoff: Duration,
    /// The longest pause.
    pub longest_backoff: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(20),
            stall: Duration::from_secs(20),
            upload: Duration::from_secs(300),
            tries: 4,
            resumes: 5,
            backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(8),
        }
    }
}

impl Patience {
    /// The pause after the failure number `failures`, counted from 1.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = 2u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(doubled).min(self.longest_backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let patience = Patience::default();
        let pauses: Vec<u128> = (1..=6).map(|failures| patience.pause(failures).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 8000]);
        assert_eq!(patience.pause(u32::MAX), patience.longest_backoff);
    }
}
