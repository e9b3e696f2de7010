//! PostgreSQL's sessions: lost ones are errors that pass, pools recover, and writers do not wait for each other.

use std::time::Duration;

use trackscribe::failure::{Failure, FailureClass};
use trackscribe::store::{Database, DatabaseKind, ExecutorLock, StoreError};

use crate::postgres::Postgres;
use crate::support::Place;

/// Ends all sessions of a database but the one that does it, as a restart would.
async fn end_sessions(place: &Place) {
    let database = Database::open(&place.url).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(database.pool())
    .await
    .unwrap();
    database.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_lost_in_the_middle_passes_and_the_pool_recovers() {
    let place = Place::on_postgres().await;
    let database = place.database().await;
    let mut lost = database.begin_write().await.unwrap();
    end_sessions(&place).await;
    let error = sqlx::query("UPDATE executor SET taken_at = 1").execute(&mut *lost).await.unwrap_err();
    assert_eq!(StoreError::from(error).class(), FailureClass::Retryable);
    drop(lost);
    database.begin_write().await.unwrap().commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_tried_before_they_are_used_after_a_restart() {
    let server = tokio::task::spawn_blocking(Postgres::start_new).await.unwrap();
    let name = server.empty().await;
    let database = Database::open(&server.url(&name)).await.unwrap();
    database.migrate().await.unwrap();
    let server = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    })
    .await
    .unwrap();
    // A connection is taken for alive for one second after it was used.
    tokio::time::sleep(Duration::from_secs(1)).await;
    database.ping().await.unwrap();
    let by_socket = Database::open(&server.socket_url(&name)).await.unwrap();
    by_socket.ping().await.unwrap();
    tokio::task::spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .unwrap();
    // By the socket there is no file any more.
    let error = by_socket.ping().await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Retryable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_one_generation_do_not_wait_for_each_other() {
    let place = Place::on_postgres().await;
    let database = place.database().await;
    let first = database.fresh(Some(0)).begin_write().await.unwrap();
    let second = tokio::time::timeout(Duration::from_secs(5), async {
        database.fresh(Some(0)).begin_write().await.unwrap().commit().await.unwrap();
    });
    second.await.expect("it waited for the first");
    first.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_executors_lock_is_one_per_database_and_falls_with_its_session() {
    let (place, other) = (Place::on_postgres().await, Place::on_postgres().await);
    let (database, other) = (place.database().await, other.database().await);
    assert_eq!(database.kind(), DatabaseKind::Postgres);
    assert!(!ExecutorLock::is_held(&database).await.unwrap());
    let held = ExecutorLock::take(&database).await.unwrap();
    assert!(ExecutorLock::is_held(&database).await.unwrap());
    assert!(!ExecutorLock::is_held(&other).await.unwrap());
    let refused = ExecutorLock::take(&database).await.unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains(&database.shown()), "{refused}");
    // Two databases of one server have separate locks.
    ExecutorLock::take(&other).await.unwrap().release().await;
    held.check().await.unwrap();
    end_sessions(&place).await;
    let why = tokio::time::timeout(Duration::from_secs(10), held.lost()).await.unwrap();
    assert!(!why.is_empty());
    let next = ExecutorLock::take(&database).await.unwrap();
    assert!(held.check().await.is_err(), "it does not come back");
    next.release().await;
    drop(ExecutorLock::take(&database).await.unwrap());
    // Dropping is enough: the server sees the connection's end.
    let again = async {
        while ExecutorLock::take(&database).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_never_shown() {
    for password in ["s3cr3t", "it's-s3cr3t", "p@s3cr3t", "a:b\"s3cr3t", "it%27s%2Fs3cr3t%23"] {
        let url = format!("postgres://me:{password}@127.0.0.1:1/nothing");
        let database = Database::open(&url).await.unwrap();
        let shown = format!("{} {database:?}", database.shown());
        assert!(!shown.contains("s3cr3t") && shown.contains("postgres://…@127.0.0.1:1/nothing"), "{shown}");
    }
}
