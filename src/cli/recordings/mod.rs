//! `trackscribe recordings`: what Daily has, and how to get it here.

pub mod fetch;
pub mod list;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use self::fetch::{Step, Wish, fetch};
use self::list::{Filter, list, table};
use super::daily_account;
use super::exit::Exit;
use super::moment::moment;
use super::object_places;
use super::output::Output;
use super::threads;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::daily::{Anonymiser, DailySource};
use crate::ids::RecordingId;

/// See what Daily.co has recorded, and fetch it for replay
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Show recordings, newest first
    List {
        /// Only of this room: its full name, or its name without the -YYYYMMDDHHMMSS of rooms made per meeting
        #[arg(long)]
        room: Option<String>,
        /// Only those that began then or later: 2026-01-05, 2026-01-05T09:00:00Z, or how long ago (7d, 12h)
        #[arg(long, value_parser = moment)]
        since: Option<jiff::Timestamp>,
        /// Only those that began before then
        #[arg(long, value_parser = moment)]
        until: Option<jiff::Timestamp>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Fetch a recording into a folder that replay takes
    ///
    /// Writes recording.json and participants.json as Daily's REST API answers them, the tracks, and the events JSON where there is
    /// one. The folder appears when it is whole.
    Fetch {
        /// The recording's id
        id: RecordingId,
        /// A new or empty folder
        dir: PathBuf,
        /// Swap names, ids, room and domain for others; what is said stays as it is
        #[arg(long)]
        anonymise: bool,
        /// Leave cameras and screens out; replay needs none
        #[arg(long)]
        no_video: bool,
    },
}

/// Does what was asked.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: Args, config: &Config, output: &Output) -> Result<(), Exit> {
    let runtime = threads::several(Some(2))?;
    let daily = daily_account::source(&config.daily, Arc::new(SystemClock))?;
    let ended = match args.what {
        What::List { room, since, until, limit, json } => {
            let filter = Filter { room, since, until, limit: limit as usize };
            runtime.block_on(show(&*daily, &filter, json, output))
        }
        What::Fetch { id, dir, anonymise, no_video } => {
            let anonymiser = anonymise.then(random_seed).transpose()?.map(Anonymiser::new);
            let wish = Wish { recording: id, dir, anonymiser, without_video: no_video };
            runtime.block_on(fetch_to(&*daily, wish, config, output))
        }
    };
    // A thread that waits for a bucket's next bytes must not hold the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

async fn show(daily: &dyn DailySource, filter: &Filter, json: bool, output: &Output) -> Result<(), Exit> {
    let found = list(daily, filter).await.map_err(Exit::of)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&found).map_err(|error| Exit::Failed(error.into()))?);
        return Ok(());
    }
    for note in &found.notes {
        output.line(&format!("note: left out, can't be read: {note}"));
    }
    if found.items.is_empty() {
        output.line("no such recordings");
        return Ok(());
    }
    print!("{}", table(&found));
    if found.more {
        output.line(&format!("there are more: --limit shows more than {}", filter.limit));
    }
    Ok(())
}

async fn fetch_to(daily: &dyn DailySource, wish: Wish, config: &Config, output: &Output) -> Result<(), Exit> {
    let objects = object_places::tracks(&config.daily_storage)?;
    let (id, dir) = (wish.recording.clone(), wish.dir.clone());
    let bar = output.bars().add(ProgressBar::new(0).with_style(style()));
    if output.is_terminal() {
        bar.enable_steady_tick(Duration::from_millis(200));
    } else {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let seen = bar.clone();
    let step = move |step| match step {
        Step::Total { bytes } => seen.set_length(bytes),
        Step::File { name } => seen.set_message(name),
        Step::Bytes(more) => seen.inc(more),
    };
    let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = signals.map_err(|error| Exit::Failed(error.into()))?;
    let fetched = tokio::select! {
        fetched = fetch(daily, &*objects, wish, step) => fetched.map_err(Exit::of),
        _ = interrupt.recv() => Err(Exit::Interrupted),
        _ = terminate.recv() => Err(Exit::Interrupted),
    };
    bar.finish_and_clear();
    let fetched = fetched?;
    for note in &fetched.notes {
        output.line(&format!("note: {note}"));
    }
    let events = if fetched.has_events { ", with the events JSON" } else { "" };
    println!(
        "fetched {id}: {} tracks, {:.1} MB{events} → {}\nmake a transcript of it: trackscribe replay {}",
        fetched.tracks,
        fetched.bytes as f64 / 1e6,
        dir.display(),
        dir.display(),
    );
    Ok(())
}

/// Unknown to anybody, so that no id can be traced back.
fn random_seed() -> Result<Uuid, Exit> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Exit::Failed(anyhow!("no random numbers: {error}")))?;
    Ok(Uuid::from_bytes(bytes))
}

fn style() -> ProgressStyle {
    let template = "{bar:30.cyan/blue} {bytes}/{total_bytes} {bytes_per_sec} {eta} {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ ")
}
