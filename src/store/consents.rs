//! Who allowed their voice to be kept. Consent is a person's, named by user id or by participant (session) id; an answer is
//! given for one recording, or for all recordings of a meeting.

use sqlx::Row;

use super::outbox::{self, OutboxRow};
use super::{Database, StoreError, WriteTransaction, recordings};
use crate::clock::Timestamp;
use crate::ids::{MeetingId, RecordingId, TranscriptId};

/// Stores answers for one recording; a later answer of the same subject replaces the earlier one.
///
/// # Errors
/// When the database can't be written.
pub async fn put<'a>(
    database: &Database,
    recording: &RecordingId,
    answers: impl IntoIterator<Item = (&'a str, bool)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO consents (recording_id, subject, allowed, updated_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (recording_id, subject) DO UPDATE SET allowed = excluded.allowed, updated_at = excluded.updated_at";
    put_all(database, SQL, recording.as_str(), answers, now).await
}

/// Stores answers for all recordings of a meeting, those that are made later too.
///
/// # Errors
/// When the database can't be written.
pub async fn put_for_meeting<'a>(
    database: &Database,
    meeting: &MeetingId,
    answers: impl IntoIterator<Item = (&'a str, bool)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO meeting_consents (meeting_id, subject, allowed, updated_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (meeting_id, subject) DO UPDATE SET allowed = excluded.allowed, updated_at = excluded.updated_at";
    put_all(database, SQL, meeting.as_str(), answers, now).await
}

async fn put_all<'a>(
    database: &Database,
    sql: &'static str,
    about: &str,
    answers: impl IntoIterator<Item = (&'a str, bool)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    for (subject, allowed) in answers {
        sqlx::query(sql)
            .bind(about)
            .bind(subject)
            .bind(i64::from(allowed))
            .bind(now.as_micros())
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}

/// Subjects of recording `$1` who said no, for it or for its meeting. A no counts until it is taken back where it was said.
const DENIED: &str = "SELECT subject FROM consents WHERE recording_id = $1 AND allowed = 0
    UNION
    SELECT meeting_consents.subject FROM meeting_consents
    JOIN recordings ON recordings.meeting_id = meeting_consents.meeting_id
    WHERE recordings.id = $1 AND meeting_consents.allowed = 0";

/// Subjects who said no, for the recording or for its meeting, in order.
///
/// # Errors
/// When the database can't be read.
pub async fn denied(database: &Database, recording: &RecordingId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{DENIED} ORDER BY subject")))
        .bind(recording.as_str())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The answers for one recording, by subject; not those for its meeting.
///
/// # Errors
/// When the database can't be read.
pub async fn of_recording(database: &Database, recording: &RecordingId) -> Result<Vec<(String, bool)>, StoreError> {
    let rows = sqlx::query("SELECT subject, allowed FROM consents WHERE recording_id = $1 ORDER BY subject")
        .bind(recording.as_str())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? != 0))).collect()
}

/// The answers for one meeting, by subject.
///
/// # Errors
/// When the database can't be read.
pub async fn of_meeting(database: &Database, meeting: &MeetingId) -> Result<Vec<(String, bool)>, StoreError> {
    let rows = sqlx::query("SELECT subject, allowed FROM meeting_consents WHERE meeting_id = $1 ORDER BY subject")
        .bind(meeting.as_str())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)? != 0))).collect()
}

/// The recordings of a meeting that are known, in order.
///
/// # Errors
/// When the database can't be read.
pub async fn recordings_of_meeting(database: &Database, meeting: &MeetingId) -> Result<Vec<RecordingId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM recordings WHERE meeting_id = $1 ORDER BY id")
        .bind(meeting.as_str())
        .fetch_all(database.pool())
        .await?;
    ids.into_iter().map(|id| id.parse().map_err(|error| StoreError::garbled("recording", error))).collect()
}

/// Whether it is known where the audio of a row of `transcripts` is: a run has listed the tracks, or Daily told the
/// recording's key. There is nothing to be deleted before, nor to be called deleted.
const HAS_KNOWN_AUDIO: &str = "(EXISTS (SELECT 1 FROM transcript_runs JOIN tracks ON tracks.run_id = transcript_runs.run_id
        WHERE transcript_runs.transcript_id = transcripts.id)
    OR EXISTS (SELECT 1 FROM recordings WHERE recordings.id = transcripts.recording_id AND recordings.s3_key IS NOT NULL))";

