//! Brings the schema up to date: all missing migrations in one transaction, or none.
//!
//! Migrations only add, so that a process of the release before works on the new schema; one that finds migrations it does
//! not know leaves them, and the views that go with them, alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::AnyConnection;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use tokio::time::Instant;

use super::{Database, DatabaseKind, WriteTransaction, postgres, sqlite, views};
use crate::store::StoreError;

/// The name under which those who migrate wait for each other.
const LOCK: &str = "trackscribe migrations";
/// How long an altered table's readers may be held up. Longer than the second after which PostgreSQL makes its own
/// housekeeping give way (`deadlock_timeout`).
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long they go on undisturbed, before the next try.
const PAUSE: Duration = Duration::from_secs(1);
/// For all of it: who came first may need long.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

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
    /// Brings the schema up to date. Who comes second waits and finds nothing to do; where nothing is missing nobody waits.
    /// Migrations of a newer program are left alone. On PostgreSQL this also makes the views that people read by.
    ///
    /// # Errors
    /// [`StoreError::Migration`] when a migration fails or one already applied was changed since, or when somebody else
    /// held what it needs for five minutes; then nothing was changed.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        if self.kind() == DatabaseKind::Sqlite {
            sqlite::probe(&self.options).await?;
            sqlite::use_write_ahead_log(&mut *self.pool.acquire().await?).await?;
        }
        let migrated = match self.nothing_is_missing().await? {
            Some(nothing) => nothing,
            None if self.kind() == DatabaseKind::Sqlite => {
                let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
                let migrated = run(&mut transaction).await?;
                transaction.commit().await?;
                migrated
            }
            None => self.migrate_beside_others().await?,
        };
        if self.kind() == DatabaseKind::Postgres {
            self.make_views().await?;
        }
        Ok(migrated)
    }

    /// What migrating would say, when it would do nothing: looked up without any lock. Whatever is odd is for those to
    /// say who hold one.
    async fn nothing_is_missing(&self) -> Result<Option<Migrated>, StoreError> {
        let mut transaction = self.begin().await?;
        let migrations = sqlx::migrate!();
        let Ok(None) = transaction.dirty_version(&migrations.table_name).await else { return Ok(None) };
        let Ok(applied) = transaction.list_applied_migrations(&migrations.table_name).await else { return Ok(None) };
        let applied: BTreeMap<i64, _> = applied.into_iter().map(|one| (one.version, one.checksum)).collect();
        let known = |one: &sqlx::migrate::Migration| applied.get(&one.version) == Some(&one.checksum);
        Ok(migrations.iter().all(known).then(|| told(&migrations, &applied.into_keys().collect())))
    }

    /// Processes that work meanwhile hold locks on tables, some for long: a report, a backup. Whoever waits for such a lock
    /// in order to alter a table holds up everybody who comes after. So each wait is short, and in between they go on.
    async fn migrate_beside_others(&self) -> Result<Migrated, StoreError> {
        let give_up = Instant::now() + LONGEST_WAIT;
        loop {
            let waited = match self.try_to_migrate(give_up).await {
                Err(error) if is_lock_timeout(&error) && Instant::now() < give_up => error,
                migrated => return migrated,
            };
            tracing::info!(error = %waited, "tables are in use; migrations are tried again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_to_migrate(&self, give_up: Instant) -> Result<Migrated, StoreError> {
        let mut transaction = self.begin().await?;
        let left = give_up.saturating_duration_since(Instant::now()).max(LOCK_WAIT);
        wait_for_locks(&mut transaction, left).await?;
        postgres::take_name(&mut transaction, LOCK).await?;
        wait_for_locks(&mut transaction, LOCK_WAIT).await?;
        let migrated = run(&mut transaction).await?;
        transaction.commit().await?;
        Ok(migrated)
    }

    /// Makes the views of this program's schema, when that transaction is over which altered tables: waiting for those who
    /// read a view must not hold up those who work.
    async fn make_views(&self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        if views::outdated(&mut transaction).await?.is_empty() {
            return Ok(());
        }
        match postgres::take_name(&mut transaction, LOCK).await {
            // Somebody else is at it.
            Err(error) if is_lock_timeout(&error) => return Ok(()),
            taken => taken?,
        }
        wait_for_locks(&mut transaction, LOCK_WAIT).await?;
        // Those of a newer program are its own.
        let migrations = sqlx::migrate!();
        let applied = applied(&mut transaction, &migrations).await.map_err(failed)?;
        if told(&migrations, &applied).newer.is_empty() {
            views::remake(&mut transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// How long a statement waits for a lock, until the transaction ends.
async fn wait_for_locks(transaction: &mut WriteTransaction, longest: Duration) -> Result<(), sqlx::Error> {
    let sql = format!("SET LOCAL lock_timeout = '{}ms'", longest.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut **transaction).await.map(drop)
}

/// Whether a lock did not come free in time, or two transactions waited for each other.
fn is_lock_timeout(error: &StoreError) -> bool {
    let error = match error {
        StoreError::Sql(error) => error,
        StoreError::Migration(error) => match &**error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
            _ => return false,
        },
        _ => return false,
    };
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

async fn run(connection: &mut AnyConnection) -> Result<Migrated, StoreError> {
    let mut migrations = sqlx::migrate!();
    // sqlx's own lock belongs to the session, not to the transaction; ours is taken already.
    migrations.set_ignore_missing(true).set_locking(false);
    let before = applied(connection, &migrations).await.map_err(failed)?;
    // Not `run`: its bounds on `Acquire` make this future impossible to spawn.
    migrations.run_direct(None, connection, false).await.map_err(failed)?;
    Ok(told(&migrations, &before))
}

fn failed(error: MigrateError) -> StoreError {
    StoreError::Migration(Box::new(error))
}

/// What is said of a migration that found the versions `before`.
fn told(migrations: &Migrator, before: &BTreeSet<i64>) -> Migrated {
    let missing = migrations.iter().filter(|migration| !before.contains(&migration.version));
    Migrated {
        applied: missing.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect(),
        newer: before.iter().copied().filter(|version| !migrations.version_exists(*version)).collect(),
        known: migrations.iter().count(),
    }
}

/// The versions that are in the database.
async fn applied(connection: &mut AnyConnection, migrations: &Migrator) -> Result<BTreeSet<i64>, MigrateError> {
    connection.ensure_migrations_table(&migrations.table_name).await?;
    let applied = connection.list_applied_migrations(&migrations.table_name).await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}
