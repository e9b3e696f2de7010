//! Takes what an attempt says to the dashboard: log lines and stream chunks, in order, one call each, because the engine
//! takes no more at once. Bounded: who says more than can be sent loses the oldest, and the log says how many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tonic::Status;

use super::ledger::AttemptKey;
use super::live::Live;
use crate::clock::{SharedClock, Timestamp};
use crate::engine::hatchet::connection::Connection;
use crate::engine::hatchet::error::told;
use crate::engine::hatchet::status::{Meaning, meaning};
use crate::engine::hatchet::wire;
use crate::workflow::{LogLevel, TaskSink};

/// What is kept unsent, at most.
const KEPT: usize = 1000;
/// Longest line and chunk, in bytes. The engine takes 10,000 characters.
const LONGEST: usize = 4096;
/// Calls of all attempts together that may be under way: the engine takes a thousand in a second.
pub(super) const AT_ONCE: usize = 10;
/// How often something is sent that meets trouble, and how long is waited in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// How long what is left is sent for after the attempt's end.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// One attempt's sink.
pub(super) struct AttemptSink {
    key: AttemptKey,
    connection: Connection,
    live: Arc<Live>,
    clock: SharedClock,
    at_once: Arc<Semaphore>,
    said: Mutex<Said>,
    wake: Notify,
}

#[derive(Default)]
struct Said {
    unsent: VecDeque<Word>,
    lost: u64,
    next_chunk: i64,
    is_over: bool,
}

#[derive(Clone)]
enum Word {
    Line { at: Timestamp, level: LogLevel, text: String },
    Chunk { at: Timestamp, index: i64, bytes: Vec<u8> },
}

impl AttemptSink {
    /// A sink, and what sends from it: to be spawned.
    pub(super) fn new(
        key: AttemptKey,
        connection: Connection,
        live: Arc<Live>,
        clock: SharedClock,
        at_once: Arc<Semaphore>,
    ) -> Arc<Self> {
        Arc::new(Self { key, connection, live, clock, at_once, said: Mutex::default(), wake: Notify::new() })
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is said, as it is said, until the attempt is over.
    pub(super) async fn pump(self: Arc<Self>) {
        loop {
            while let Some(word) = self.next() {
                self.send(word).await;
            }
            if self.said().is_over {
                return;
            }
            self.wake.notified().await;
        }
    }

    /// The attempt has said all it will.
    pub(super) fn close(&self) {
        self.said().is_over = true;
        self.wake.notify_one();
    }

    /// How long [`AttemptSink::pump`] may go on after that.
    pub(super) fn last_words() -> Duration {
        LAST_WORDS
    }

    fn next(&self) -> Option<Word> {
        let mut said = self.said();
        if said.lost > 0 {
            let text = format!("{} lines were dropped here: too many at once", said.lost);
            self.live.lost_lines(std::mem::take(&mut said.lost));
            return Some(Word::Line { at: self.clock.now(), level: LogLevel::Warn, text });
        }
        said.unsent.pop_front()
    }

    fn push(&self, word: impl FnOnce(&mut Said) -> Word) {
        let mut said = self.said();
        if said.unsent.len() == KEPT {
            said.unsent.pop_front();
            said.lost += 1;
        }
        let word = word(&mut said);
        said.unsent.push_back(word);
        drop(said);
        self.wake.notify_one();
    }

    async fn send(&self, word: Word) {
        for _ in 0..TRIES {
            let sent = {
                let _turn = self.at_once.acquire().await;
                self.send_once(word.clone()).await
            };
            let Err(status) = sent else { return };
            if meaning(status.code()) == Meaning::Wrong {
                tracing::debug!(error = told(&status), "Hatchet does not take a log line");
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.live.lost_lines(1);
    }

    async fn send_once(&self, word: Word) -> Result<(), Status> {
        let task_run_external_id = self.key.task_run.clone();
        match word {
            Word::Line { at, level, text } => {
                let line = wire::LogLine {
                    task_run_external_id,
                    created_at: Some(at.into()),
                    message: text,
                    level: Some(level_word(level).to_owned()),
                    metadata: String::new(),
                    task_retry_count: Some(self.key.retry_count),
                };
                self.connection.put_log(line).await
            }
            Word::Chunk { at, index, bytes } => {
                let chunk = wire::StreamChunk {
                    task_run_external_id,
                    created_at: Some(at.into()),
                    message: bytes,
                    metadata: String::new(),
                    event_index: Some(index),
                };
                self.connection.put_stream(chunk).await
            }
        }
    }
}

impl TaskSink for AttemptSink {
    fn log(&self, level: LogLevel, line: &str) {
        // The engine takes neither empty lines nor NUL.
        let text = line.replace('\0', "");
        let text = text.trim_end();
        if !text.is_empty() {
            let at = self.clock.now();
            let text = clipped(text);
            self.push(|_| Word::Line { at, level, text });
        }
    }

    fn put_stream(&self, chunk: &[u8]) {
        // It goes out as text.
        let text = String::from_utf8_lossy(chunk);
        let (at, bytes) = (self.clock.now(), text[..text.floor_char_boundary(LONGEST)].as_bytes().to_vec());
        self.push(|said| {
            let index = said.next_chunk;
            said.next_chunk += 1;
            Word::Chunk { at, index, bytes }
        });
    }

    fn progress(&self, fraction: f64, doing: &str) {
        self.live.task(&self.key, |task| {
            task.fraction = fraction;
            task.doing = doing.to_owned();
        });
    }

    fn piece_kept(&self) {}
}

fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warn => "WARN",
        LogLevel::Error => "ERROR",
    }
}

fn clipped(line: &str) -> String {
    if line.len() <= LONGEST {
        return line.to_owned();
    }
    format!("{}…", &line[..line.floor_char_boundary(LONGEST)])
}
