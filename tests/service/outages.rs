//! What the service stands on goes away for a while in the middle of a run.

use crate::world::{World, daily, eventually, s3, words_heard, words_said};

#[tokio::test]
async fn a_run_survives_a_restart_of_postgresql() {
    let world = World::new().await;
    let recording = world.record("standup");
    let mut serve = world.serve().await;
    serve.deliver_ready("evt-1", &recording).await;
    eventually("a window is kept", async || {
        (world.count("SELECT COUNT(*) FROM speech_windows").await > 0).then_some(())
    })
    .await;
    world.postgres.restart();
    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    assert_eq!(world.count("SELECT COUNT(*) FROM runs WHERE parent_run IS NULL").await, 1);
}

#[tokio::test]
async fn a_run_survives_a_storage_that_is_busy_and_then_cuts_a_body() {
    let world = World::new().await;
    let recording = world.record("standup");
    let mut serve = world.serve().await;
    world.s3.break_next(6, None, s3::Fault::Unavailable);
    world.s3.break_next(3, Some(s3::Operation::Get), s3::Fault::CutBody { after: 20_000 });
    serve.deliver_ready("evt-1", &recording).await;
    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
}

/// What Daily lists of a recording just after it said that it is ready may be nothing at all.
#[tokio::test]
async fn a_run_survives_a_daily_that_is_busy_broken_and_garbled() {
    let world = World::new().await;
    let recording = world.record("standup");
    let mut serve = world.serve().await;
    world.daily.fault("/recordings/", daily::Fault::TooMany(Some("1".to_owned())), 1);
    world.daily.fault("/recordings/", daily::Fault::Status(500), 1);
    world.daily.fault("/recordings/", daily::Fault::Garbage, 1);
    world.daily.fault("/recordings/", daily::Fault::NullLists, 1);
    world.daily.fault("/participants", daily::Fault::Html, 1);
    world.daily.fault("/participants", daily::Fault::NullLists, 1);
    serve.deliver_ready("evt-1", &recording).await;
    let transcript = serve.ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
}
