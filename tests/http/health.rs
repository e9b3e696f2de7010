//! What is told of the program's health.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;
use trackscribe::http::ReadyCheck;

use super::support::{Server, Setup, good};

struct Looked {
    name: &'static str,
    finds: Result<&'static str, &'static str>,
    times: Arc<AtomicUsize>,
}

#[async_trait]
impl ReadyCheck for Looked {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn check(&self) -> Result<String, String> {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.finds.map(str::to_owned).map_err(str::to_owned)
    }
}

#[tokio::test]
async fn each_dependency_is_told_by_name_and_only_the_database_takes_the_process_out() {
    let times = Arc::new(AtomicUsize::new(0));
    let look = |name, finds| -> Arc<dyn ReadyCheck> { Arc::new(Looked { name, finds, times: times.clone() }) };
    let down = Err("GET https://bucket/x?X-Amz-Signature=1 failed");
    let checks = vec![look("storage", down), look("engine", Ok("stands by"))];
    let server = Server::with(Setup { checks, ..Setup::default() }).await;
    good(server.get("/healthz").await, 200).await;
    let told = good(server.get("/readyz").await, 200).await;
    assert_eq!(told["status"], "degraded");
    assert_eq!(told["checks"]["engine"], json!({"ok": true, "note": "stands by"}));
    assert_eq!(told["checks"]["storage"], json!({"ok": false, "problem": "GET https://bucket/x?… failed"}));
    assert_eq!(told["checks"]["database"]["ok"], true);

    sqlx::query("ALTER TABLE rooms RENAME TO away").execute(server.database.pool()).await.unwrap();
    assert_eq!(good(server.get("/readyz").await, 200).await, told, "looked at again within seconds");
    assert_eq!(times.load(Ordering::Relaxed), 2);
    server.clock.advance(Duration::from_secs(5));
    let told = good(server.get("/readyz").await, 503).await;
    assert_eq!((&told["status"], &told["checks"]["database"]["ok"]), (&json!("unavailable"), &json!(false)));
    good(server.get("/healthz").await, 200).await;
}

/// Answers, each time it is looked at, once it is let go on.
struct Hanging {
    is_needed: bool,
    go_on: Arc<Semaphore>,
    times: Arc<AtomicUsize>,
}

#[async_trait]
impl ReadyCheck for Hanging {
    fn name(&self) -> &'static str {
        "hanging"
    }

    fn is_needed(&self) -> bool {
        self.is_needed
    }

    async fn check(&self) -> Result<String, String> {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.go_on.acquire().await.unwrap().forget();
        Ok("answers".to_owned())
    }
}

fn hanging(is_needed: bool) -> (Arc<Hanging>, Setup) {
    let check = Arc::new(Hanging { is_needed, go_on: Arc::new(Semaphore::new(0)), times: Arc::default() });
    (check.clone(), Setup { checks: vec![check], ..Setup::default() })
}

#[tokio::test]
async fn a_dependency_that_hangs_keeps_no_probe_waiting_and_is_looked_at_once() {
    let (check, setup) = hanging(false);
    let server = Server::with(setup).await;
    // As a probe that gives up after a second.
    for _ in 0..2 {
        let told = good(server.get("/readyz").await, 200).await;
        assert_eq!((&told["status"], &told["checks"]["hanging"]["ok"]), (&json!("degraded"), &json!(false)));
        let problem = told["checks"]["hanging"]["problem"].as_str().unwrap();
        assert!(problem.contains("not answered within 700 ms"), "{problem}");
    }
    let gave_up = server.request(reqwest::Method::GET, "/readyz").timeout(Duration::from_millis(20)).send().await;
    assert!(gave_up.is_err());
    assert_eq!(check.times.load(Ordering::Relaxed), 1);
    check.go_on.add_permits(1);
    let told = good(server.get("/readyz").await, 200).await;
    assert_eq!((&told["status"], &told["checks"]["hanging"]["note"]), (&json!("ok"), &json!("answers")));

    // It hangs again: what is known of it is told.
    server.clock.advance(Duration::from_secs(60));
    assert_eq!(good(server.get("/readyz").await, 200).await, told);
    assert_eq!(check.times.load(Ordering::Relaxed), 2);
    // For so long.
    server.clock.advance(Duration::from_secs(600));
    assert_eq!(good(server.get("/readyz").await, 200).await["status"], "degraded");
}

#[tokio::test]
async fn what_nothing_works_without_is_not_told_by_what_was_known_before() {
    let (check, setup) = hanging(true);
    let server = Server::with(setup).await;
    check.go_on.add_permits(1);
    good(server.get("/readyz").await, 200).await;
    server.clock.advance(Duration::from_secs(5));
    let told = good(server.get("/readyz").await, 503).await;
    assert_eq!((&told["status"], &told["checks"]["database"]["ok"]), (&json!("unavailable"), &json!(true)));
    check.go_on.add_permits(1);
    good(server.get("/readyz").await, 200).await;
}
