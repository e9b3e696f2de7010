//! What is told of the program's health.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
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
