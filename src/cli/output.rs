//! The terminal: progress bars and log lines on standard error, without tearing each other.

use std::env::VarError;
use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{ConfigError, names};
use crate::engine::hatchet::task_logs;
use crate::failure::with_causes;

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
    ///
    /// # Errors
    /// When `RUST_LOG` can't be used; then lines go by `default` all the same.
    pub fn start_logging(&self, default: &str, tasks: Level) -> Result<(), ConfigError> {
        let (filter, problem) = match log_filter(std::env::var(names::RUST_LOG), default) {
            Ok(filter) => (filter, Ok(())),
            Err(problem) => (EnvFilter::new(default), Err(ConfigError::new(names::RUST_LOG, problem))),
        };
        let lines = tracing_subscriber::fmt::layer().with_ansi(self.is_terminal).with_writer(self.clone());
        let logs = tracing_subscriber::registry().with(lines.with_filter(filter)).with(task_logs(tasks));
        // Fails only when a test has set one up already.
        let _ = logs.with(filter_fn(names_no_keys)).try_init();
        problem
    }
}

/// Whether lines of this kind are fit for any log, whatever `RUST_LOG` says: below INFO, AWS's client tells what it signs
/// with, access keys' ids included.
fn names_no_keys(kind: &Metadata<'_>) -> bool {
    *kind.level() <= Level::INFO || !kind.target().starts_with("aws_")
}

/// Which lines are logged; empty text says nothing.
fn log_filter(given: Result<String, VarError>, default: &str) -> Result<EnvFilter, String> {
    match given {
        Ok(text) if !text.trim().is_empty() => EnvFilter::try_new(text.trim()).map_err(|error| {
            let error = with_causes(&error);
            format!("is {text:?}, but must be a level or levels of modules, e.g. info,trackscribe=debug: {error}")
        }),
        Ok(_) | Err(VarError::NotPresent) => Ok(EnvFilter::new(default)),
        Err(VarError::NotUnicode(_)) => Err("is not UTF-8".to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_as_set_and_nothing_set_is_the_default() {
        let shown = |given: &str| log_filter(Ok(given.to_owned()), "info").map(|filter| filter.to_string());
        assert_eq!(shown(" debug ").unwrap(), "debug");
        assert_eq!(shown(" ").unwrap(), "info");
        assert_eq!(log_filter(Err(VarError::NotPresent), "warn").unwrap().to_string(), "warn");
        let problem = shown("trackscribe=loud").unwrap_err();
        assert!(problem.contains("trackscribe=debug") && problem.contains("\"trackscribe=loud\""), "{problem}");
    }
}
