//! Stopping: what is under way is answered, nothing new is taken.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tokio::sync::Notify;
use trackscribe::http::Limits;

use super::support::{Server, Setup, good, joined};

#[tokio::test]
async fn a_slow_request_is_answered_while_the_server_stops_and_idle_connections_do_not_hold_it() {
    let server = Server::start().await;
    good(server.get("/healthz").await, 200).await;
    let go_on = Arc::new(Notify::new());
    *server.desk.slow.lock().unwrap() = Some(go_on.clone());
    let slow = tokio::spawn(server.request(Method::POST, "/v1/transcripts/t/process").send());
    while server.desk.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    server.stop.cancel();
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.stopped.is_finished());
    go_on.notify_one();
    good(slow.await.unwrap().unwrap(), 202).await;
    tokio::time::timeout(Duration::from_secs(10), server.stopped).await.expect("stops when all is answered").unwrap();
}

#[tokio::test]
async fn deliveries_under_way_are_stored_before_the_server_has_stopped() {
    let server = Server::start().await;
    let lock = server.database.fresh(None).begin_write().await.unwrap();
    let body = joined("last");
    let (answer, ()) = tokio::join!(server.deliver(&body), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.stop.cancel();
        lock.rollback().await.unwrap();
    });
    good(answer, 200).await;
    let Server { stopped, database, .. } = server;
    tokio::time::timeout(Duration::from_secs(10), stopped).await.unwrap().unwrap();
    let stored: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM daily_events").fetch_one(database.pool()).await.unwrap();
    assert_eq!(stored, 1);
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_hold_the_server_for_ever() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let server = Server::with(Setup { limits, ..Setup::default() }).await;
    *server.desk.slow.lock().unwrap() = Some(Arc::new(Notify::new()));
    let _slow = tokio::spawn(server.request(Method::POST, "/v1/transcripts/t/process").send());
    while server.desk.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), server.stopped).await.expect("stops").unwrap();
}
