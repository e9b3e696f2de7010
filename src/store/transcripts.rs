//! Transcripts, and who may write to them: only the run that is a transcript's current one.

use sqlx::Row;

use super::text::storable;
use super::{Database, StoreError, WriteTransaction};
use crate::clock::Timestamp;
use crate::failure::FailureClass;
use crate::ids::{RecordingId, RunId, TranscriptId};

/// A transcript's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptRow {
    /// The transcript.
    pub id: TranscriptId,
    /// The recording it is made of.
    pub recording: Option<RecordingId>,
    /// One of `idle, uploaded, recording, processing, error, ended`.
    pub status: String,
    /// The run whose writes count.
    pub current_run: Option<RunId>,
    /// The run whose results readers see.
    pub published_run: Option<RunId>,
    /// The last failure, while the status is `error`.
    pub failure: Option<TranscriptFailure>,
    /// When everything derived from audio was deleted.
    pub audio_deleted_at: Option<Timestamp>,
}

impl TranscriptRow {
    /// The run whose results a reader sees: the published one, else the current one as it comes.
    pub fn visible_run(&self) -> Option<&RunId> {
        self.published_run.as_ref().or(self.current_run.as_ref())
    }
}

/// All that a [`TranscriptRow`] holds. Named one by one: on PostgreSQL a prepared `SELECT` of all columns breaks when a newer program adds
/// a column.
pub(super) const COLUMNS: &str = "id, recording_id, status, current_run, published_run, failed_task, failure_class, \
    failure_message, audio_deleted_at";

/// Why a transcript's last run died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptFailure {
    /// The failed task.
    pub task: String,
    /// What could be done about it.
    pub class: String,
    /// For people.
    pub message: String,
}

/// Makes a transcript of a recording, unless it is there.
///
/// # Errors
/// When the database can't be written.
pub async fn create(
    database: &Database,
    id: &TranscriptId,
    recording: &RecordingId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query(
        "INSERT INTO transcripts (id, recording_id, status, created_at, updated_at) VALUES ($1, $2, 'idle', $3, $3)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(recording.as_str())
    .bind(now.as_micros())
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Reads a transcript; `None` when there is none.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, id: &TranscriptId) -> Result<Option<TranscriptRow>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM transcripts WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(database.pool())
        .await?;
    row.map(|row| from_row(&row)).transpose()
}

/// The transcripts of a recording, oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn of_recording(database: &Database, recording: &RecordingId) -> Result<Vec<TranscriptRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM transcripts WHERE recording_id = $1 ORDER BY id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(recording.as_str()).fetch_all(database.pool()).await?;
    rows.iter().map(from_row).collect()
}

pub(super) fn from_row(row: &sqlx::any::AnyRow) -> Result<TranscriptRow, StoreError> {
    let garbled = |error: crate::ids::InvalidId| StoreError::garbled("transcript", error);
    let task: Option<String> = row.try_get("failed_task")?;
    let class: Option<String> = row.try_get("failure_class")?;
    let message: Option<String> = row.try_get("failure_message")?;
    let run = |column: &str| -> Result<Option<RunId>, StoreError> {
        let text: Option<String> = row.try_get(column)?;
        text.map(|text| text.parse().map_err(garbled)).transpose()
    };
    Ok(TranscriptRow {
        id: row.try_get::<String, _>("id")?.parse().map_err(garbled)?,
        recording: row
            .try_get::<Option<String>, _>("recording_id")?
            .map(|text| text.parse().map_err(garbled))
            .transpose()?,
        status: row.try_get("status")?,
        current_run: run("current_run")?,
        published_run: run("published_run")?,
        failure: task.map(|task| TranscriptFailure {
            task,
            class: class.unwrap_or_default(),
            message: message.unwrap_or_default(),
        }),
        audio_deleted_at: row.try_get::<Option<i64>, _>("audio_deleted_at")?.map(Timestamp::from_micros),
    })
}

/// Writes for one transcript in the name of one run. Once a newer run has begun, every write fails as
/// [`StoreError::Superseded`].
#[derive(Debug, Clone)]
pub struct TranscriptWriter {
    database: Database,
    transcript: TranscriptId,
    run: RunId,
}

impl TranscriptWriter {
    /// A writer for `transcript` in the name of `run`.
    pub fn new(database: Database, transcript: TranscriptId, run: RunId) -> Self {
        Self { database, transcript, run }
    }

    /// The run in whose name this writes.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The transcript this writes for.
    pub fn transcript(&self) -> &TranscriptId {
        &self.transcript
    }

