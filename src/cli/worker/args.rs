//! What `trackscribe worker` is told on the command line.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::workflow::Pool;

/// Execute runs for Hatchet
///
/// With DURABLE_WORKFLOW_PROVIDER=none there is nothing for a worker to do: trackscribe serve executes the runs by itself. Any
/// number of workers may run, on any machines that reach the database, the storage and the engine. SIGTERM and Ctrl-C end it
/// in order: what can't be finished in time another worker takes over, without a retry being spent.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Serve this pool only: audio, speech or io; may be repeated, or have commas [default: all]
    #[arg(long = "pool", value_name = "POOL", value_delimiter = ',', value_parser = pool)]
    pub pool: Vec<Pool>,
    /// How many tasks of a pool run at once, e.g. speech=2; may be repeated
    #[arg(long, value_name = "POOL=N")]
    pub slots: Vec<Slots>,
    /// What its Hatchet workers are called: NAME-io and so on [default: trackscribe-HOST]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Start although another system's worker has tasks of the same names in this tenant
    #[arg(long)]
    pub allow_foreign: bool,
    /// Seconds that what runs may go on after SIGTERM; counts for more than SHUTDOWN_GRACE [default: 25]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub grace: Option<Duration>,
    /// Where it shows how it is; counts for more than WORKER_BIND [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// A whisper.cpp model file; counts for more than SPEECH_MODEL
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
}

impl Args {
    /// The pools to serve.
    pub fn pools(&self) -> BTreeSet<Pool> {
        if self.pool.is_empty() { Pool::ALL.into() } else { self.pool.iter().copied().collect() }
    }
}

/// Slots of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// The pool.
    pub pool: Pool,
    /// At least 1.
    pub slots: usize,
}

impl FromStr for Slots {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, slots) = text.split_once('=').ok_or("write POOL=N, e.g. speech=2")?;
        let slots = slots.parse().ok().filter(|slots| (1..=1000).contains(slots)).ok_or("N must be from 1 to 1000")?;
        Ok(Self { pool: pool(name)?, slots })
    }
}

fn pool(name: &str) -> Result<Pool, String> {
    Pool::named(name).ok_or_else(|| "there is no such pool; there are audio, speech and io".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 3600).ok_or("must be from 0 to 3600")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_read_and_what_is_none_is_refused() {
        assert_eq!("speech=2".parse(), Ok(Slots { pool: Pool::Speech, slots: 2 }));
        for odd in ["speech", "speech=0", "speech=x", "video=1", "=1"] {
            assert!(odd.parse::<Slots>().is_err(), "{odd}");
        }
    }
}
