//! What was decided about recordings before, and without, any run: seen, waited for, ignored, deleted.

use sqlx::Row;

use super::recordings::{COLUMNS, RecordingRow, from_row};
use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::RecordingId;

/// Still being recorded or uploaded.
pub const IN_PROGRESS: &str = "in-progress";
/// Its files are there.
pub const FINISHED: &str = "finished";
/// Daily could not record.
pub const FAILED: &str = "failed";

/// A recording and what was decided about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What is known of it.
    pub recording: RecordingRow,
    /// [`IN_PROGRESS`], [`FINISHED`] or [`FAILED`], as Daily said last.
    pub status: Option<String>,
    /// Why no transcript is made of it.
    pub ignored_reason: Option<String>,
    /// When somebody deleted it.
    pub deleted_at: Option<Timestamp>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// Whether a run was ever asked for, or began without being asked for here.
    pub served: bool,
}

/// Notes Daily's instance of a recording, by which a later error may name it.
///
/// # Errors
/// When the database can't be written.
pub async fn note_instance(database: &Database, id: &RecordingId, instance: &str) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("UPDATE recordings SET instance_id = $1 WHERE id = $2")
        .bind(instance)
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// The recording that Daily makes with this instance, if it said so before.
///
/// # Errors
/// When the database can't be read.
pub async fn of_instance(database: &Database, instance: &str) -> Result<Option<RecordingId>, StoreError> {
    let id: Option<String> =
        sqlx::query_scalar("SELECT id FROM recordings WHERE instance_id = $1 ORDER BY created_at DESC, id LIMIT 1")
            .bind(instance)
            .fetch_optional(database.pool())
            .await?;
    id.map(|id| id.parse().map_err(|error| StoreError::garbled("recording", error))).transpose()
}

/// Of a recording, all that a [`Standing`] holds, and whether a run was ever asked for.
const STANDING: &str =
    "SELECT id, room_name, meeting_id, bucket_name, s3_key, started_at, duration, status, ignored_reason,
    deleted_at, created_at,
    CASE WHEN EXISTS (SELECT 1 FROM run_requests WHERE run_requests.recording_id = recordings.id)
           OR EXISTS (SELECT 1 FROM transcripts
                      WHERE transcripts.recording_id = recordings.id AND transcripts.current_run IS NOT NULL)
    THEN 1 ELSE 0 END AS served FROM recordings";

fn standing_from_row(row: &sqlx::any::AnyRow) -> Result<Standing, StoreError> {
    // SQLite types an expression by its value, PostgreSQL as a 32-bit integer: both read as i64 here.
    let served: i64 = row.try_get("served")?;
    Ok(Standing {
        recording: from_row(row)?,
        status: row.try_get("status")?,
        ignored_reason: row.try_get("ignored_reason")?,
        deleted_at: row.try_get::<Option<i64>, _>("deleted_at")?.map(Timestamp::from_micros),
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        served: served != 0,
    })
}

/// What is known of a recording and was decided about it; `None` when nobody ever heard of it.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, id: &RecordingId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("{STANDING} WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(standing_from_row).transpose()
}

/// Recordings that nobody ignored or deleted and that no run was ever asked for, those heard of first first: still in
/// progress when last seen, or finished and forgotten because whoever was about to ask for the run died.
///
/// # Errors
/// When the database can't be read.
pub async fn unserved(database: &Database, limit: u32) -> Result<Vec<Standing>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, status, ignored_reason, deleted_at, created_at, served FROM ({STANDING} WHERE status IN ('in-progress', 'finished') AND ignored_reason IS NULL
             AND deleted_at IS NULL) AS standing
         WHERE served = 0 ORDER BY created_at, id LIMIT $1"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(database.pool()).await?;
    rows.iter().map(standing_from_row).collect()
}

/// The recordings that are being made in a room, as far as is known; without those that nothing is made of.
///
/// # Errors
/// When the database can't be read.
pub async fn in_progress(database: &Database, room_name: &str) -> Result<Vec<RecordingId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM recordings WHERE room_name = $1 AND status = 'in-progress' AND ignored_reason IS NULL
             AND deleted_at IS NULL ORDER BY id",
    )
    .bind(room_name)
    .fetch_all(database.pool())
    .await?;
    ids.into_iter().map(|id| id.parse().map_err(|error| StoreError::garbled("recording", error))).collect()
}

/// 1 for the first recording of its meeting, in the order in which they began; `None` for one whose meeting is not known.
///
/// Counted when asked for: a stored number would be wrong as soon as an earlier recording is heard of later.
///
/// # Errors
/// When the database can't be read.
pub async fn number_in_meeting(database: &Database, id: &RecordingId) -> Result<Option<i64>, StoreError> {
    let number: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM recordings AS this JOIN recordings AS other ON other.meeting_id = this.meeting_id
         WHERE this.id = $1 AND (other.id = this.id
             OR (other.started_at IS NOT NULL AND this.started_at IS NULL)
             OR other.started_at < this.started_at
             OR (other.id < this.id AND (other.started_at = this.started_at
                 OR (other.started_at IS NULL AND this.started_at IS NULL))))",
    )
    .bind(id.as_str())
    .fetch_one(database.pool())
    .await?;
    Ok(Some(number).filter(|number| *number > 0))
}

/// Notes what somebody says of a recording; what they don't know stays as it was, and what is finished stays finished.
///
/// # Errors
/// When the database can't be written.
pub async fn note(
    database: &Database,
    recording: &RecordingRow,
    status: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "INSERT INTO recordings (id, room_name, meeting_id, bucket_name, s3_key, started_at, duration, status, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET room_name = COALESCE(excluded.room_name, recordings.room_name),
             meeting_id = COALESCE(excluded.meeting_id, recordings.meeting_id),
             bucket_name = COALESCE(excluded.bucket_name, recordings.bucket_name),
             s3_key = COALESCE(excluded.s3_key, recordings.s3_key),
             started_at = COALESCE(excluded.started_at, recordings.started_at),
             duration = COALESCE(excluded.duration, recordings.duration),
             status = CASE WHEN recordings.status = 'finished' THEN 'finished' ELSE excluded.status END",
    )
    .bind(recording.id.as_str())
    .bind(recording.room_name.clone())
    .bind(recording.meeting_id.clone())
    .bind(recording.bucket_name.clone())
    .bind(recording.s3_key.clone())
    .bind(recording.started_at.map(Timestamp::as_micros))
    .bind(recording.duration)
    .bind(status)
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Notes why no transcript is made of a recording that is known.
///
/// # Errors
/// When the database can't be written.
pub async fn ignore(database: &Database, id: &RecordingId, reason: &str) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("UPDATE recordings SET ignored_reason = $1 WHERE id = $2")
        .bind(reason)
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Sets a tombstone: nobody processes the recording again, whoever asks.
///
/// # Errors
/// When the database can't be written.
pub async fn bury(database: &Database, id: &RecordingId, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "INSERT INTO recordings (id, deleted_at, created_at) VALUES ($1, $2, $2)
         ON CONFLICT (id) DO UPDATE SET deleted_at = COALESCE(recordings.deleted_at, excluded.deleted_at)",
    )
    .bind(id.as_str())
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
