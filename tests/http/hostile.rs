//! Bytes from anybody: nothing that is sent makes a handler panic or the server stop.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::support::{NOW, SECRET, Server, good, signature};

fn timestamp() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just((NOW.as_micros() / 1_000_000).to_string().into_bytes()),
        1 => prop::collection::vec((32u8..=255).prop_filter("no header has it", |byte| *byte != 127), 0..40),
        1 => "[0-9.]{0,30}".prop_map(String::into_bytes),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        r#"\{"type":"(recording.error|x|)","id":"[^"\\]{0,8}","payload":(null|\{\}|\[7\]|\{"room":"[^"\\]{0,9}"\})\}"#
            .prop_map(String::into_bytes),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delivery_makes_the_webhook_panic_however_it_is_signed() {
    let server = Server::start().await;
    let runtime = tokio::runtime::Handle::current();
    let told = tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
        runner.run(&(timestamp(), body(), any::<bool>(), timestamp()), |(timestamp, body, is_signed, other)| {
            let signed = match std::str::from_utf8(&timestamp) {
                Ok(timestamp) if is_signed => signature(SECRET, timestamp, &body).into_bytes(),
                _ => other,
            };
            let request = server
                .request(Method::POST, "/v1/daily/webhook")
                .header("X-Webhook-Timestamp", timestamp)
                .header("X-Webhook-Signature", signed)
                .body(body);
            let status = runtime.block_on(async { request.send().await.unwrap().status().as_u16() });
            prop_assert!([200, 401].contains(&status), "{}", status);
            Ok(())
        })
    });
    told.unwrap();
    good(server.get("/healthz").await, 200).await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_hung_up_on_and_the_server_lives() {
    let server = Server::start().await;
    let long = [b"GET /".as_slice(), &[b'a'; 100_000], b" HTTP/1.1\r\n\r\n"].concat();
    let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(5000), b"\r\n".to_vec()].concat();
    for bytes in
        [b"\0\xff\r\n\r\n".as_slice(), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\0", &long, &many]
    {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let _ = connection.write_all(bytes).await;
        let _ = connection.shutdown().await;
        let _ = connection.read_to_end(&mut Vec::new()).await;
    }
    good(server.get("/healthz").await, 200).await;
}
