//! The same service where Hatchet executes: `serve` starts the runs, `worker` processes do the work.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::hatchet::Hatchet;
use crate::world::{Service, World, eventually, words_heard, words_said};

/// Windows of speech that are kept.
const KEPT: &str = "SELECT COUNT(*) FROM speech_windows";

/// The run of a recording's transcript.
async fn run_of(world: &World, recording: &Value) -> String {
    let pool = world.look().await;
    let id = recording["id"].as_str().unwrap();
    let run = eventually("the run has begun", async || {
        let sql = "SELECT run_id FROM run_requests WHERE recording_id = $1 AND run_id IS NOT NULL";
        sqlx::query_scalar(sql).bind(id).fetch_optional(&pool).await.unwrap()
    })
    .await;
    pool.close().await;
    run
}

/// Windows that these processes began to hear.
fn heard(processes: &[&Service]) -> usize {
    processes.iter().map(|process| process.log().matches(" hearing ").count()).sum()
}

async fn windows_kept(world: &World, at_least: i64) {
    eventually("windows are kept", async || (world.count(KEPT).await >= at_least).then_some(())).await;
}

/// What the embedded engine makes of a recording under a transcript's id: outputs by task.
async fn embedded(transcript: &str) -> BTreeMap<String, Value> {
    let world = World::new().await;
    let recording = world.record("standup");
    let mut serve = world.serve().await;
    let pool = world.look().await;
    let id = recording["id"].as_str().unwrap();
    sqlx::query("INSERT INTO recordings (id, created_at) VALUES ($1, 0)").bind(id).execute(&pool).await.unwrap();
    sqlx::query(
        "INSERT INTO transcripts (id, recording_id, status, created_at, updated_at) VALUES ($1, $2, 'idle', 0, 0)",
    )
    .bind(transcript)
    .bind(id)
    .execute(&pool)
    .await
    .unwrap();
    serve.deliver_ready("evt-1", &recording).await;
    serve.ended(&recording).await;
    let over = "SELECT COUNT(*) FROM runs WHERE parent_run IS NULL AND status = 'completed'";
    eventually("the run is over", async || (world.count(over).await == 1).then_some(())).await;
    let rows: Vec<(Option<String>, String, String)> = sqlx::query_as(
        "SELECT r.child_key, t.task, t.output FROM task_runs t JOIN runs r ON r.id = t.run_id WHERE t.output IS NOT NULL",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    pool.close().await;
    let place = |child: Option<String>| child.map_or_else(String::new, |track| format!("process_tracks[{track}]/"));
    let value = |output: String| serde_json::from_str(&output).unwrap();
    rows.into_iter().map(|(child, task, output)| (format!("{}{task}", place(child)), value(output))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_delivery_becomes_the_same_outputs_as_on_the_embedded_engine_to_the_byte() {
    let (world, hatchet) = (World::new().await, Hatchet::new().await);
    let mut settings = hatchet.with(&world.settings());
    settings.insert("RUST_LOG".to_owned(), "trace".to_owned());
    let recording = world.record("standup");
    let worker = world.work_with(&settings, &[]).await;
    settings.remove("SPEECH_MODEL");
    let mut serve = world.serve_with(&settings).await;
    let (status, ready) = serve.get("/readyz").await.unwrap();
    assert_eq!(status, 200, "{ready}");
    serve.deliver_ready("evt-1", &recording).await;

    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended' AND last_error IS NULL";
    eventually("the request ends", async || (world.count(ended).await == 1).then_some(())).await;

    let run = run_of(&world, &recording).await;
    let outputs = hatchet.outputs(&run).await;
    // 13 tasks, and two for each of three tracks.
    assert_eq!(outputs.len(), 19, "{:?}", outputs.keys());
    let id = serve.item(&recording).await.unwrap()["id"].as_str().unwrap().to_owned();
    let expected = embedded(&id).await;
    for (task, expected) in &expected {
        assert_eq!(json!(outputs.get(task)).to_string(), expected.to_string(), "{task}");
    }
    assert_eq!(outputs.len(), expected.len());

    let page = hatchet.page(&run).await;
    let first = page.tasks.iter().find(|task| task.task() == Some("get_recording")).unwrap();
    assert_eq!(first.input["input"]["transcript_id"], json!(id));
    assert_eq!(first.retry_count, Some(0));
    let lines = hatchet.rest.task_logs(&first.task_external_id).await.unwrap();
    assert!(lines.iter().any(|line| line.message.contains("3 tracks of speech")), "{lines:?}");
    if hatchet.is_real() {
        let events = hatchet.rest.task_events(&first.task_external_id).await.unwrap();
        assert!(events.iter().any(|event| event.event_type == "FINISHED"), "{events:?}");
    }
    hatchet.assert_no_violation();
    for process in [&serve, &worker] {
        assert!(!process.log().contains(hatchet.token()), "the token is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_the_middle_of_listening_costs_one_window_at_most() {
    let (world, hatchet) = (World::new().await, Hatchet::new().await);
    let settings = hatchet.with(&world.settings());
    let recording = world.record_long(5);
    let mut serve = world.serve_with(&settings).await;
    let one = ["--slots", "speech=1"];
    let mut first = world.work_with(&settings, &[&one[..], &["--name", "first"]].concat()).await;
    serve.deliver_ready("evt-1", &recording).await;
    windows_kept(&world, 2).await;
    first.kill();
    let kept = world.count(KEPT).await;
    hatchet.notice_loss_of("first");
    let second = world.work_with(&settings, &[&one[..], &["--name", "second"]].concat()).await;
    serve.ended(&recording).await;
    let (all, heard) = (world.count(KEPT).await, heard(&[&first, &second]) as i64);
    assert!(kept >= 2 && kept < all, "killed after {kept} of {all} windows");
    assert!((all..=all + 1).contains(&heard), "{heard} windows were heard, {all} are kept");
    hatchet.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_stopped_three_times_in_one_transcription_goes_on_where_it_was_without_a_retry_spent() {
    let (world, hatchet) = (World::new().await, Hatchet::new().await);
    let settings = hatchet.with(&world.settings());
    let recording = world.record_long(8);
    let mut serve = world.serve_with(&settings).await;
    let arguments = ["--slots", "speech=1", "--grace", "0"];
    let mut workers = vec![world.work_with(&settings, &arguments).await];
    serve.deliver_ready("evt-1", &recording).await;
    let run = run_of(&world, &recording).await;
    for _ in 0..3 {
        let before = world.count(KEPT).await;
        windows_kept(&world, before + 2).await;
        let stopped = workers.last_mut().unwrap();
        assert_eq!(stopped.terminate(), Some(0));
        workers.push(world.work_with(&settings, &arguments).await);
    }
    serve.ended(&recording).await;
    let (all, heard) = (world.count(KEPT).await, heard(&workers.iter().collect::<Vec<_>>()) as i64);
    assert!((all..=all + 3).contains(&heard), "{heard} windows were heard, {all} are kept");
    let children = hatchet.children(&run).await;
    let child = hatchet.page(&children[0]).await;
    let transcribe = child.tasks.iter().find(|task| task.task() == Some("transcribe_track")).unwrap();
    assert_eq!(transcribe.retry_count, Some(3), "it was taken over three times");
    if hatchet.is_real() {
        let events = hatchet.rest.task_events(&transcribe.task_external_id).await.unwrap();
        let spent = events.iter().filter(|event| matches!(event.event_type.as_str(), "FAILED" | "RETRYING"));
        assert_eq!(spent.collect::<Vec<_>>(), Vec::<&_>::new());
    }
    hatchet.assert_no_violation();
}

/// Something happens to the engine while a recording is listened to: the run completes, and nothing is heard twice.
async fn survives(hatchet: &Hatchet, mishap: impl AsyncFnOnce() -> bool) {
    let world = World::new().await;
    let settings = hatchet.with(&world.settings());
    let recording = world.record_long(3);
    let mut serve = world.serve_with(&settings).await;
    let worker = world.work_with(&settings, &[]).await;
    serve.deliver_ready("evt-1", &recording).await;
    windows_kept(&world, 1).await;
    assert!(mishap().await);
    serve.ended(&recording).await;
    assert_eq!(heard(&[&worker]) as i64, world.count(KEPT).await);
    hatchet.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_a_run_survives_an_engine_that_is_killed_and_comes_back() {
    let hatchet = Hatchet::new().await;
    if !hatchet.is_real() || std::env::var_os("HATCHET_TEST_KILL").is_some() {
        survives(&hatchet, async || hatchet.restart().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_a_run_survives_an_engine_whose_database_stands_still() {
    let hatchet = Hatchet::new().await;
    if hatchet.is_real() && std::env::var_os("HATCHET_TEST_PAUSE").is_some() {
        survives(&hatchet, async || hatchet.stand_still().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_meetings_of_four_tracks_at_once_on_four_slots_of_each_pool_complete() {
    let (world, hatchet) = (World::new().await, Hatchet::new().await);
    let settings = hatchet.with(&world.settings());
    let recordings = world.record_many(20, 4);
    let mut serve = world.serve_with(&settings).await;
    let slots = ["--slots", "io=4", "--slots", "audio=4", "--slots", "speech=4"];
    let _worker = world.work_with(&settings, &slots).await;
    for (nth, recording) in recordings.iter().enumerate() {
        serve.deliver_ready(&format!("evt-{nth}"), recording).await;
    }
    for recording in &recordings {
        serve.ended(recording).await;
    }
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended' AND last_error IS NULL";
    eventually("all requests end", async || (world.count(ended).await == 20).then_some(())).await;
    hatchet.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_ends_a_worker_with_an_exit_code_of_its_own() {
    let (world, hatchet) = (World::new().await, Hatchet::new().await);
    if !hatchet.refuse() {
        return;
    }
    let mut worker = world.spawn_worker(&hatchet.with(&world.settings()), &[]);
    assert_eq!(worker.code().await, Some(3), "{}", worker.log());
    let log = worker.log();
    assert!(log.contains("HATCHET_CLIENT_TOKEN") && !log.contains(hatchet.token()), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_begins_while_the_engine_is_away_waits_for_it() {
    let (world, hatchet) = (World::new().await, Hatchet::new().await);
    if hatchet.is_real() {
        return;
    }
    hatchet.go_away();
    let mut worker = world.spawn_worker(&hatchet.with(&world.settings()), &[]);
    worker.answers("/healthz").await;
    let (status, ready) = worker.get("/readyz").await.unwrap();
    assert_eq!(status, 503, "{ready}");
    assert!(ready["checks"]["hatchet"].to_string().contains("not registered"), "{ready}");
    hatchet.come_back().await;
    worker.answers("/readyz").await;
    assert_eq!(worker.terminate(), Some(0));
}
