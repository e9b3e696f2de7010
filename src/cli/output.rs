//! The terminal: progress bars and log lines on standard error, without tearing each other.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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

    /// Sends log lines here; `RUST_LOG` says which, `default` where it says nothing.
    pub fn start_logging(&self, default: &str) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(self.is_terminal);
        // Fails only when a test has set one up already.
        let _ = lines.with_writer(self.clone()).try_init();
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
