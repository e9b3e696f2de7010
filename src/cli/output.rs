//! The terminal: progress bars and log lines on standard error, without tearing each other.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::engine::hatchet::task_logs;

/// Standard error, shared by bars and logs.
#[derive(Debug, Clone)]
pub struct Output {
    bars: MultiProgress,
    is_terminal: bool,
}

impl Output {
    /// The process's standard error.
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), is_terminal: io::stderr().is_terminal() }
    }

    /// Where bars are drawn.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether somebody watches, so that bars make sense.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }

    /// Sends log lines here; `RUST_LOG` says which, `default` where it says nothing. What tasks of Hatchet's log goes to
    /// its dashboard too, down to `tasks`.
    pub fn start_logging(&self, default: &str, tasks: Level) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
        let task_logs = task_logs(tasks);
        let lines = tracing_subscriber::fmt::layer().with_ansi(self.is_terminal).with_writer(self.clone());
        // Fails only when a test has set one up already.
        let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).with(task_logs).try_init();
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Output {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
