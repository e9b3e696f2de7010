//! Takes what an attempt says: live to followers, log lines in batches to the store. Bounded: a task that says more than
//! can be written loses its oldest unwritten lines, and the log says how many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::events::{Events, Happening, RunSource};
use crate::clock::SharedClock;
use crate::ids::AttemptId;
use crate::store::runs::{LogLine, RunStore};
use crate::workflow::{LogLevel, TaskSink};

/// Unwritten lines kept at most.
const LINES: usize = 1000;
/// Longest line, in bytes.
const LINE_BYTES: usize = 4096;
/// Lines are gathered for this long before they are written.
const GATHER: Duration = Duration::from_millis(250);

/// One attempt's sink.
pub(super) struct AttemptSink {
    pub(super) attempt: AttemptId,
    pub(super) task: String,
    pub(super) source: Arc<RunSource>,
    pub(super) events: Events,
    pub(super) clock: SharedClock,
    said: Mutex<Said>,
    wake: Notify,
}

#[derive(Default)]
struct Said {
    lines: VecDeque<LogLine>,
    next_number: i64,
    /// Lines below this number are in the store; those from here to the first one kept were dropped.
    next_unwritten: i64,
    piece: Piece,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Piece {
    #[default]
    None,
    Kept,
    Stored,
}

impl AttemptSink {
    pub(super) fn new(
        attempt: AttemptId,
        task: String,
        source: Arc<RunSource>,
        events: Events,
        clock: SharedClock,
    ) -> Self {
        Self { attempt, task, source, events, clock, said: Mutex::default(), wake: Notify::new() }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is said, as it is said. Runs beside the attempt; may be dropped at any moment and loses nothing.
    pub(super) async fn pump(&self, store: &RunStore) {
        loop {
            self.wake.notified().await;
            if self.said().piece != Piece::Kept {
                tokio::time::sleep(GATHER).await;
            }
            self.flush(store).await;
        }
    }

    /// Writes what is not written yet. A store that fails costs log lines, not the attempt.
    pub(super) async fn flush(&self, store: &RunStore) {
        if self.said().piece == Piece::Kept {
            match store.keep_piece(&self.attempt).await {
                Ok(()) => self.said().piece = Piece::Stored,
                Err(error) => tracing::debug!(%error, "a kept piece was not noted"),
            }
        }
        let batch = self.said().batch(&self.clock);
        let Some(last) = batch.last().map(|line| line.number) else { return };
        match store.append_log(&self.attempt, &batch).await {
            // Only now: dropped halfway, the lines are written again, which changes nothing.
            Ok(()) => self.said().written(last),
            Err(error) => tracing::debug!(%error, "log lines were not written"),
        }
    }
}

impl Said {
    fn push(&mut self, line: LogLine) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn batch(&self, clock: &SharedClock) -> Vec<LogLine> {
        let mut batch: Vec<LogLine> = self.lines.iter().cloned().collect();
        if let Some(first) = self.lines.front().map(|line| line.number)
            && first > self.next_unwritten
        {
            let note = LogLine {
                number: first - 1,
                logged_at: clock.now(),
                level: level_word(LogLevel::Warn).to_owned(),
                line: format!("{} lines were dropped here: too many at once", first - self.next_unwritten),
            };
            batch.insert(0, note);
        }
        batch
    }

    fn written(&mut self, last: i64) {
        while self.lines.front().is_some_and(|line| line.number <= last) {
            self.lines.pop_front();
        }
        self.next_unwritten = last + 1;
    }
}

impl TaskSink for AttemptSink {
    fn log(&self, level: LogLevel, line: &str) {
        let line = clipped(line);
        let mut said = self.said();
        let number = said.next_number;
        said.next_number += 1;
        said.push(LogLine {
            number,
            logged_at: self.clock.now(),
            level: level_word(level).to_owned(),
            line: line.clone(),
        });
        drop(said);
        self.wake.notify_one();
        self.events.send(&self.source, Happening::Log { task: self.task.clone(), level, line });
    }

    fn put_stream(&self, chunk: &[u8]) {
        self.events.send(&self.source, Happening::Stream { task: self.task.clone(), chunk: chunk.to_vec() });
    }

    fn progress(&self, fraction: f64, doing: &str) {
        let doing = doing.to_owned();
        self.events.send(&self.source, Happening::Progress { task: self.task.clone(), fraction, doing });
    }

    fn piece_kept(&self) {
        let mut said = self.said();
        if said.piece == Piece::None {
            said.piece = Piece::Kept;
            drop(said);
            self.wake.notify_one();
        }
    }
}

fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

fn clipped(line: &str) -> String {
    if line.len() <= LINE_BYTES {
        return line.to_owned();
    }
    format!("{}…", &line[..line.floor_char_boundary(LINE_BYTES)])
}
