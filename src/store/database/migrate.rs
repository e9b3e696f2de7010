//! Brings the schema up to date: all missing migrations in one transaction, or none.
//!
//! Migrations only add, so that a process of the release before works on the new schema; one that finds migrations it does
//! not know leaves them, and the views that go with them, alone.

use std::collections::BTreeSet;

use sqlx::AnyConnection;
use sqlx::migrate::{MigrateError, Migrator};

use super::{Database, DatabaseKind, WriteTransaction, postgres, sqlite, views};
use crate::store::StoreError;

/// The name under which those who migrate wait for each other.
const LOCK: &str = "trackscribe migrations";

/// What migrating did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Migrated {
    /// The migrations that were missing and are applied now, as `0001 runs`.
    pub applied: Vec<String>,
    /// Versions that a newer program has applied. They were left alone.
    pub newer: Vec<i64>,
    /// How many migrations this program has.
    pub known: usize,
}

impl Database {
    /// Brings the schema up to date. Who comes second waits and finds nothing to do. Migrations of a newer program are
    /// left alone. On PostgreSQL this also makes the views that people read by.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when a migration fails or one already applied was changed since; then nothing was changed.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let mut transaction: WriteTransaction = match self.kind() {
            DatabaseKind::Sqlite => {
                sqlite::probe(&self.options).await?;
                sqlite::use_write_ahead_log(&mut *self.pool.acquire().await?).await?;
                self.pool.begin_with("BEGIN IMMEDIATE").await?
            }
            DatabaseKind::Postgres => {
                let mut transaction = self.pool.begin().await?;
                // Who came first may need longer than other locks take.
                sqlx::query("SET LOCAL lock_timeout = '5min'").execute(&mut *transaction).await?;
                postgres::take_name(&mut transaction, LOCK).await?;
                transaction
            }
        };
        let migrated = run(&mut transaction).await?;
        if self.kind() == DatabaseKind::Postgres && migrated.newer.is_empty() {
            views::remake(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(migrated)
    }
}

async fn run(connection: &mut AnyConnection) -> Result<Migrated, StoreError> {
    let mut migrations = sqlx::migrate!();
    // sqlx's own lock belongs to the session, not to the transaction; ours is taken already.
    migrations.set_ignore_missing(true).set_locking(false);
    let failed = |error| StoreError::Migration(Box::new(error));
    let before = applied(connection, &migrations).await.map_err(failed)?;
    // Not `run`: its bounds on `Acquire` make this future impossible to spawn.
    migrations.run_direct(None, connection, false).await.map_err(failed)?;
    let missing = migrations.iter().filter(|migration| !before.contains(&migration.version));
    Ok(Migrated {
        applied: missing.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect(),
        newer: before.iter().copied().filter(|version| !migrations.version_exists(*version)).collect(),
        known: migrations.iter().count(),
    })
}

/// The versions that are in the database.
async fn applied(connection: &mut AnyConnection, migrations: &Migrator) -> Result<BTreeSet<i64>, MigrateError> {
    use sqlx::migrate::Migrate;
    connection.ensure_migrations_table(&migrations.table_name).await?;
    let applied = connection.list_applied_migrations(&migrations.table_name).await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}
