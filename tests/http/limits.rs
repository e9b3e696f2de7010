//! Too much at once, and too slow.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use trackscribe::http::Limits;
use trackscribe::store::rooms;

use super::support::{NOW, Server, Setup, good, joined, problem};

#[tokio::test]
async fn who_comes_on_top_is_told_to_come_again_and_deliveries_have_places_of_their_own() {
    let limits = Limits { api_requests: 1, ..Limits::default() };
    let server = Server::with(Setup { limits, ..Setup::default() }).await;
    let go_on = Arc::new(Notify::new());
    *server.desk.slow.lock().unwrap() = Some(go_on.clone());
    let slow = tokio::spawn(server.request(Method::POST, "/v1/transcripts/t/process").send());
    while server.desk.asked.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = server.get("/v1/rooms").await;
    assert!(answer.headers().contains_key("retry-after"));
    problem(answer, 503).await;
    good(server.deliver(&joined("e")).await, 200).await;
    good(server.get("/healthz").await, 200).await;
    go_on.notify_one();
    good(slow.await.unwrap().unwrap(), 202).await;
    good(server.get("/v1/rooms").await, 200).await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let limits = Limits { answer: Duration::from_millis(100), ..Limits::default() };
    let server = Server::with(Setup { limits, ..Setup::default() }).await;
    *server.desk.slow.lock().unwrap() = Some(Arc::new(Notify::new()));
    let answer = server.request(Method::POST, "/v1/transcripts/t/process").send().await.unwrap();
    assert_eq!(problem(answer, 503).await["code"], "too_slow");
}

/// All that the server says until it closes the connection.
async fn all_of(connection: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = connection.read_to_end(&mut said);
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the server closes").unwrap();
    String::from_utf8(said).unwrap()
}

#[tokio::test]
async fn who_sends_half_a_head_or_half_a_body_does_not_stay() {
    let limits = Limits { head: Duration::from_millis(100), answer: Duration::from_millis(200), ..Limits::default() };
    let server = Server::with(Setup { limits, ..Setup::default() }).await;
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"POST /v1/daily/webhook HTTP/1.1\r\nHost: x\r\nX-Slow").await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"POST /v1/daily/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").await.unwrap();
    let (_, said) = tokio::join!(all_of(&mut half), all_of(&mut slow));
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("slow_body"), "{said}");
}

#[tokio::test]
async fn more_connections_than_there_are_places_for_wait_and_are_answered() {
    let limits = Limits { connections: 2, head: Duration::from_millis(200), ..Limits::default() };
    let server = Server::with(Setup { limits, ..Setup::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        idle.push(TcpStream::connect(server.address).await.unwrap());
    }
    good(server.get("/healthz").await, 200).await;
}

#[tokio::test]
async fn who_never_reads_an_answer_does_not_keep_the_connection() {
    let limits = Limits { connections: 1, answer: Duration::from_millis(300), ..Limits::default() };
    let server = Server::with(Setup { limits, send_buffer: Some(4096), ..Setup::default() }).await;
    let title = "x".repeat(400);
    for n in 0..300 {
        rooms::put(&server.database, &format!("room {n}"), Some(&title), NOW).await.unwrap();
    }
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.set_recv_buffer_size(1024).unwrap();
    let mut deaf = deaf.connect(server.address).await.unwrap();
    deaf.write_all(b"GET /v1/rooms HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    deaf.readable().await.unwrap();
    // There is one place, and it is free again.
    good(server.deliver(&joined("e")).await, 200).await;
    let mut said = Vec::new();
    let _ = deaf.read_to_end(&mut said).await;
    assert!(said.starts_with(b"HTTP/1.1 200") && said.len() < 100_000, "{}", said.len());
}
