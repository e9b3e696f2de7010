//! A bar per task and per track. Without a terminal, a line per finished task.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::house::Replay;
use crate::cli::output::Output;
use crate::daily::recording_tracks;
use crate::engine::embedded::{Happening, RunEvent};
use crate::ids::{RunId, TrackId};
use crate::store::runs::TaskStatus;

/// Steps of a bar.
const STEPS: u64 = 1000;
/// Columns for names.
const NAME_WIDTH: usize = 22;

/// What a track's label begins with.
const TRACK: &str = "  ";
/// The task whose children the tracks are.
const FAN_OUT: &str = "process_tracks";

/// What people see of a run under way.
pub struct Board {
    output: Output,
    run: RunId,
    bars: BTreeMap<String, ProgressBar>,
    /// Who is heard on a track, by the track's id.
    tracks: BTreeMap<String, String>,
    /// How many tracks are listened to.
    speech_tracks: u64,
}

impl Board {
    /// An empty board for the replay's run.
    pub fn new(replay: &Replay, output: &Output) -> Self {
        let tracks = recording_tracks(replay.folder.only_recording());
        let speech_tracks = tracks.iter().filter(|track| track.kind.is_speech()).count() as u64;
        let (output, run, bars) = (output.clone(), replay.run.clone(), BTreeMap::new());
        Self { output, run, bars, tracks: names(replay), speech_tracks }
    }

    /// Shows what happened.
    pub fn show(&mut self, event: &RunEvent) {
        if event.source.root_run != self.run {
            return;
        }
        let child = event.source.child_key.as_deref();
        match &event.what {
            Happening::TaskStarted { task, .. } => {
                self.bar(child, task);
            }
            Happening::Progress { task, fraction, doing } => {
                if let Some(bar) = self.bar(child, task) {
                    bar.set_position(share(child, task, *fraction));
                    bar.set_message(doing.clone());
                }
                self.show_all_tracks(child);
            }
            Happening::Retrying { task, after, message } => {
                let wait = after.as_secs();
                self.output.line(&format!("{}: {message}; trying again in {wait} s", self.label(child, task)));
            }
            Happening::TaskFinished { task, status } => self.finished(child, task, *status),
            Happening::RunStarted
            | Happening::Log { .. }
            | Happening::Stream { .. }
            | Happening::RunFinished { .. } => {}
        }
    }

    /// Leaves the finished bars on the screen.
    pub fn finish(&mut self) {
        for bar in self.bars.values() {
            bar.abandon();
        }
    }

    fn finished(&mut self, child: Option<&str>, task: &str, status: TaskStatus) {
        // A track's bar lasts over both of its tasks.
        let is_whole = child.is_none() || task == "transcribe_track" || status != TaskStatus::Completed;
        let word = match status {
            TaskStatus::Completed => "done",
            TaskStatus::Failed => "failed",
            TaskStatus::Skipped => "skipped",
            TaskStatus::Cancelled => "cancelled",
            TaskStatus::Pending | TaskStatus::Running => return,
        };
        if !self.output.is_terminal() {
            if is_whole && status != TaskStatus::Skipped {
                self.output.line(&format!("{}: {word}", self.label(child, task)));
            }
            return;
        }
        if status == TaskStatus::Skipped {
            return;
        }
        if let Some(bar) = self.bar(child, task) {
            if !is_whole {
                bar.set_position(share(child, task, 1.0));
                bar.set_message("aligned, waits for its turn");
                return;
            }
            if status == TaskStatus::Completed {
                bar.set_position(STEPS);
            }
            bar.abandon_with_message(word);
        }
        self.show_all_tracks(child);
    }

    /// The task that waits for all tracks is as far as they are together.
    fn show_all_tracks(&self, child: Option<&str>) {
        let tracks = self.bars.iter().filter(|(label, _)| label.starts_with(TRACK));
        let done: u64 = tracks.map(|(_, bar)| bar.position()).sum();
        if child.is_some()
            && let Some(bar) = self.bars.get(FAN_OUT)
        {
            bar.set_position(done / self.speech_tracks.max(1));
        }
    }

    fn bar(&mut self, child: Option<&str>, task: &str) -> Option<&ProgressBar> {
        if !self.output.is_terminal() {
            return None;
        }
        let label = self.label(child, task);
        let output = &self.output;
        Some(self.bars.entry(label).or_insert_with_key(|label| {
            let bar = output.bars().add(ProgressBar::new(STEPS).with_style(style()));
            bar.set_prefix(label.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        }))
    }

    fn label(&self, child: Option<&str>, task: &str) -> String {
        match child {
            Some(key) => {
                let track = key.split('#').next().unwrap_or(key);
                let name = self.tracks.get(track).map_or(track, String::as_str);
                format!("{TRACK}{track} {name}").chars().take(NAME_WIDTH).collect()
            }
            None => task.to_owned(),
        }
    }
}

/// Where a bar stands: a track's is mostly its recognition.
fn share(child: Option<&str>, task: &str, fraction: f64) -> u64 {
    let steps = fraction.clamp(0.0, 1.0) * STEPS as f64;
    match (child, task) {
        (Some(_), "pad_track") => (steps * 0.02) as u64,
        (Some(_), _) => (steps * 0.98) as u64 + STEPS / 50,
        (None, _) => steps as u64,
    }
}

fn style() -> ProgressStyle {
    let template = format!("{{prefix:<{NAME_WIDTH}}} {{bar:30.cyan/blue}} {{percent:>3}} % {{elapsed:>4}} {{msg}}");
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ ")
}

/// Whose each track is, by the display names that Daily sent or that were given.
fn names(replay: &Replay) -> BTreeMap<String, String> {
    let tracks = recording_tracks(replay.folder.only_recording());
    let people = replay.folder.names();
    tracks
        .into_iter()
        .enumerate()
        .filter_map(|(position, track)| {
            let name = (*people.get(track.participant?.as_str())?).to_owned();
            Some((TrackId::at(position).to_string(), name))
        })
        .collect()
}
