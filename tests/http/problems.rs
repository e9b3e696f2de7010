//! Every error is `application/problem+json`, and every answer has the request's id.

use reqwest::Method;
use serde_json::json;

use super::support::{Server, good, problem};

#[tokio::test]
async fn paths_methods_and_bodies_that_do_not_fit_are_problems() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v1/nothing", "/v1/rooms/a/b", "/v1/transcripts/none"] {
        problem(server.get(path).await, 404).await;
    }
    for (method, path) in
        [(Method::DELETE, "/v1/rooms"), (Method::GET, "/v1/daily/webhook"), (Method::POST, "/healthz")]
    {
        let answer = server.request(method, path).send().await.unwrap();
        assert!(answer.headers().contains_key("allow"));
        problem(answer, 405).await;
    }
    let put = |body: &'static str, kind: &'static str| {
        server.request(Method::PUT, "/v1/meetings/m").header("Content-Type", kind).body(body).send()
    };
    problem(put("{}", "text/plain").await.unwrap(), 415).await;
    problem(put("{", "application/json").await.unwrap(), 400).await;
    problem(put(r#"{"title":7}"#, "application/json").await.unwrap(), 422).await;
    problem(put(r#"{"titel":"x"}"#, "application/json").await.unwrap(), 422).await;
    problem(put(r#"{"started_at":"tomorrow"}"#, "application/json").await.unwrap(), 422).await;
    let long = json!({"title": "x".repeat(2 << 20)});
    problem(server.put("/v1/meetings/m", long).await, 413).await;
    for query in ["limit=0", "limit=x", "status=done", "cursor=", "colour=blue", "recording_id="] {
        let answer = server.get(&format!("/v1/transcripts?{query}")).await;
        let status = answer.status().as_u16();
        assert!(status == 400 || status == 422, "{query}: {status}");
        problem(answer, status).await;
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_server_lives() {
    let server = Server::start().await;
    *server.desk.panics.lock().unwrap() = true;
    let answer = server.request(Method::POST, "/v1/transcripts/t/process").send().await.unwrap();
    let told = problem(answer, 500).await;
    assert!(!told.to_string().contains("as it was told"), "{told}");
    good(server.get("/healthz").await, 200).await;
}

#[tokio::test]
async fn a_request_s_id_is_taken_over_or_made() {
    let server = Server::start().await;
    let answer = server.request(Method::GET, "/healthz").header("X-Request-Id", "from-proxy.1").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "from-proxy.1");
    let answer = server.request(Method::GET, "/healthz").header("X-Request-Id", "two words").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"].len(), 36);
}
