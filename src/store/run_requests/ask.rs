//! Asking for a run: everything that decides whether there may be one is looked at in one transaction, behind a lock on the
//! recording's row, so that two processes that ask at once on PostgreSQL see each other.

use sqlx::Row;

use super::{COLUMNS, RunRequestRow, from_row};
use crate::clock::Timestamp;
use crate::ids::{RecordingId, RequestId, TranscriptId};
use crate::store::{Database, StoreError, WriteTransaction, recordings};

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub struct NewRunRequest {
    /// The recording.
    pub recording: RecordingId,
    /// Its room, when whoever asks knows it.
    pub room_name: Option<String>,
    /// The transcript to make anew; else the recording's oldest, or a new one.
    pub transcript: Option<TranscriptId>,
    /// See [`RunRequestRow::origin`].
    pub origin: &'static str,
    /// The engine: none, hatchet, conductor.
    pub provider: String,
    /// See [`RunRequestRow::priority`].
    pub priority: i64,
    /// See [`RunRequestRow::notify`].
    pub notify: &'static str,
    /// Only if no run was ever asked for or began.
    pub only_first: bool,
    /// When somebody else asks the engine, should whoever made the request die before it could.
    pub next_try_at: Timestamp,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It is written; the engine is to be asked.
    New(RunRequestRow),
    /// There is one that is active; nothing was written.
    Active(RunRequestRow),
    /// A run was asked for before, or began without; nothing was written.
    Served,
    /// Somebody deleted the recording; nothing was written.
    Deleted(Timestamp),
    /// The recording's audio was deleted because consent was denied; nothing was written.
    AudioDeleted(Timestamp),
}

/// Writes that a run is wanted, with the recording's transcript if there is none yet, unless one is active or none may be.
///
/// # Errors
/// [`StoreError::NoTranscript`] when the transcript asked for does not exist or is not of this recording; else when the
/// database fails.
pub async fn ask(database: &Database, new: &NewRunRequest, now: Timestamp) -> Result<Asked, StoreError> {
    let mut tx = database.begin_write().await?;
    recordings::lock(&mut tx, &new.recording, now).await?;
    let recording = new.recording.as_str();
    let deleted: Option<i64> = sqlx::query_scalar("SELECT deleted_at FROM recordings WHERE id = $1")
        .bind(recording)
        .fetch_one(&mut *tx)
        .await?;
    if let Some(at) = deleted {
        return Ok(Asked::Deleted(Timestamp::from_micros(at)));
    }
    let active = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM run_requests WHERE recording_id = $1 AND state IN ('requested', 'started')"
    )))
    .bind(recording)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(active) = active {
        return Ok(Asked::Active(from_row(&active)?));
    }
    let audio_deleted: Option<i64> = sqlx::query_scalar(
        "SELECT audio_deleted_at FROM transcripts WHERE recording_id = $1 AND audio_deleted_at IS NOT NULL
         ORDER BY audio_deleted_at LIMIT 1",
    )
    .bind(recording)
    .fetch_optional(&mut *tx)
    .await?
    .flatten();
    if let Some(at) = audio_deleted {
        return Ok(Asked::AudioDeleted(Timestamp::from_micros(at)));
    }
    if new.only_first && is_served(&mut tx, recording).await? {
        return Ok(Asked::Served);
    }
    let (transcript, run_before) = transcript(&mut tx, &new.recording, new.transcript.as_ref(), now).await?;
    let id = RequestId::generate();
    sqlx::query(
        "INSERT INTO run_requests (id, transcript_id, recording_id, origin, provider, priority, notify, state,
                                   run_before, next_try_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'requested', $8, $9, $10)",
    )
    .bind(id.as_str())
    .bind(transcript)
    .bind(recording)
    .bind(new.origin)
    .bind(new.provider.as_str())
    .bind(new.priority)
    .bind(new.notify)
    .bind(run_before)
    .bind(new.next_try_at.as_micros())
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    // Whoever asks for it wants it, whatever a room's setting said before.
    sqlx::query("UPDATE recordings SET ignored_reason = NULL, room_name = COALESCE(room_name, $1) WHERE id = $2")
        .bind(new.room_name.clone())
        .bind(recording)
        .execute(&mut *tx)
        .await?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM run_requests WHERE id = $1")))
        .bind(id.as_str())
        .fetch_one(&mut *tx)
        .await?;
    let row = from_row(&row)?;
    tx.commit().await?;
    Ok(Asked::New(row))
}

async fn is_served(tx: &mut WriteTransaction, recording: &str) -> Result<bool, StoreError> {
    let served = sqlx::query(
        "SELECT id FROM run_requests WHERE recording_id = $1
         UNION ALL SELECT id FROM transcripts WHERE recording_id = $1 AND current_run IS NOT NULL",
    )
    .bind(recording)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(served.is_some())
}

/// The transcript of a recording that no run is asked for, made if there is none.
///
/// # Errors
/// When the database fails.
pub async fn transcript_of(
    database: &Database,
    recording: &RecordingId,
    now: Timestamp,
) -> Result<TranscriptId, StoreError> {
    let mut tx = database.begin_write().await?;
    recordings::lock(&mut tx, recording, now).await?;
    let (id, _) = transcript(&mut tx, recording, None, now).await?;
    tx.commit().await?;
    id.parse().map_err(|error| StoreError::garbled("transcript", error))
}

/// The transcript to make, and its run so far.
async fn transcript(
    tx: &mut WriteTransaction,
    recording: &RecordingId,
    wanted: Option<&TranscriptId>,
    now: Timestamp,
) -> Result<(String, Option<String>), StoreError> {
    let rows = sqlx::query("SELECT id, current_run FROM transcripts WHERE recording_id = $1 ORDER BY id")
        .bind(recording.as_str())
        .fetch_all(&mut **tx)
        .await?;
    for row in rows {
        let id: String = row.try_get(0)?;
        if wanted.is_none_or(|wanted| wanted.as_str() == id) {
            return Ok((id, row.try_get(1)?));
        }
    }
    if let Some(wanted) = wanted {
        return Err(StoreError::NoTranscript { transcript: wanted.to_string() });
    }
    let id = TranscriptId::generate();
    sqlx::query(
        "INSERT INTO transcripts (id, recording_id, status, created_at, updated_at) VALUES ($1, $2, 'idle', $3, $3)",
    )
    .bind(id.as_str())
    .bind(recording.as_str())
    .bind(now.as_micros())
    .execute(&mut **tx)
    .await?;
    Ok((id.to_string(), None))
}
