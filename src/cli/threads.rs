//! The threads that commands wait on.

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

use super::exit::Exit;

/// One thread, which is this one: for commands that mostly wait for somebody's answer.
///
/// # Errors
/// When the machine gives none.
pub fn one() -> Result<Runtime, Exit> {
    made(&mut Builder::new_current_thread())
}

/// As many as are given, or one for each core: for commands that do several things at once.
///
/// # Errors
/// When the machine gives none.
pub fn several(threads: Option<usize>) -> Result<Runtime, Exit> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    made(&mut builder)
}

fn made(builder: &mut Builder) -> Result<Runtime, Exit> {
    builder.enable_all().build().context("starting the program's threads").map_err(Exit::Failed)
}
