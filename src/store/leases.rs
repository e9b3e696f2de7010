//! Who does something that one process does for all: whoever holds the lease of that name. A lease ends by itself, so that
//! a dead process holds nobody up for long.

use std::time::Duration;

use sqlx::Row;

use super::{Database, StoreError};
use crate::clock::Timestamp;

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// It is the holder's now.
    Taken,
    /// Somebody else has it until then, unless it is lengthened or given back.
    HeldBy {
        /// Who.
        holder: String,
        /// Its end.
        until: Timestamp,
    },
}

/// Takes a lease that is free, has ended, or is the holder's already, until `now` plus `length`. Costs no write while
/// somebody else has it.
///
/// # Errors
/// When the database fails.
pub async fn take(
    database: &Database,
    name: &str,
    holder: &str,
    now: Timestamp,
    length: Duration,
) -> Result<Lease, StoreError> {
    loop {
        if let Some((other, until)) = read(database, name).await?
            && other != holder
            && until > now
        {
            return Ok(Lease::HeldBy { holder: other, until });
        }
        let mut tx = database.begin_write().await?;
        let taken = sqlx::query(
            "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
             WHERE leases.holder = excluded.holder OR leases.until <= $4",
        )
        .bind(name)
        .bind(holder)
        .bind(now.plus(length).as_micros())
        .bind(now.as_micros())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if taken.rows_affected() > 0 {
            return Ok(Lease::Taken);
        }
        // Somebody was quicker: looking again says who.
    }
}

/// Lengthens a lease that is still the holder's, even one that has ended and nobody else has taken. Says whether it was.
///
/// # Errors
/// When the database fails.
pub async fn renew(
    database: &Database,
    name: &str,
    holder: &str,
    now: Timestamp,
    length: Duration,
) -> Result<bool, StoreError> {
    let mut tx = database.begin_write().await?;
    let renewed = sqlx::query("UPDATE leases SET until = $1 WHERE name = $2 AND holder = $3")
        .bind(now.plus(length).as_micros())
        .bind(name)
        .bind(holder)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(renewed.rows_affected() > 0)
}

/// Gives a lease back, so that the next one need not wait for its end. One that is not the holder's stays.
///
/// # Errors
/// When the database fails.
pub async fn give_back(database: &Database, name: &str, holder: &str) -> Result<(), StoreError> {
    let mut tx = database.begin_write().await?;
    sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2").bind(name).bind(holder).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// Who has a lease, and until when; the end may have passed.
///
/// # Errors
/// When the database can't be read.
pub async fn read(database: &Database, name: &str) -> Result<Option<(String, Timestamp)>, StoreError> {
    let row = sqlx::query("SELECT holder, until FROM leases WHERE name = $1")
        .bind(name)
        .fetch_optional(database.pool())
        .await?;
    row.map(|row| Ok((row.try_get(0)?, Timestamp::from_micros(row.try_get(1)?)))).transpose()
}
