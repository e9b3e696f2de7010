//! A worker in numbers, in the text form that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use crate::clock::Timestamp;
use crate::engine::hatchet::Snapshot;

/// All numbers.
pub fn text(snapshot: &Snapshot, now: Timestamp) -> String {
    let mut text = String::new();
    let posts = || snapshot.posts.iter();
    family(
        &mut text,
        "slots",
        "gauge",
        "Tasks that may run at once in a pool, and parents that may wait.",
        posts().map(|(name, post)| (post_label(name), post.slots)),
    );
    let open = posts().map(|(name, post)| (post_label(name), u8::from(post.listening_since.is_some())));
    family(&mut text, "stream_open", "gauge", "1 while actions can come.", open);
    let age = posts().filter_map(|(name, post)| Some((post_label(name), now.since(post.heartbeat_at?).as_secs_f64())));
    family(&mut text, "heartbeat_age_seconds", "gauge", "Since the engine last heard that the worker lives.", age);
    let streams = posts().map(|(name, post)| (post_label(name), post.streams));
    family(&mut text, "streams_total", "counter", "Streams that were opened.", streams);
    let mut tasks: BTreeMap<(&str, bool), u64> = BTreeMap::new();
    for task in &snapshot.tasks {
        *tasks.entry((&task.task, task.waiting)).or_default() += 1;
    }
    let tasks =
        tasks.into_iter().map(|((task, waiting), count)| (format!("task=\"{task}\",waiting=\"{waiting}\""), count));
    family(&mut text, "tasks", "gauge", "Tasks that are worked on, or wait for their children.", tasks);
    let counts = &snapshot.counts;
    let attempts = [
        ("started", counts.started),
        ("completed", counts.completed),
        ("failed", counts.failed),
        ("dropped", counts.dropped),
        ("answered", counts.answered),
    ];
    let attempts = attempts.into_iter().map(|(what, count)| (format!("what=\"{what}\""), count));
    family(&mut text, "attempts_total", "counter", "Attempts, by what became of them.", attempts);
    let none = String::new;
    family(
        &mut text,
        "outcomes_told_again_total",
        "counter",
        "Outcomes that had to be told again.",
        [(none(), counts.told_again)],
    );
    family(
        &mut text,
        "outcomes_to_tell",
        "gauge",
        "Outcomes that the engine has not heard yet.",
        [(none(), snapshot.to_tell)],
    );
    family(
        &mut text,
        "log_lines_lost_total",
        "counter",
        "Log lines that did not reach the dashboard.",
        [(none(), counts.lines_lost)],
    );
    text
}

fn post_label(post: &str) -> String {
    format!("post=\"{post}\"")
}

fn family<V: Display>(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    values: impl IntoIterator<Item = (String, V)>,
) {
    // Writing to a text can't fail.
    let _ = write!(text, "# HELP trackscribe_worker_{name} {help}\n# TYPE trackscribe_worker_{name} {kind}\n");
    for (labels, value) in values {
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let _ = writeln!(text, "trackscribe_worker_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hatchet::{Counts, CurrentTask, PostSnapshot};

    #[test]
    fn prometheus_can_read_it() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let post = PostSnapshot { slots: 16, heartbeat_at: Some(at(8)), ..PostSnapshot::default() };
        let task = CurrentTask {
            task: "diarizationpipeline:process_tracks".to_owned(),
            run: "r".to_owned(),
            attempt: 1,
            since: at(1),
            waiting: true,
            fraction: 0.0,
            doing: String::new(),
        };
        let counts = Counts { completed: 7, ..Counts::default() };
        let snapshot = Snapshot { posts: [("io".to_owned(), post)].into(), tasks: vec![task], counts, to_tell: 0 };
        let text = text(&snapshot, at(10));
        for line in [
            "trackscribe_worker_slots{post=\"io\"} 16",
            "trackscribe_worker_heartbeat_age_seconds{post=\"io\"} 2",
            "trackscribe_worker_tasks{task=\"diarizationpipeline:process_tracks\",waiting=\"true\"} 1",
            "trackscribe_worker_attempts_total{what=\"completed\"} 7",
            "trackscribe_worker_outcomes_to_tell 0",
            "# TYPE trackscribe_worker_streams_total counter",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
