//! Recordings and their tracks, as a run found them.

use sqlx::Row;

use super::{Database, StoreError, TranscriptWriter, WriteTransaction};
use crate::clock::Timestamp;
use crate::ids::{ParticipantId, RecordingId, RunId, TrackId, TranscriptId};

/// What is known of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingRow {
    /// Daily's id.
    pub id: RecordingId,
    /// The room.
    pub room_name: Option<String>,
    /// Daily's `mtgSessionId`.
    pub meeting_id: Option<String>,
    /// Where the tracks are.
    pub bucket_name: Option<String>,
    /// The recording's own key, beside which the event JSON lies.
    pub s3_key: Option<String>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Seconds.
    pub duration: Option<f64>,
}

/// One track of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackRow {
    /// Short id within the run.
    pub id: TrackId,
    /// The key as the recording lists it.
    pub source_key: String,
    /// `cam-audio`, `screen-audio`, …
    pub kind: String,
    /// The session it belongs to, when known.
    pub participant: Option<ParticipantId>,
    /// Seconds from the recording's start by the file's name.
    pub name_offset: Option<f64>,
    /// What was noticed about it.
    pub note: Option<String>,
}

/// Stores what is known of a recording and the run's list of its tracks, replacing an earlier try's.
///
/// # Errors
/// When the database can't be written, or a newer run has begun.
pub async fn put(
    writer: &TranscriptWriter,
    recording: &RecordingRow,
    tracks: &[TrackRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = writer.begin().await?;
    sqlx::query(
        "INSERT INTO recordings (id, room_name, meeting_id, bucket_name, s3_key, started_at, duration, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET room_name = COALESCE(excluded.room_name, recordings.room_name),
             meeting_id = COALESCE(excluded.meeting_id, recordings.meeting_id),
             bucket_name = COALESCE(excluded.bucket_name, recordings.bucket_name),
             s3_key = COALESCE(excluded.s3_key, recordings.s3_key),
             started_at = COALESCE(excluded.started_at, recordings.started_at),
             duration = COALESCE(excluded.duration, recordings.duration)",
    )
    .bind(recording.id.as_str())
    .bind(recording.room_name.clone())
    .bind(recording.meeting_id.clone())
    .bind(recording.bucket_name.clone())
    .bind(recording.s3_key.clone())
    .bind(recording.started_at.map(Timestamp::as_micros))
    .bind(recording.duration)
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM tracks WHERE run_id = $1").bind(writer.run().as_str()).execute(&mut *tx).await?;
    for (position, track) in tracks.iter().enumerate() {
        put_track(&mut tx, writer.run(), position, track).await?;
    }
    Ok(tx.commit().await?)
}

async fn put_track(
    tx: &mut WriteTransaction,
    run: &RunId,
    position: usize,
    track: &TrackRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO tracks (run_id, track_id, position, source_key, kind, participant_id, name_offset, note)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(run.as_str())
    .bind(track.id.as_str())
    .bind(position as i64)
    .bind(track.source_key.as_str())
    .bind(track.kind.as_str())
    .bind(track.participant.as_ref().map(|id| id.to_string()))
    .bind(track.name_offset)
    .bind(track.note.clone())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// All that a [`RecordingRow`] holds.
pub(super) const COLUMNS: &str = "id, room_name, meeting_id, bucket_name, s3_key, started_at, duration";
/// All that a [`TrackRow`] holds.
const TRACK_COLUMNS: &str = "track_id, source_key, kind, participant_id, name_offset, note";

/// A recording's row; `None` when it was never stored.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, id: &RecordingId) -> Result<Option<RecordingRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM recordings WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(database.pool())
        .await?;
    row.as_ref().map(from_row).transpose()
}

pub(super) fn from_row(row: &sqlx::any::AnyRow) -> Result<RecordingRow, StoreError> {
    let id: String = row.try_get("id")?;
    Ok(RecordingRow {
        id: id.parse().map_err(|error| StoreError::garbled("recording", error))?,
        room_name: row.try_get("room_name")?,
        meeting_id: row.try_get("meeting_id")?,
        bucket_name: row.try_get("bucket_name")?,
        s3_key: row.try_get("s3_key")?,
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(Timestamp::from_micros),
        duration: row.try_get("duration")?,
    })
}

/// Keeps everybody else who locks this recording waiting until the transaction ends; makes its row if there is none.
///
/// # Errors
/// When the database can't be written.
pub(super) async fn lock(tx: &mut WriteTransaction, id: &RecordingId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO recordings (id, created_at) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET created_at = recordings.created_at",
    )
    .bind(id.as_str())
    .bind(now.as_micros())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The keys of all tracks that any run of a transcript found in its recording.
///
/// # Errors
/// When the database can't be read.
pub async fn source_keys(database: &Database, transcript: &TranscriptId) -> Result<Vec<String>, StoreError> {
    let keys = sqlx::query_scalar(
        "SELECT DISTINCT source_key FROM tracks
         WHERE run_id IN (SELECT run_id FROM transcript_runs WHERE transcript_id = $1) ORDER BY source_key",
    )
    .bind(transcript.as_str())
    .fetch_all(database.pool())
    .await?;
    Ok(keys)
}

/// A run's tracks in the recording's order.
///
/// # Errors
/// When the database can't be read.
pub async fn tracks(database: &Database, run: &RunId) -> Result<Vec<TrackRow>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {TRACK_COLUMNS} FROM tracks WHERE run_id = $1 ORDER BY position"
    )))
    .bind(run.as_str())
    .fetch_all(database.pool())
    .await?;
    rows.iter().map(track_from_row).collect()
}

/// One track of a run; `None` when the run has none of that id.
///
/// # Errors
/// When the database can't be read.
pub async fn track(database: &Database, run: &RunId, id: &TrackId) -> Result<Option<TrackRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {TRACK_COLUMNS} FROM tracks WHERE run_id = $1 AND track_id = $2"
    )))
    .bind(run.as_str())
    .bind(id.as_str())
    .fetch_optional(database.pool())
    .await?;
    row.as_ref().map(track_from_row).transpose()
}

fn track_from_row(row: &sqlx::any::AnyRow) -> Result<TrackRow, StoreError> {
    let garbled = |error: crate::ids::InvalidId| StoreError::garbled("track", error);
    Ok(TrackRow {
        id: row.try_get::<String, _>("track_id")?.parse().map_err(garbled)?,
        source_key: row.try_get("source_key")?,
        kind: row.try_get("kind")?,
        participant: row
            .try_get::<Option<String>, _>("participant_id")?
            .map(|text| text.parse().map_err(garbled))
            .transpose()?,
        name_offset: row.try_get("name_offset")?,
        note: row.try_get("note")?,
    })
}
