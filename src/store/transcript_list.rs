//! Transcripts as a list: what people look through before they read one.

use sqlx::Row;

use super::transcripts::{TranscriptRow, from_row};
use super::{Database, StoreError};
use crate::clock::Timestamp;
use crate::ids::{RecordingId, TranscriptId};

/// Which transcripts, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TranscriptFilter {
    /// Of this recording only.
    pub recording: Option<RecordingId>,
    /// In this status only.
    pub status: Option<String>,
    /// Only those behind this one.
    pub after: Option<TranscriptId>,
}

/// A transcript and what is known of its recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTranscript {
    /// The transcript.
    pub row: TranscriptRow,
    /// The room, as Daily names it.
    pub room_name: Option<String>,
    /// Daily's meeting session.
    pub meeting_id: Option<String>,
    /// The stored result of kind `title`, JSON, of the run that readers see.
    pub title: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// The transcripts that `filter` lets through, newest first, `limit` at most. `title` is the kind of result that holds
/// the title.
///
/// # Errors
/// When the database can't be read.
pub async fn list(
    database: &Database,
    filter: &TranscriptFilter,
    title: &str,
    limit: u32,
) -> Result<Vec<ListedTranscript>, StoreError> {
    // One text per kind of question, so that each can use its index. Ids sort by the time they were made.
    let mut sql = "SELECT t.*, r.room_name, r.meeting_id, title.body AS title
         FROM transcripts t
         LEFT JOIN recordings r ON r.id = t.recording_id
         LEFT JOIN results title ON title.run_id = COALESCE(t.published_run, t.current_run) AND title.kind = $1"
        .to_owned();
    let mut values = vec![title.to_owned()];
    let given = [
        ("t.recording_id =", filter.recording.as_ref().map(|id| id.to_string())),
        ("t.status =", filter.status.clone()),
        ("t.id <", filter.after.as_ref().map(|id| id.to_string())),
    ];
    for (condition, value) in given {
        let Some(value) = value else { continue };
        sql.push_str(if values.len() == 1 { " WHERE " } else { " AND " });
        values.push(value);
        sql.push_str(&format!("{condition} ${}", values.len()));
    }
    sql.push_str(&format!(" ORDER BY t.id DESC LIMIT ${}", values.len() + 1));
    let query = values.into_iter().fold(sqlx::query(sqlx::AssertSqlSafe(sql)), |query, value| query.bind(value));
    let rows = query.bind(i64::from(limit)).fetch_all(database.pool()).await?;
    rows.iter()
        .map(|row| {
            Ok(ListedTranscript {
                row: from_row(row)?,
                room_name: row.try_get("room_name")?,
                meeting_id: row.try_get("meeting_id")?,
                title: row.try_get("title")?,
                created_at: Timestamp::from_micros(row.try_get("created_at")?),
                updated_at: Timestamp::from_micros(row.try_get("updated_at")?),
            })
        })
        .collect()
}
