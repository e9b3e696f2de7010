//! U25, H14: secrets are nowhere but in the settings.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use sqlx::Row;

use crate::world::{World, eventually, s3, words_heard, words_said};

/// What the database's password ends with; it begins with a quote that addresses need not encode.
const PASSWORD: &str = "pa55-of-the-database";

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

/// Makes a key as somebody with a terminal does.
fn create_key(world: &World, settings: &BTreeMap<String, String>) -> String {
    let made = Command::new(env!("CARGO_BIN_EXE_trackscribe"))
        .args(["keys", "create", "the test"])
        .current_dir(world.folder.path())
        .envs(settings)
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// Everything that can go wrong on the way says what it was doing: Daily and storage fail and are asked again, the database
/// is restarted, and one recording fails for good. The pipeline makes no presigned addresses, so none can be in what this
/// run left; `X-Amz-` is looked for all the same, because signed requests have headers of that name. What becomes of a
/// presigned address in an error is tested with the storage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_logs_payloads_stored_events_or_answers() {
    let world = World::new().await;
    let (recording, broken) = (world.record("standup"), world.record("rejoin"));
    let mut settings = world.settings();
    let url = settings["DATABASE_URL"].replacen("tester@", &format!("tester:it's-{PASSWORD}@"), 1);
    assert!(url.contains(PASSWORD), "{url}");
    settings.insert("DATABASE_URL".to_owned(), url);
    // Whatever can be logged is.
    settings.insert("RUST_LOG".to_owned(), "trace".to_owned());
    let key = create_key(&world, &settings);
    let mut serve = world.serve_with(&settings).await;
    assert_eq!(serve.get("/v1/transcripts").await.unwrap().0, 401, "a key is asked for");
    serve.key = Some(key.clone());
    // Errors quote what was asked.
    world.s3.break_next(3, None, s3::Fault::Unavailable);
    world.daily.fault("/recordings/", crate::world::daily::Fault::Status(500), 1);
    serve.deliver_ready("evt-1", &recording).await;
    eventually("a window is kept", async || {
        (world.count("SELECT COUNT(*) FROM speech_windows").await > 0).then_some(())
    })
    .await;
    world.postgres.restart();
    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    world.s3.break_until_healed(None, s3::Fault::Denied);
    serve.deliver_ready("evt-2", &broken).await;
    let failed = serve.with_status(&broken, "error").await;
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended'";
    eventually("the requests end", async || (world.count(ended).await == 2).then_some(())).await;

    let item = serve.item(&recording).await.unwrap();
    let mut answers = String::new();
    for path in ["/healthz", "/readyz", "/v1/transcripts", "/v1/rooms", "/v1/meetings", "/v1/nothing"] {
        answers.push_str(&format!("{path} {:?}\n", serve.get(path).await));
    }
    for item in [item, failed] {
        let path = format!("/v1/transcripts/{}", item["id"].as_str().unwrap());
        answers.push_str(&format!("{:?}\n", serve.get(&path).await));
    }
    let (log, stored) = (serve.log(), everything_stored(&world).await);
    assert!(log.contains("terminating connection due to administrator command"), "the restart was noticed");
    assert!(stored.contains("access denied"), "a recording failed, and it is stored why");
    let places = [("log", log), ("database", stored), ("answers", answers)];
    assert!(places.iter().all(|(_, text)| text.len() > 1000), "there is something to look through");

    let recordings_token = crate::world::daily::ready_event("x", &Value::Null)["payload"]["share_token"].clone();
    let secrets = [
        settings["DAILY_API_KEY"].as_str(),
        settings["DAILY_WEBHOOK_SECRET"].as_str(),
        settings["STORAGE_ACCESS_KEY_ID"].as_str(),
        settings["STORAGE_SECRET_ACCESS_KEY"].as_str(),
        settings["DAILY_STORAGE_ACCESS_KEY_ID"].as_str(),
        settings["DAILY_STORAGE_SECRET_ACCESS_KEY"].as_str(),
        PASSWORD,
        key.as_str(),
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