    /// Makes this writer's run the transcript's current one when it begins for the first time; a run that begins later
    /// than another takes over, one that is merely tried again does not. Says what the transcript was before.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] when a newer run has begun, [`StoreError::NoTranscript`] when there is none.
    pub async fn claim(&self, now: Timestamp) -> Result<TranscriptRow, StoreError> {
        let mut tx = self.database.begin_write().await?;
        // Runs that begin at the same time come one after another from here on.
        let sql = "UPDATE transcripts SET current_run = current_run WHERE id = $1";
        sqlx::query(sql).bind(self.transcript.as_str()).execute(&mut *tx).await?;
        let found = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM transcripts WHERE id = $1")))
            .bind(self.transcript.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        let Some(found) = found else {
            return Err(StoreError::NoTranscript { transcript: self.transcript.to_string() });
        };
        let before = from_row(&found)?;
        let begun = sqlx::query(
            "INSERT INTO transcript_runs (transcript_id, run_id, number)
             SELECT $1, $2, COALESCE(MAX(number), 0) + 1 FROM transcript_runs WHERE transcript_id = $1
             ON CONFLICT (transcript_id, run_id) DO NOTHING",
        )
        .bind(self.transcript.as_str())
        .bind(self.run.as_str())
        .execute(&mut *tx)
        .await?;
        if begun.rows_affected() == 0 && before.current_run.as_ref() != Some(&self.run) {
            return Err(self.superseded());
        }
        sqlx::query("UPDATE transcripts SET current_run = $1, updated_at = $2 WHERE id = $3")
            .bind(self.run.as_str())
            .bind(now.as_micros())
            .bind(self.transcript.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(before)
    }

    /// Makes this writer's run the transcript's current one although others have begun since: somebody asked for just
    /// this run again.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn take_over(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.database.begin_write().await?;
        sqlx::query("UPDATE transcripts SET current_run = $1, updated_at = $2 WHERE id = $3")
            .bind(self.run.as_str())
            .bind(now.as_micros())
            .bind(self.transcript.as_str())
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Begins a transaction whose writes count only while this run is the transcript's current one.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] when a newer run has begun.
    pub async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut tx = self.database.begin_write().await?;
        let current =
            sqlx::query("UPDATE transcripts SET current_run = current_run WHERE id = $1 AND current_run = $2")
                .bind(self.transcript.as_str())
                .bind(self.run.as_str())
                .execute(&mut *tx)
                .await?;
        if current.rows_affected() == 0 {
            return Err(self.superseded());
        }
        Ok(tx)
    }

    /// Changes the status from `before` to `after`, with the failure that goes with it. Nothing happens when the status
    /// is no longer `before`; says whether it was.
    ///
    /// # Errors
    /// As [`TranscriptWriter::begin`].
    pub async fn change_status(
        &self,
        before: &str,
        after: &str,
        failure: Option<(&str, FailureClass, &str)>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE transcripts SET status = $1, failed_task = $2, failure_class = $3, failure_message = $4, updated_at = $5
             WHERE id = $6 AND status = $7",
        )
        .bind(after)
        .bind(failure.map(|(task, ..)| task.to_owned()))
        .bind(failure.map(|(_, class, _)| class.as_str().to_owned()))
        .bind(failure.map(|(.., message)| storable(message)))
        .bind(now.as_micros())
        .bind(self.transcript.as_str())
        .bind(before)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() > 0)
    }

    /// Makes this run's results the ones that readers see, and the status `ended`, in one transaction.
    ///
    /// # Errors
    /// As [`TranscriptWriter::begin`].
    pub async fn publish(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE transcripts SET published_run = $1, status = 'ended', failed_task = NULL, failure_class = NULL,
             failure_message = NULL, updated_at = $2 WHERE id = $3",
        )
        .bind(self.run.as_str())
        .bind(now.as_micros())
        .bind(self.transcript.as_str())
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Notes that audio may be kept again: consent was given after all, and the recording's own files are still there.
    ///
    /// # Errors
    /// As [`TranscriptWriter::begin`].
    pub async fn audio_allowed(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE transcripts SET audio_deleted_at = NULL WHERE id = $1")
            .bind(self.transcript.as_str())
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Notes that everything derived from the recording's audio was deleted.
    ///
    /// # Errors
    /// As [`TranscriptWriter::begin`].
    pub async fn audio_deleted(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE transcripts SET audio_deleted_at = COALESCE(audio_deleted_at, $1) WHERE id = $2")
            .bind(now.as_micros())
            .bind(self.transcript.as_str())
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    fn superseded(&self) -> StoreError {
        StoreError::Superseded { transcript: self.transcript.to_string() }
    }
}
