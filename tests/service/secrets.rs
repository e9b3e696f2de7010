//! U25, H14: secrets are nowhere but in the settings.

use serde_json::Value;
use sqlx::Row;

use crate::world::{World, eventually, s3, words_heard, words_said};

/// All text of all tables.
async fn everything_stored(world: &World) -> String {
    let pool = world.look().await;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(tables.iter().any(|table| table == "task_logs"), "{tables:?}");
    let mut text = String::new();
    for table in tables {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT to_jsonb(r)::text FROM {table} r")));
        for row in rows.fetch_all(&pool).await.unwrap() {
            text.push_str(&format!("{table} {}\n", row.get::<String, _>(0)));
        }
    }
    text
}

#[tokio::test]
async fn no_secret_is_in_logs_payloads_stored_events_or_answers() {
    let world = World::new().await;
    let recording = world.record("standup");
    let mut settings = world.settings();
    let password = "pa55-of-the-database";
    let url = settings["DATABASE_URL"].replacen("tester@", &format!("tester:{password}@"), 1);
    assert!(url.contains(password), "{url}");
    settings.insert("DATABASE_URL".to_owned(), url);
    // Whatever can be logged is.
    settings.insert("RUST_LOG".to_owned(), "trace".to_owned());
    let mut serve = world.serve_with(&settings).await;
    // Errors quote what was asked.
    world.s3.break_next(3, None, s3::Fault::Unavailable);
    world.daily.fault("/recordings/", crate::world::daily::Fault::Status(500), 1);
    serve.deliver_ready("evt-1", &recording).await;
    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended'";
    eventually("the request ends", async || (world.count(ended).await == 1).then_some(())).await;

    let item = serve.item(&recording).await.unwrap();
    let mut answers = String::new();
    for path in ["/healthz", "/readyz", "/v1/transcripts", "/v1/rooms", "/v1/meetings", "/v1/nothing"] {
        answers.push_str(&format!("{path} {:?}\n", serve.get(path).await));
    }
    answers.push_str(&format!("{:?}", serve.get(&format!("/v1/transcripts/{}", item["id"].as_str().unwrap())).await));
    let places = [("log", serve.log()), ("database", everything_stored(&world).await), ("answers", answers)];
    assert!(places.iter().all(|(_, text)| text.len() > 1000), "there is something to look through");

    let recordings_token = crate::world::daily::ready_event("x", &Value::Null)["payload"]["share_token"].clone();
    let secrets = [
        settings["DAILY_API_KEY"].as_str(),
        settings["DAILY_WEBHOOK_SECRET"].as_str(),
        settings["STORAGE_SECRET_ACCESS_KEY"].as_str(),
        settings["DAILY_STORAGE_SECRET_ACCESS_KEY"].as_str(),
        password,
        recordings_token.as_str().unwrap(),
        "X-Amz-",
    ];
    for (place, text) in &places {
        for secret in secrets {
            let found = text.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{secret} is in the {place}");
        }
    }
}
