//! Several processes on one database: one executes, and whichever of them dies, each recording is made once.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::world::{World, daily, daily::WEBHOOK_SECRET, eventually, now, words_heard, words_said};

/// Ids under which one recording is told of.
const EVENTS: usize = 5;

/// Microseconds since the epoch, as the database has them.
fn micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

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
    // Five events, each ten times, spread over the processes: as if Daily told of one recording under several ids.
    let signed = now();
    let deliveries = (0..15).map(|nth| {
        let (event, process) = (nth % EVENTS, nth % processes.len());
        let (url, signed) = (processes[process].webhook(), &signed);
        let event = daily::ready_event(&format!("evt-{event}"), &recording);
        let times = if nth < EVENTS { 4 } else { 3 };
        async move { daily::deliver_at_once(&url, WEBHOOK_SECRET, signed, &event, times).await }
    });
    let answers: Vec<u16> = futures::future::join_all(deliveries).await.concat();
    assert_eq!(answers, [200; 50]);

    // In the middle of listening.
    eventually("a window is kept", async || {
        (world.count("SELECT COUNT(*) FROM speech_windows").await > 0).then_some(())
    })
    .await;
    let killed = micros();
    processes[executor].kill();
    let mut survivors: Vec<_> =
        processes.into_iter().enumerate().filter_map(|(at, process)| (at != executor).then_some(process)).collect();
    eventually("another one executes", async || {
        (survivors[0].executes().await || survivors[1].executes().await).then_some(())
    })
    .await;
    let (told, taken) = (micros() - killed, world.count("SELECT taken_at FROM executor").await - killed);
    assert!((0..10_000_000).contains(&taken), "another process executed {taken} µs after the kill");
    // /readyz answers for 5 s what it found, and may take 2 s to find it.
    assert!(told < 17_000_000, "told of it {told} µs after the kill");

    let transcript = survivors[0].ended(&recording).await;
    assert_eq!(words_heard(&transcript), words_said("standup"));
    let ended = "SELECT COUNT(*) FROM run_requests WHERE state = 'ended' AND last_error IS NULL";
    eventually("the request ends", async || (world.count(ended).await == 1).then_some(())).await;
    // All deliveries were worked on, and the poller has looked once more, whoever of the two does it now.
    let end = micros();
    let waiting = "SELECT COUNT(*) FROM daily_events WHERE state = 'waiting'";
    eventually("the inbox is empty", async || (world.count(waiting).await == 0).then_some(())).await;
    eventually("the poller looked", async || {
        (world.count("SELECT MAX(updated_at) FROM cursors").await > end).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT COUNT(*) FROM daily_events").await, EVENTS as i64);
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
