//! Taking a database over from an executor that is gone.

use super::RunStore;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// What a new executor found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The new executor's generation.
    pub generation: i64,
    /// Who was the executor and did not give the database back: killed, cut off, or still about to notice.
    pub left_by: Option<String>,
}

impl RunStore {
    /// Raises the executor's generation and gives the new one. From here on nothing that an older executor writes is
    /// taken. Its attempts end as interrupted: one that neither kept a piece nor only waited for children counts as
    /// killed once more, unless its executor was `alive`: an earlier one of this very process, which lost the lock and has
    /// stopped.
    ///
    /// Whoever calls this holds the executor's lock.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_over(&self, process: &str, alive: Option<i64>, now: Timestamp) -> Result<TakenOver, StoreError> {
        let mut transaction = self.database.begin_write().await?;
        let left_by: Option<String> =
            sqlx::query_scalar("SELECT process FROM executor WHERE id = 1").fetch_one(&mut *transaction).await?;
        let generation: i64 = sqlx::query_scalar(
            "UPDATE executor SET generation = generation + 1, taken_at = $1, process = $2 WHERE id = 1
             RETURNING generation",
        )
        .bind(now.as_micros())
        .bind(process.to_owned())
        .fetch_one(&mut *transaction)
        .await?;
        // An attempt that was cut off after the process had done something lasting starts the count anew.
        sqlx::query(
            "UPDATE task_runs SET
                 interruptions = CASE WHEN EXISTS (SELECT 1 FROM attempts WHERE task_run_id = task_runs.id
                                                   AND outcome IS NULL AND kept_piece = 1)
                                      THEN 0 ELSE interruptions + 1 END
             WHERE id IN (SELECT task_run_id FROM attempts
                          WHERE outcome IS NULL AND waiting = 0 AND generation <> $1)",
        )
        .bind(alive.unwrap_or_default())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE task_runs SET status = 'pending'
             WHERE status = 'running' AND id IN (SELECT task_run_id FROM attempts WHERE outcome IS NULL)",
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE attempts SET outcome = 'interrupted', finished_at = $1 WHERE outcome IS NULL")
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(TakenOver { generation, left_by })
    }

    /// Notes that an executor has stopped in order, so that the next one need not wait for it.
    ///
    /// # Errors
    /// When the database fails, or another executor has taken over already.
    pub async fn give_back(&self) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().await?;
        sqlx::query("UPDATE executor SET process = NULL WHERE id = 1").execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The current generation; another than one's own means that the database was taken over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn generation(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT generation FROM executor WHERE id = 1").fetch_one(self.database.pool()).await?)
    }
}
