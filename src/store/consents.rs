//! Who allowed their voice to be kept. Consent is a person's, named by user id or by participant (session) id.

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::RecordingId;

/// Stores answers; a later answer of the same subject replaces the earlier one.
///
/// # Errors
/// When the database can't be written.
pub async fn put<'a>(
    database: &Database,
    recording: &RecordingId,
    answers: impl IntoIterator<Item = (&'a str, bool)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    for (subject, allowed) in answers {
        sqlx::query(
            "INSERT INTO consents (recording_id, subject, allowed, updated_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (recording_id, subject) DO UPDATE SET allowed = excluded.allowed, updated_at = excluded.updated_at",
        )
        .bind(recording.as_str())
        .bind(subject)
        .bind(i64::from(allowed))
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}

/// Subjects who said no, in order.
///
/// # Errors
/// When the database can't be read.
pub async fn denied(database: &Database, recording: &RecordingId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT subject FROM consents WHERE recording_id = $1 AND allowed = 0 ORDER BY subject")
        .bind(recording.as_str())
        .fetch_all(database.pool())
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
