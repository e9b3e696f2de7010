//! `trackscribe backfill`: transcripts of old recordings, a few at a time, behind everything that is new.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;

use super::exit::Exit;
use super::moment::moment;
use super::output::Output;
use super::service::{Service, room_policy, tell_if_nobody_executes, waiting, with_service};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::config::{Config, Patterns};
use crate::ids::RecordingId;
use crate::notify::NotifyMode;
use crate::trigger::{Backfill, BackfillError, BackfillEvent, BackfillPlan, BackfillRange, Planned, RoomPolicy};

/// Make transcripts of old recordings
///
/// Takes what ROOMS, or --room, names, and leaves out what has a transcript already. Runs have low priority: new recordings
/// go first. Nobody is told unless --notify says so.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Recordings that began then or later: a moment, a day, or how long ago (7d)
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: jiff::Timestamp,
    /// Recordings that began before [default: now]
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub until: Option<jiff::Timestamp>,
    /// Only rooms whose base name fits, whatever ROOMS says: names with *, divided by commas
    #[arg(long, value_name = "PATTERN")]
    pub room: Option<Patterns>,
    /// How many at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub jobs: u16,
    /// Only say what would be done, and why other recordings are left out
    #[arg(long)]
    pub dry_run: bool,
    /// Whom finished transcripts are told to: none, update (those who were told of them before) or all
    #[arg(long, value_name = "WHOM", default_value = "none", num_args = 0..=1, default_missing_value = "all")]
    pub notify: NotifyMode,
}

/// Opens what the settings name, and does it.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config, output: &Output) -> Result<(), Exit> {
    with_service(config, async |service| {
        service.require_daily()?;
        let rooms = match &args.room {
            Some(Patterns(patterns)) => RoomPolicy::patterns(patterns),
            None => room_policy(config.rooms.as_ref()),
        };
        let parts = Backfill {
            trigger: service.trigger.clone(),
            daily: Arc::clone(&service.daily),
            database: service.database.clone(),
            rooms,
        };
        backfill(args, &parts, service, output).await
    })
}

async fn backfill(args: &Args, backfill: &Backfill, service: &Service, output: &Output) -> Result<(), Exit> {
    let at = |moment: jiff::Timestamp| Timestamp::from_micros(moment.as_microsecond());
    let range = BackfillRange { since: at(args.since), until: args.until.map_or_else(|| SystemClock.now(), at) };
    let BackfillPlan { recordings: planned, notes } = backfill.plan(range).await.map_err(|error| match error {
        BackfillError::Daily(error) => Exit::of(error),
        BackfillError::Store(error) => Exit::of(error),
    })?;
    for note in &notes {
        output.line(&format!("warning: {note}"));
    }
    if args.dry_run {
        print!("{}", table(&planned, &BTreeMap::new()));
        return Ok(());
    }
    let all = planned.iter().filter(|planned| planned.left_out.is_none()).count();
    let ends: Mutex<BTreeMap<RecordingId, End>> = Mutex::default();
    let over = |recording: RecordingId, end: End| {
        let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
        let word = match &end {
            End::Made(_) => "finished",
            End::Failed(_) => "failed",
            End::LeftOut(_) => "left out",
        };
        ends.insert(recording.clone(), end);
        output.line(&format!("{recording}: {word} ({} of {all})", ends.len()));
    };
    let told = |event| match event {
        BackfillEvent::Started(recording) => output.line(&format!("{recording}: started")),
        BackfillEvent::LeftOut(recording, why) => over(recording, End::LeftOut(why)),
        BackfillEvent::Over(recording, Ok(followed)) => {
            let made = End::Made(format!("transcript {}", followed.transcript));
            over(recording, followed.error.map_or(made, End::Failed));
        }
        BackfillEvent::Over(recording, Err(error)) => over(recording, End::Failed(error.to_string())),
    };
    if all > 0 {
        tell_if_nobody_executes(service, output).await;
    }
    waiting(service, output, backfill.run(&planned, usize::from(args.jobs), args.notify, &told)).await;
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    print!("{}", table(&planned, &ends));
    match ends.values().filter(|end| matches!(end, End::Failed(_))).count() {
        0 => Ok(()),
        failed => Err(Exit::Failed(anyhow!("{failed} of {all} recordings have no transcript"))),
    }
}

/// What became of a recording that was to be processed.
enum End {
    /// Its transcript.
    Made(String),
    /// Why there is none.
    Failed(String),
    /// Why nothing was to be done any more.
    LeftOut(String),
}

/// One line per recording, oldest first, and a sum.
fn table(planned: &[Planned], ends: &BTreeMap<RecordingId, End>) -> String {
    let mut lines = vec![["STARTED".to_owned(), "RECORDING".to_owned(), "ROOM".to_owned(), "RESULT".to_owned()]];
    let (mut processed, mut failed, mut left_out) = (0, 0, 0);
    for Planned { recording, left_out: why } in planned {
        let result = match (why, ends.get(&recording.id)) {
            (Some(why), _) | (None, Some(End::LeftOut(why))) => {
                left_out += 1;
                format!("left out: {why}")
            }
            (None, Some(End::Made(end))) => {
                processed += 1;
                end.clone()
            }
            (None, Some(End::Failed(error))) => {
                failed += 1;
                format!("failed: {error}")
            }
            (None, None) => {
                processed += 1;
                "would be processed".to_owned()
            }
        };
        lines.push([
            recording.started_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
            recording.id.to_string(),
            recording.room_name.clone().unwrap_or_else(|| "-".to_owned()),
            result,
        ]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let (started, id, room) = (width(0), width(1), width(2));
    let mut text = String::new();
    for [a, b, c, d] in &lines {
        text.push_str(&format!("{a:started$}  {b:id$}  {c:room$}  {d}\n"));
    }
    let word = if ends.is_empty() { "to process" } else { "processed" };
    text.push_str(&format!("{processed} {word}, {failed} failed, {left_out} left out\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::recordings::RecordingRow;

    fn planned(id: &str, left_out: Option<&str>) -> Planned {
        let recording = RecordingRow {
            id: id.parse().unwrap(),
            room_name: Some("standup".to_owned()),
            meeting_id: None,
            bucket_name: None,
            s3_key: None,
            started_at: Some(Timestamp::from_micros(1_767_603_600_000_000)),
            duration: None,
        };
        Planned { recording, left_out: left_out.map(str::to_owned) }
    }

    #[test]
    fn the_table_says_what_became_of_each_recording() {
        let all = [planned("a", None), planned("bb", Some("it has transcript t")), planned("c", None)];
        let dry = table(&all, &BTreeMap::new());
        assert!(
            dry.contains("a          standup  would be processed\n")
                && dry.ends_with("2 to process, 0 failed, 1 left out\n"),
            "{dry}"
        );
        let ends = [("a", End::Made("transcript x".to_owned())), ("c", End::Failed("no such track".to_owned()))];
        let done = table(&all, &ends.map(|(id, end)| (id.parse().unwrap(), end)).into());
        assert!(done.contains("bb         standup  left out: it has transcript t\n"), "{done}");
        assert!(done.ends_with("1 processed, 1 failed, 1 left out\n"), "{done}");
        let late = [("a", End::LeftOut("it is being processed".to_owned()))];
        let done = table(&all[..1], &late.map(|(id, end)| (id.parse().unwrap(), end)).into());
        assert!(done.ends_with("left out: it is being processed\n0 processed, 0 failed, 1 left out\n"), "{done}");
    }
}
