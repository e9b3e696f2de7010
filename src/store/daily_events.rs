//! What Daily told by webhook: stored before it is answered, worked on later. A repeated delivery is stored once.

use sqlx::Row;

use super::text::storable;
use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::RecordingId;

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyEventRow {
    /// Daily's id of the event; of one that has none, the hash of its body.
    pub id: String,
    /// E.g. `recording.ready-to-download`.
    pub kind: String,
    /// The recording it is about.
    pub recording: Option<RecordingId>,
    /// The room it is about, as Daily names it.
    pub room_name: Option<String>,
    /// JSON, without tokens.
    pub body: String,
    /// How often working on it failed.
    pub tries: i64,
    /// When it came.
    pub received_at: Timestamp,
}

/// All that a [`DailyEventRow`] holds.
const COLUMNS: &str = "id, kind, recording_id, room_name, body, tries, received_at";

/// Stores deliveries, all or none; those that are there already stay as they are. Says how many were new.
///
/// # Errors
/// When the database can't be written: then none was stored.
pub async fn put(database: &Database, events: &[DailyEventRow]) -> Result<u64, StoreError> {
    if events.is_empty() {
        return Ok(0);
    }
    // Always in the same order: two processes that store some of the same deliveries at once don't wait for each other
    // in a circle.
    let mut sorted: Vec<&DailyEventRow> = events.iter().collect();
    sorted.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let mut sql = "INSERT INTO daily_events (id, kind, recording_id, room_name, body, state, next_try_at, received_at)
         VALUES "
        .to_owned();
    for at in 0..sorted.len() {
        let n = at * 6;
        let comma = if at == 0 { "" } else { ", " };
        let (id, kind, recording, room, body, time) = (n + 1, n + 2, n + 3, n + 4, n + 5, n + 6);
        sql.push_str(&format!("{comma}(${id}, ${kind}, ${recording}, ${room}, ${body}, 'waiting', ${time}, ${time})"));
    }
    sql.push_str(" ON CONFLICT (id) DO NOTHING");
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for event in sorted {
        query = query
            .bind(event.id.as_str())
            .bind(event.kind.as_str())
            .bind(event.recording.as_ref().map(|id| id.to_string()))
            .bind(event.room_name.clone())
            .bind(event.body.as_str())
            .bind(event.received_at.as_micros());
    }
    // One statement is a transaction of its own, and one way to the server and back instead of four.
    Ok(query.execute(database.pool()).await?.rows_affected())
}

/// Deliveries whose time has come, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn due(database: &Database, now: Timestamp, limit: u32) -> Result<Vec<DailyEventRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM daily_events WHERE state = 'waiting' AND next_try_at <= $1 ORDER BY next_try_at, id LIMIT $2")))
    .bind(now.as_micros())
    .bind(i64::from(limit))
    .fetch_all(database.pool())
    .await?;
    rows.iter()
        .map(|row| {
            let recording: Option<String> = row.try_get("recording_id")?;
            Ok(DailyEventRow {
                id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                recording: recording
                    .map(|id| id.parse().map_err(|error| StoreError::garbled("event's recording", error)))
                    .transpose()?,
                room_name: row.try_get("room_name")?,
                body: row.try_get("body")?,
                tries: row.try_get("tries")?,
                received_at: Timestamp::from_micros(row.try_get("received_at")?),
            })
        })
        .collect()
}

/// Deletes deliveries that are settled and came before then, `limit` at most. Says how many.
///
/// # Errors
/// When the database can't be written.
pub async fn forget(database: &Database, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let mut tx = database.begin_write().await?;
    let deleted = sqlx::query(
        "DELETE FROM daily_events WHERE id IN (
             SELECT id FROM daily_events WHERE state <> 'waiting' AND received_at < $1 LIMIT $2)",
    )
    .bind(before.as_micros())
    .bind(i64::from(limit))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(deleted.rows_affected())
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was worked on; what came of it, for people.
    Done(String),
    /// Nothing is made of it, and why.
    Ignored(String),
    /// It is tried again then; why it did not work.
    Again(Timestamp, String),
}

/// Notes what came of deliveries, by their ids, all in one transaction: most come to nothing, and there may be many.
///
/// # Errors
/// When the database can't be written: then nothing is noted.
pub async fn settle(database: &Database, outcomes: &[(String, Outcome)]) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    for (id, outcome) in outcomes {
        let (state, note, next_try) = match outcome {
            Outcome::Done(note) => ("done", note, None),
            Outcome::Ignored(note) => ("ignored", note, None),
            Outcome::Again(at, note) => ("waiting", note, Some(at.as_micros())),
        };
        sqlx::query(
            "UPDATE daily_events SET state = $1, note = $2, next_try_at = COALESCE($3, next_try_at),
             tries = tries + 1 WHERE id = $4",
        )
        .bind(state)
        .bind(storable(note))
        .bind(next_try)
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}
