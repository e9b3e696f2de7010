//! What tasks logged.

use sqlx::Row;

use super::RunStore;
use crate::clock::Timestamp;
use crate::ids::AttemptId;
use crate::store::StoreError;
use crate::store::text::storable;

/// One line of an attempt's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its place in the attempt's log, from 0. Numbers are missing where lines had to be dropped.
    pub number: i64,
    /// When it was said.
    pub logged_at: Timestamp,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// What was said.
    pub line: String,
}

impl RunStore {
    /// Stores lines of an attempt's log. Those that are stored already are left as they are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn append_log(&self, attempt: &AttemptId, lines: &[LogLine]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().await?;
        for line in lines {
            sqlx::query(
                "INSERT INTO task_logs (attempt_id, line_number, logged_at, level, line) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
            )
            .bind(attempt.as_str().to_owned())
            .bind(line.number)
            .bind(line.logged_at.as_micros())
            .bind(line.level.clone())
            .bind(storable(&line.line))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// An attempt's log.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn log(&self, attempt: &AttemptId) -> Result<Vec<LogLine>, StoreError> {
        let rows = sqlx::query(
            "SELECT line_number, logged_at, level, line FROM task_logs WHERE attempt_id = $1 ORDER BY line_number",
        )
        .bind(attempt.as_str().to_owned())
        .fetch_all(self.database.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LogLine {
                    number: row.try_get("line_number")?,
                    logged_at: Timestamp::from_micros(row.try_get("logged_at")?),
                    level: row.try_get("level")?,
                    line: row.try_get("line")?,
                })
            })
            .collect()
    }
}
