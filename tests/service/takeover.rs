//! Several processes on one database: one executes, and whichever of them dies, each recording is made once.

use crate::world::{World, daily, daily::WEBHOOK_SECRET, eventually, now, words_heard, words_said};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u10_fifty_deliveries_at_once_a_poller_and_a_killed_executor_make_one_run() {
    let world = World::new().await;
    let mut settings = world.settings();
    settings.insert("POLL_INTERVAL".to_owned(), "1s".to_owned());
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(world.serve_with(&settings).await);
    }
    eventually("the poller begins", async || (world.count("SELECT COUNT(*) FROM cursors").await > 0).then_some(()))
        .await;
    let executor = eventually("one of them executes", async || {
        for (at, process) in processes.iter().enumerate() {
            if process.executes().await {
                return Some(at);
            }
        }
        None
    })
    .await;

    // Found by the poller, too.
    let recording = world.record_now("standup");
    let event = daily::ready_event("evt-1", &recording);
    let signed = now();
    let deliveries = processes.iter().enumerate().map(|(at, process)| {
        let (url, event, signed) = (process.webhook(), &event, &signed);
        async move { daily::deliver_at_once(&url, WEBHOOK_SECRET, signed, event, if at == 0 { 18 } else { 16 }).await }
    });
    let answers: Vec<u16> = futures::future::join_all(deliveries).await.concat();
    assert_eq!(answers, [200; 50]);

    // In the middle of listening.
    eventually("a window is kept", async || {
        (world.count("SELECT COUNT(*) FROM speech_windows").await > 0).then_some(())
    })
    .await;
    processes[executor].kill();
    let killed = std::time::Instant::now();
    let mut survivors: Vec<_> =
        processes.into_iter().enumerate().filter_map(|(at, process)| (at != executor).then_some(process)).collect();
    eventually("another one executes", async || {
        (survivors[0].executes().await || survivors[1].executes().await).then_some(())
    })
    .await;
    // 10 s, and what /readyz remembers for a while.
    println!("another process executed {:.1} s after the kill", killed.elapsed().as_secs_f64());

    let transcript = survivors[0].ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    assert_eq!(world.count("SELECT COUNT(*) FROM daily_events").await, 1);
    // A round of the poller and of the inbox more.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    for (sql, expected) in [
        ("SELECT COUNT(*) FROM runs WHERE parent_run IS NULL", 1),
        ("SELECT COUNT(*) FROM runs WHERE status <> 'completed'", 0),
        ("SELECT COUNT(*) FROM run_requests", 1),
        ("SELECT COUNT(*) FROM transcripts", 1),
        // The killed one's attempts, which cost no retry.
        ("SELECT COUNT(*) FROM task_runs WHERE failures > 0", 0),
    ] {
        assert_eq!(world.count(sql).await, expected, "{sql}");
    }
    assert!(world.count("SELECT COUNT(*) FROM attempts WHERE outcome = 'interrupted'").await > 0);
}
