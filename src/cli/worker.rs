//! `trackscribe worker`: executes the runs of an engine that has a server of its own.

use anyhow::anyhow;

use super::exit::Exit;
use crate::config::{Config, Provider, names};

/// Execute runs for Hatchet or Conductor
///
/// With DURABLE_WORKFLOW_PROVIDER=none there is nothing for a worker to do: trackscribe serve executes the runs by itself.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Works until stopped.
///
/// # Errors
/// The way the program is to end.
pub fn run(_: &Args, config: &Config) -> Result<(), Exit> {
    let name = names::DURABLE_WORKFLOW_PROVIDER;
    Err(Exit::bad_input(match config.provider {
        Provider::None => anyhow!(
            "{name} is none: then trackscribe serve executes the runs by itself, and a worker has nothing to do. Start \
             trackscribe serve"
        ),
        Provider::Hatchet | Provider::Conductor => anyhow!(
            "{name}={} is not there yet: this version runs the workflows by itself ({name}=none, trackscribe serve)",
            config.provider.as_str()
        ),
    }))
}
