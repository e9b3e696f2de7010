//! What the worker is doing, for people and for whoever watches it: streams, heartbeats, current tasks, counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::ledger::AttemptKey;
use crate::clock::Timestamp;
use crate::engine::hatchet::post::Post;
use crate::workflow::task_ref;

/// How a post stands with the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PostSnapshot {
    /// Slots.
    pub slots: usize,
    /// The Hatchet worker that serves it, once it is registered.
    pub worker: Option<String>,
    /// Since when actions can come; `None` while they can't.
    pub listening_since: Option<Timestamp>,
    /// When the engine last heard that it lives.
    pub heartbeat_at: Option<Timestamp>,
    /// Streams that were opened.
    pub streams: u64,
    /// Why the last one ended.
    pub last_trouble: Option<String>,
}

/// A task that is being worked on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CurrentTask {
    /// `diarizationpipeline:get_recording`.
    pub task: String,
    /// Its run.
    pub run: String,
    /// 1 for the first try.
    pub attempt: i32,
    /// Since when.
    pub since: Timestamp,
    /// Whether it only waits for its children.
    pub waiting: bool,
    /// How far it is, 0 to 1.
    pub fraction: f64,
    /// What it last said it was doing.
    pub doing: String,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Snapshot {
    /// By post: `io`, `io-parents` and so on.
    pub posts: BTreeMap<String, PostSnapshot>,
    /// Longest first.
    pub tasks: Vec<CurrentTask>,
    /// Attempts begun, completed, failed, and stopped because nobody wanted them any more.
    pub counts: Counts,
    /// Outcomes that the engine has not heard yet.
    pub to_tell: i64,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Attempts begun.
    pub started: u64,
    /// Attempts completed.
    pub completed: u64,
    /// Attempts failed.
    pub failed: u64,
    /// Attempts that nobody wanted any more.
    pub dropped: u64,
    /// Attempts that had ended before and were answered from memory.
    pub answered: u64,
    /// Outcomes that had to be told again.
    pub told_again: u64,
    /// Log lines that did not reach the dashboard.
    pub lines_lost: u64,
}

impl Snapshot {
    /// What keeps the worker from getting work for longer than `most`; `None` when nothing does. `since` is when it
    /// was started. Heartbeats are taken only while a stream is open, so they tell of both.
    pub fn deaf(&self, now: Timestamp, most: Duration, since: Timestamp) -> Option<String> {
        let heard = |post: &PostSnapshot| post.heartbeat_at.unwrap_or(since);
        let (post, snapshot) = self.posts.iter().find(|(_, post)| now.since(heard(post)) >= most)?;
        let why = snapshot.last_trouble.as_deref().unwrap_or("it has not answered yet");
        Some(format!("{post} has had no live stream from Hatchet for {} s: {why}", most.as_secs()))
    }
}

/// The same, as it changes.
#[derive(Debug, Default)]
pub(super) struct Live {
    posts: Mutex<BTreeMap<Post, PostSnapshot>>,
    tasks: Mutex<HashMap<AttemptKey, CurrentTask>>,
    started: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    answered: AtomicU64,
    told_again: AtomicU64,
    lines_lost: AtomicU64,
    to_tell: AtomicI64,
}

/// How an attempt is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Completed,
    Failed,
    Dropped,
}

impl Live {
    fn posts(&self) -> MutexGuard<'_, BTreeMap<Post, PostSnapshot>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<AttemptKey, CurrentTask>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a post.
    pub(super) fn post(&self, post: Post, change: impl FnOnce(&mut PostSnapshot)) {
        change(self.posts().entry(post).or_default());
    }

    /// An attempt has begun.
    pub(super) fn began(&self, key: &AttemptKey, workflow: &str, task: &str, run: &str, now: Timestamp) {
        self.started.fetch_add(1, Ordering::Relaxed);
        let current = CurrentTask {
            task: task_ref(workflow, task),
            run: run.to_owned(),
            attempt: key.retry_count.saturating_add(1),
            since: now,
            waiting: false,
            fraction: 0.0,
            doing: String::new(),
        };
        self.tasks().insert(key.clone(), current);
    }

    /// Changes what is known of an attempt.
    pub(super) fn task(&self, key: &AttemptKey, change: impl FnOnce(&mut CurrentTask)) {
        if let Some(task) = self.tasks().get_mut(key) {
            change(task);
        }
    }

    /// An attempt has ended.
    pub(super) fn ended(&self, key: &AttemptKey, how: Counted) {
        self.tasks().remove(key);
        let count = match how {
            Counted::Completed => &self.completed,
            Counted::Failed => &self.failed,
            Counted::Dropped => &self.dropped,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether something is worked on, rather than waited for.
    pub(super) fn is_working(&self) -> bool {
        self.tasks().values().any(|task| !task.waiting)
    }

    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn told_again(&self) {
        self.told_again.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn lost_lines(&self, lines: u64) {
        self.lines_lost.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn to_tell(&self, change: i64) {
        self.to_tell.fetch_add(change, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let posts = self.posts().iter().map(|(post, known)| (post.to_string(), known.clone())).collect();
        let mut tasks: Vec<CurrentTask> = self.tasks().values().cloned().collect();
        tasks.sort_by_key(|task| task.since);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Snapshot {
            posts,
            tasks,
            counts: Counts {
                started: read(&self.started),
                completed: read(&self.completed),
                failed: read(&self.failed),
                dropped: read(&self.dropped),
                answered: read(&self.answered),
                told_again: read(&self.told_again),
                lines_lost: read(&self.lines_lost),
            },
            to_tell: self.to_tell.load(Ordering::Relaxed),
        }
    }
}
