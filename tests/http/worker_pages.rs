//! The pages of a process that only executes runs.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trackscribe::clock::SystemClock;
use trackscribe::http::{ReadyCheck, WorkerPages, WorkerReport, serve_pages};

struct Deaf;

#[async_trait]
impl ReadyCheck for Deaf {
    fn name(&self) -> &'static str {
        "hatchet"
    }

    fn is_needed(&self) -> bool {
        true
    }

    async fn check(&self) -> Result<String, String> {
        Err("no live stream for 30 s".to_owned())
    }
}

struct Busy;

impl WorkerReport for Busy {
    fn health(&self) -> Value {
        json!({"tasks": [{"task": "trackprocessing:pad_track"}]})
    }

    fn metrics(&self) -> String {
        "trackscribe_worker_slots{post=\"io\"} 16\n".to_owned()
    }
}

#[tokio::test]
async fn e1_a_worker_that_hears_nothing_lives_but_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = WorkerPages { checks: vec![Arc::new(Deaf)], report: Arc::new(Busy), clock: Arc::new(SystemClock) };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve_pages(listener, pages, stop.clone()));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let get = async |path: &str| reqwest::Client::new().get(format!("http://{address}{path}")).send().await.unwrap();
    let alive: Value = get("/healthz").await.json().await.unwrap();
    assert_eq!((&alive["status"], &alive["tasks"][0]["task"]), (&json!("ok"), &json!("trackprocessing:pad_track")));
    let ready = get("/readyz").await;
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["checks"]["hatchet"]["problem"], "no live stream for 30 s");
    assert_eq!(get("/metrics").await.text().await.unwrap(), "trackscribe_worker_slots{post=\"io\"} 16\n");
    assert_eq!(get("/v1/transcripts").await.status(), 404);
    stop.cancel();
    serving.await.unwrap();
}
