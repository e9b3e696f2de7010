//! What a run has made: segments with their words, and one JSON document per kind of result.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;

use super::text::storable;
use super::{Database, StoreError, TranscriptWriter};
use crate::ids::{RunId, TranscriptId};

/// A segment as stored: its words are JSON, so that one row is one readable line of the meeting.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRow {
    /// 0-based.
    pub speaker: i64,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// Words joined.
    pub text: String,
    /// JSON list of words.
    pub words: String,
}

/// Stores a run's segments, replacing an earlier try's, in one transaction: readers see the old ones or all new ones.
///
/// # Errors
/// When the database can't be written, or a newer run has begun.
pub async fn put_segments(writer: &TranscriptWriter, segments: &[SegmentRow]) -> Result<(), StoreError> {
    let mut tx = writer.begin().await?;
    let run = writer.run().as_str();
    sqlx::query("DELETE FROM segments WHERE run_id = $1").bind(run).execute(&mut *tx).await?;
    for (position, segment) in segments.iter().enumerate() {
        sqlx::query(
            "INSERT INTO segments (run_id, position, speaker, start_seconds, end_seconds, text, words)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(run)
        .bind(position as i64)
        .bind(segment.speaker)
        .bind(segment.start)
        .bind(segment.end)
        .bind(storable(&segment.text))
        .bind(segment.words.as_str())
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}

/// A run's segments, sorted by start.
///
/// # Errors
/// When the database can't be read.
pub async fn segments(database: &Database, run: &RunId) -> Result<Vec<SegmentRow>, StoreError> {
    let sql =
        "SELECT speaker, start_seconds, end_seconds, text, words FROM segments WHERE run_id = $1 ORDER BY position";
    let rows = sqlx::query(sql).bind(run.as_str()).fetch_all(database.pool()).await?;
    rows.iter()
        .map(|row| {
            Ok(SegmentRow {
                speaker: row.try_get("speaker")?,
                start: row.try_get("start_seconds")?,
                end: row.try_get("end_seconds")?,
                text: row.try_get("text")?,
                words: row.try_get("words")?,
            })
        })
        .collect()
}

/// Stores a result of a run, replacing an earlier try's.
///
/// # Errors
/// When the database can't be written, or a newer run has begun.
pub async fn put<T: Serialize + Sync>(writer: &TranscriptWriter, kind: &str, result: &T) -> Result<(), StoreError> {
    let body = serde_json::to_string(result).map_err(|error| StoreError::garbled("result", error))?;
    let mut tx = writer.begin().await?;
    sqlx::query(
        "INSERT INTO results (run_id, kind, body) VALUES ($1, $2, $3)
         ON CONFLICT (run_id, kind) DO UPDATE SET body = excluded.body",
    )
    .bind(writer.run().as_str())
    .bind(kind)
    .bind(body)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Forgets one kind of result of all of a transcript's runs, whichever of them readers see.
///
/// # Errors
/// When the database can't be written.
pub async fn forget(database: &Database, transcript: &TranscriptId, kind: &str) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "DELETE FROM results WHERE kind = $1
             AND run_id IN (SELECT run_id FROM transcript_runs WHERE transcript_id = $2)",
    )
    .bind(kind)
    .bind(transcript.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// A result of a run; `None` when it is not there (yet).
///
/// # Errors
/// When the database can't be read, or what is stored is not a `T`.
pub async fn read<T: DeserializeOwned>(database: &Database, run: &RunId, kind: &str) -> Result<Option<T>, StoreError> {
    let body: Option<String> = sqlx::query_scalar("SELECT body FROM results WHERE run_id = $1 AND kind = $2")
        .bind(run.as_str())
        .bind(kind)
        .fetch_optional(database.pool())
        .await?;
    body.map(|body| serde_json::from_str(&body).map_err(|error| StoreError::garbled("result", error))).transpose()
}
