//! Daily's meeting sessions that somebody told about. What recordings say of their meetings stands with the recordings.

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::MeetingId;

/// A meeting session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingRow {
    /// Daily's `mtgSessionId`.
    pub id: MeetingId,
    /// The room, as Daily names it.
    pub room_name: Option<String>,
    /// What people call the meeting.
    pub title: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When somebody told of it first.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// All that a [`MeetingRow`] holds.
const COLUMNS: &str = "id, room_name, title, started_at, created_at, updated_at";

/// Stores a meeting, or changes all that is known of it. Says whether it is new. The row's own times are not used.
///
/// # Errors
/// When the database can't be written.
pub async fn put(database: &Database, meeting: &MeetingRow, now: Timestamp) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let new = sqlx::query(
        "INSERT INTO meetings (id, room_name, title, started_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(meeting.id.as_str())
    .bind(meeting.room_name.clone())
    .bind(meeting.title.clone())
    .bind(meeting.started_at.map(Timestamp::as_micros))
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?
    .rows_affected()
        > 0;
    if !new {
        sqlx::query("UPDATE meetings SET room_name = $1, title = $2, started_at = $3, updated_at = $4 WHERE id = $5")
            .bind(meeting.room_name.clone())
            .bind(meeting.title.clone())
            .bind(meeting.started_at.map(Timestamp::as_micros))
            .bind(now.as_micros())
            .bind(meeting.id.as_str())
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(new)
}

/// A meeting; `None` when nobody told of it.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, id: &MeetingId) -> Result<Option<MeetingRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM meetings WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// Meetings by descending id, those behind `after` only, `limit` at most; of one room or of all.
///
/// # Errors
/// When the database can't be read.
pub async fn list(
    database: &Database,
    room: Option<&str>,
    after: Option<&MeetingId>,
    limit: u32,
) -> Result<Vec<MeetingRow>, StoreError> {
    // One text per kind of question, so that each can use its index.
    let which = match (room, after) {
        (Some(_), Some(_)) => "WHERE room_name = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        (Some(_), None) => "WHERE room_name = $1 ORDER BY id DESC LIMIT $2",
        (None, Some(_)) => "WHERE id < $1 ORDER BY id DESC LIMIT $2",
        (None, None) => "ORDER BY id DESC LIMIT $1",
    };
    let given = room.into_iter().chain(after.map(MeetingId::as_str));
    let sql = format!("SELECT {COLUMNS} FROM meetings {which}");
    let query = given.fold(sqlx::query(sqlx::AssertSqlSafe(sql)), |query, value| query.bind(value.to_owned()));
    let rows = query.bind(i64::from(limit)).fetch_all(database.pool()).await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &sqlx::any::AnyRow) -> Result<MeetingRow, StoreError> {
    Ok(MeetingRow {
        id: row
            .try_get::<String, _>("id")?
            .parse()
            .map_err(|error: crate::ids::InvalidId| StoreError::garbled("meeting", error))?,
        room_name: row.try_get("room_name")?,
        title: row.try_get("title")?,
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(Timestamp::from_micros),
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
    })
}
