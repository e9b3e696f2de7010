//! Runs that were asked for, on whichever engine. Written before the engine is asked, so that an outage loses none, and at
//! most one is active per recording, so that none is asked for twice.

mod ask;
mod settle;

use sqlx::Row;
use sqlx::any::AnyRow;

pub use ask::{Asked, NewRunRequest, ask, transcript_of};
pub use settle::{DeadRun, again, died, ended, look_again, started};

use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::{InvalidId, RecordingId, RequestId, RunId, TranscriptId};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// The engine has no run for it: it was not reached yet, or the last run died of something that may pass.
    Requested,
    /// The engine has a run for it.
    Started,
    /// Nothing more is to be done.
    Ended,
}

impl RequestState {
    fn parse(word: &str) -> Result<Self, StoreError> {
        match word {
            "requested" => Ok(Self::Requested),
            "started" => Ok(Self::Started),
            "ended" => Ok(Self::Ended),
            _ => Err(StoreError::garbled("state of a run request", format!("{word:?}"))),
        }
    }
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequestRow {
    /// The request.
    pub id: RequestId,
    /// The transcript to make.
    pub transcript: TranscriptId,
    /// The recording it is made of.
    pub recording: RecordingId,
    /// Who asked: webhook, poller, backfill, command, api.
    pub origin: String,
    /// The engine that has its run, or was to be asked first: none, hatchet, conductor.
    pub provider: String,
    /// 1 low, 2 ordinary, 3 high.
    pub priority: i64,
    /// Whom a finished transcript is told to: none, update, all.
    pub notify: String,
    /// Where it stands.
    pub state: RequestState,
    /// Its run; while it is [`RequestState::Requested`], the last one, which died.
    pub run: Option<RunId>,
    /// The transcript's run when the engine was to be asked: any other one that the transcript has is what came of it.
    pub run_before: Option<RunId>,
    /// How often the engine could not be reached since.
    pub tries: i64,
    /// Runs that died of something that may pass.
    pub deaths: i64,
    /// When it is looked at next.
    pub next_try_at: Timestamp,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When runs that die are not started again any more; known from the first death on.
    pub give_up_at: Option<Timestamp>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When nothing more was to be done.
    pub ended_at: Option<Timestamp>,
}

/// All that a [`RunRequestRow`] holds.
const COLUMNS: &str = "id, transcript_id, recording_id, origin, provider, priority, notify, state, run_id, run_before, \
    tries, deaths, next_try_at, last_error, give_up_at, created_at, ended_at";

fn from_row(row: &AnyRow) -> Result<RunRequestRow, StoreError> {
    let garbled = |error: InvalidId| StoreError::garbled("run request", error);
    let time = |column: &str| -> Result<Option<Timestamp>, StoreError> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_micros))
    };
    let run = |column: &str| -> Result<Option<RunId>, StoreError> {
        let text: Option<String> = row.try_get(column)?;
        text.map(|text| text.parse().map_err(garbled)).transpose()
    };
    Ok(RunRequestRow {
        id: row.try_get::<String, _>("id")?.parse().map_err(garbled)?,
        transcript: row.try_get::<String, _>("transcript_id")?.parse().map_err(garbled)?,
        recording: row.try_get::<String, _>("recording_id")?.parse().map_err(garbled)?,
        origin: row.try_get("origin")?,
        provider: row.try_get("provider")?,
        priority: row.try_get("priority")?,
        notify: row.try_get("notify")?,
        state: RequestState::parse(&row.try_get::<String, _>("state")?)?,
        run: run("run_id")?,
        run_before: run("run_before")?,
        tries: row.try_get("tries")?,
        deaths: row.try_get("deaths")?,
        next_try_at: Timestamp::from_micros(row.try_get("next_try_at")?),
        last_error: row.try_get("last_error")?,
        give_up_at: time("give_up_at")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        ended_at: time("ended_at")?,
    })
}

/// A request; `None` when there is none.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, id: &RequestId) -> Result<Option<RunRequestRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM run_requests WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// All requests for a recording, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn of_recording(database: &Database, recording: &RecordingId) -> Result<Vec<RunRequestRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM run_requests WHERE recording_id = $1 ORDER BY created_at, id"
    )))
    .bind(recording.as_str())
    .fetch_all(database.pool())
    .await?;
    rows.iter().map(from_row).collect()
}

/// Active requests whose time has come, those that wait longest first. One that can't be read is told of and left out: it
/// keeps nobody else waiting.
///
/// # Errors
/// When the database can't be read.
pub async fn due(database: &Database, now: Timestamp, limit: u32) -> Result<Vec<RunRequestRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM run_requests WHERE state IN ('requested', 'started') AND next_try_at <= $1
         ORDER BY next_try_at, id LIMIT $2"
    )))
    .bind(now.as_micros())
    .bind(i64::from(limit))
    .fetch_all(database.pool())
    .await?;
    let readable = |row: &AnyRow| from_row(row).inspect_err(|error| tracing::error!(%error, "left out")).ok();
    Ok(rows.iter().filter_map(readable).collect())
}
