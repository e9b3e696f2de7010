//! The recordings of the account, newest first.

use jiff::Timestamp;
use serde::Serialize;

use crate::daily::{DailyError, DailySource, Recording, RecordingKind, RecordingQuery, recording_start};

/// Which recordings.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this room: its full name, or its base name.
    pub room: Option<String>,
    /// That began at or after this moment.
    pub since: Option<Timestamp>,
    /// That began before this moment.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
}

/// A recording as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Daily's id.
    pub id: String,
    /// The room.
    pub room_name: Option<String>,
    /// When it began, RFC 3339.
    pub started_at: Option<String>,
    /// Seconds.
    pub duration: Option<f64>,
    /// What it is, by its tracks: `raw-tracks`, `cloud`, `failed`, or `in-progress`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// How many tracks it lists.
    pub tracks: usize,
}

impl Row {
    fn of(recording: &Recording) -> Self {
        let kind = match recording.kind() {
            _ if recording.is_in_progress() => "in-progress",
            RecordingKind::RawTracks => "raw-tracks",
            RecordingKind::Cloud => "cloud",
            RecordingKind::Failed => "failed",
        };
        Self {
            id: recording.id.to_string(),
            room_name: recording.room_name.clone(),
            started_at: started(recording).map(|at| format!("{at:.0}")),
            duration: recording.duration,
            kind,
            tracks: recording.tracks.len(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Listed {
    /// Newest first.
    pub items: Vec<Row>,
    /// Whether [`Filter::limit`] cut it off.
    pub more: bool,
    /// Entries of Daily's list that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Goes through Daily's list, page by page, as far as it must.
///
/// # Errors
/// When Daily can't be asked.
pub async fn list(daily: &dyn DailySource, filter: &Filter) -> Result<Listed, DailyError> {
    let mut found = Listed::default();
    let mut next = Some(RecordingQuery::default());
    while let Some(query) = next {
        let page = daily.list(&query).await?;
        found.notes.extend(page.notes.iter().cloned());
        for recording in &page.recordings {
            let began = started(recording);
            if began.zip(filter.since).is_some_and(|(began, since)| began < since) {
                // Newest first: nothing behind it began later.
                return Ok(found);
            }
            if !filter.takes(recording, began) {
                continue;
            }
            if found.items.len() == filter.limit {
                found.more = true;
                return Ok(found);
            }
            found.items.push(Row::of(recording));
        }
        next = page.next(&query);
    }
    Ok(found)
}

impl Filter {
    fn takes(&self, recording: &Recording, began: Option<Timestamp>) -> bool {
        let in_time = match began {
            Some(began) => self.until.is_none_or(|until| began < until),
            None => self.since.is_none() && self.until.is_none(),
        };
        in_time && self.room.as_deref().is_none_or(|room| is_of_room(recording.room_name.as_deref(), room))
    }
}

/// Rooms that are made for one meeting are called `{base}-{YYYYMMDDHHMMSS}`.
fn is_of_room(name: Option<&str>, room: &str) -> bool {
    let Some(name) = name else { return false };
    let made_at = name.strip_prefix(room).and_then(|rest| rest.strip_prefix('-'));
    name == room || made_at.is_some_and(|at| at.len() == 14 && at.bytes().all(|byte| byte.is_ascii_digit()))
}

fn started(recording: &Recording) -> Option<Timestamp> {
    Timestamp::from_microsecond((recording_start(recording)? * 1e6).round() as i64).ok()
}

/// As people read it.
pub fn table(listed: &Listed) -> String {
    let head = ["ID", "ROOM", "START (UTC)", "DURATION", "TYPE", "TRACKS"].map(str::to_owned);
    let rows: Vec<[String; 6]> = listed
        .items
        .iter()
        .map(|row| {
            let start = row.started_at.as_deref().unwrap_or("-").replace('T', " ");
            [
                row.id.clone(),
                row.room_name.clone().unwrap_or_else(|| "-".to_owned()),
                start.trim_end_matches('Z').to_owned(),
                row.duration.map_or_else(|| "-".to_owned(), clock),
                row.kind.to_owned(),
                row.tracks.to_string(),
            ]
        })
        .collect();
    let all: Vec<&[String; 6]> = std::iter::once(&head).chain(&rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in all {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column == 3 || column == 5 { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Seconds as `1:02:03`.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_meant_by_its_name_or_base_name() {
        assert!(is_of_room(Some("standup"), "standup"));
        assert!(is_of_room(Some("standup-20260105090000"), "standup"));
        assert!(is_of_room(Some("standup-20260105090000"), "standup-20260105090000"));
        for other in [None, Some("standup-2026"), Some("standup-20260105090000x"), Some("standup2"), Some("my-standup")]
        {
            assert!(!is_of_room(other, "standup"), "{other:?}");
        }
    }

    #[test]
    fn the_table_is_aligned_and_says_what_is_not_known() {
        let row = |id: &str, room: Option<&str>, duration, kind, tracks| Row {
            id: id.to_owned(),
            room_name: room.map(str::to_owned),
            started_at: room.map(|_| "2026-01-05T09:00:00Z".to_owned()),
            duration,
            kind,
            tracks,
        };
        let items =
            vec![row("r-1", Some("stand-up"), Some(3723.4), "raw-tracks", 3), row("r-22", None, None, "failed", 0)];
        let shown = table(&Listed { items, ..Listed::default() });
        let expected = "\
ID    ROOM      START (UTC)          DURATION  TYPE        TRACKS
r-1   stand-up  2026-01-05 09:00:00   1:02:03  raw-tracks       3
r-22  -         -                           -  failed           0
";
        assert_eq!(shown, expected);
    }
}
