//! What is PostgreSQL's own: how sessions are set up so that neither side waits for one that is gone, and locks by name.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection, Executor};

use super::WriteTransaction;
use crate::store::StoreError;

/// How long a pool waits for a connection. A server that is away is noticed within this time.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that was idle for so long is tried before it is used: its server may have been restarted meanwhile. One
/// that was used just now is not, because that would cost a round trip each time.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// For each session. A statement waits for a lock as long as SQLite's does; a transaction whose process hangs is ended; and
/// the server looks for a peer that has vanished (without it, the locks of a host that lost its power stay for two hours):
/// after 5 s of silence each second, and three times.
pub(in crate::store) const SESSION: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'; \
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; \
    SET tcp_user_timeout = '8s'";

/// How PostgreSQL's connections are set up and looked after.
pub(super) fn pool_options(options: AnyPoolOptions) -> AnyPoolOptions {
    options.acquire_timeout(ACQUIRE_TIMEOUT).after_connect(|connection, _| Box::pin(set_up(connection))).before_acquire(
        |connection, idle| {
            Box::pin(async move {
                if idle.idle_for >= TRIED_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        },
    )
}

async fn set_up(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::raw_sql(SESSION)).await.map(drop)
}

/// Whether a connection is gone: cut off, or ended by the server because it stops, crashed or is starting.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03")),
        _ => false,
    }
}

/// Whether the executor's generation is still this one. It stays so until the transaction ends: who takes over waits for
/// that, while writers of the same generation do not wait for each other.
pub(super) async fn holds_generation(transaction: &mut WriteTransaction, generation: i64) -> Result<bool, sqlx::Error> {
    let current: i64 = sqlx::query_scalar("SELECT generation FROM executor WHERE id = 1 FOR SHARE")
        .fetch_one(&mut **transaction)
        .await?;
    Ok(current == generation)
}

/// Waits until nobody else is in a transaction that took the same name.
pub(super) async fn take_name(transaction: &mut WriteTransaction, name: &str) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || $1, 0))")
        .bind(name.to_owned())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