/// Recordings whose audio is still there although somebody said no and no run will see to it: those with a transcript that
/// was finished, or whose last run died before `died_before`.
///
/// # Errors
/// When the database can't be read.
pub async fn overdue(database: &Database, died_before: Timestamp, limit: u32) -> Result<Vec<RecordingId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT DISTINCT transcripts.recording_id FROM (
             SELECT recording_id FROM consents WHERE allowed = 0
             UNION
             SELECT recordings.id AS recording_id FROM meeting_consents
             JOIN recordings ON recordings.meeting_id = meeting_consents.meeting_id WHERE meeting_consents.allowed = 0
         ) AS denied
         JOIN transcripts ON transcripts.recording_id = denied.recording_id
         WHERE transcripts.audio_deleted_at IS NULL AND transcripts.current_run IS NOT NULL AND {HAS_KNOWN_AUDIO}
           AND (transcripts.status = 'ended' OR (transcripts.status = 'error' AND transcripts.updated_at < $1))
           AND NOT EXISTS (SELECT 1 FROM transcripts AS others
               WHERE others.recording_id = denied.recording_id AND others.status = 'processing')
           AND NOT EXISTS (SELECT 1 FROM run_requests
               WHERE run_requests.recording_id = denied.recording_id AND run_requests.state IN ('requested', 'started'))
         ORDER BY transcripts.recording_id LIMIT $2"
    )))
    .bind(died_before.as_micros())
    .bind(i64::from(limit))
    .fetch_all(database.pool())
    .await?;
    ids.into_iter().map(|id| id.parse().map_err(|error| StoreError::garbled("recording", error))).collect()
}

/// What is to be done about a recording's audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody said no.
    Allowed,
    /// Somebody did, and no run has ever found the audio: the run that does deletes it.
    NotProcessed,
    /// Somebody did, while a run is at work: it deletes the audio when nobody needs it any more.
    RunAtWork,
    /// Somebody did: it is to be deleted now. The transcripts it is to be deleted of; none when all was done before.
    Delete(Vec<TranscriptId>),
}

/// Decides what is to be done about a recording's audio. Where that is deleting, no run can begin from here on, and `intent`
/// is written to the outbox for each transcript, all in one transaction, so that it is done whoever dies.
///
/// # Errors
/// When the database fails.
pub async fn decide(
    database: &Database,
    recording: &RecordingId,
    intent: impl Fn(&TranscriptId) -> OutboxRow + Send,
    next_try: Timestamp,
    now: Timestamp,
) -> Result<Verdict, StoreError> {
    if denied(database, recording).await?.is_empty() {
        return Ok(Verdict::Allowed);
    }
    let mut tx = database.begin_write().await?;
    recordings::lock(&mut tx, recording, now).await?;
    // Somebody may have taken it back since.
    let still = sqlx::query(sqlx::AssertSqlSafe(DENIED)).bind(recording.as_str()).fetch_optional(&mut *tx).await?;
    if still.is_none() {
        return Ok(Verdict::Allowed);
    }
    if is_at_work(&mut tx, recording).await? {
        return Ok(Verdict::RunAtWork);
    }
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT id, audio_deleted_at FROM transcripts
         WHERE recording_id = $1 AND current_run IS NOT NULL AND (audio_deleted_at IS NOT NULL OR {HAS_KNOWN_AUDIO})
         ORDER BY id"
    )))
    .bind(recording.as_str())
    .fetch_all(&mut *tx)
    .await?;
    if rows.is_empty() {
        return Ok(Verdict::NotProcessed);
    }
    let mut transcripts: Vec<TranscriptId> = Vec::new();
    for row in rows {
        if row.try_get::<Option<i64>, _>("audio_deleted_at")?.is_none() {
            let id: String = row.try_get("id")?;
            transcripts.push(id.parse().map_err(|error| StoreError::garbled("transcript", error))?);
        }
    }
    for transcript in &transcripts {
        sqlx::query("UPDATE transcripts SET audio_deleted_at = $1 WHERE id = $2")
            .bind(now.as_micros())
            .bind(transcript.as_str())
            .execute(&mut *tx)
            .await?;
        outbox::put_within(&mut tx, &intent(transcript), next_try, now).await?;
    }
    tx.commit().await?;
    Ok(Verdict::Delete(transcripts))
}

/// Whether a run was asked for and is not over, or works without having been asked for here.
async fn is_at_work(tx: &mut WriteTransaction, recording: &RecordingId) -> Result<bool, StoreError> {
    let at_work = sqlx::query(
        "SELECT id FROM run_requests WHERE recording_id = $1 AND state IN ('requested', 'started')
         UNION ALL SELECT id FROM transcripts WHERE recording_id = $1 AND status = 'processing'",
    )
    .bind(recording.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(at_work.is_some())
}
