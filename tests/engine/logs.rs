//! What tasks say reaches followers at once and the store in batches.

use serde_json::json;
use trackscribe::engine::embedded::Happening;
use trackscribe::engine::{Engine, StartOptions};
use trackscribe::workflow::LogLevel;

use crate::support::{Bench, attempts, head, registry, roomy, soon, step, task};

async fn log_lines_and_progress_are_kept_and_followed(bench: Bench) {
    let talks = task(|ctx, _, _| async move {
        ctx.log(LogLevel::Info, "hello");
        ctx.progress(0.5, "halfway");
        ctx.put_stream(b"bytes");
        ctx.log(LogLevel::Warn, "careful");
        Ok(json!({}))
    });
    let registry = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", talks)]);
    let engine = bench.engine(&registry).await;
    let mut events = engine.subscribe();
    let run = engine.start("One", json!({}), StartOptions::default()).await.unwrap();
    soon(engine.wait(&run)).await.unwrap();
    let store = bench.store().await;
    let attempt = attempts(&store, &run, "only").await.remove(0);
    let lines = store.log(&attempt.id).await.unwrap();
    let lines: Vec<_> = lines.iter().map(|line| (line.level.as_str(), line.line.as_str())).collect();
    assert_eq!(lines, [("info", "hello"), ("warn", "careful")]);
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        assert_eq!(event.source.run, run);
        seen.push(match event.what {
            Happening::RunStarted => "run started".to_owned(),
            Happening::TaskStarted { task, attempt } => format!("{task} started {attempt}"),
            Happening::Progress { fraction, doing, .. } => format!("{fraction} {doing}"),
            Happening::Log { line, .. } => line,
            Happening::Stream { chunk, .. } => String::from_utf8(chunk).unwrap(),
            Happening::Retrying { .. } => "retrying".to_owned(),
            Happening::TaskFinished { task, status } => format!("{task} {status}"),
            Happening::RunFinished { status } => format!("run {status}"),
        });
    }
    let expected = [
        "run started",
        "only started 1",
        "hello",
        "0.5 halfway",
        "bytes",
        "careful",
        "only completed",
        "run completed",
    ];
    assert_eq!(seen, expected);
}

async fn e12_a_flood_of_lines_drops_the_oldest_and_says_how_many(bench: Bench) {
    let floods = task(|ctx, _, _| async move {
        for n in 0..5000 {
            ctx.log(LogLevel::Debug, n.to_string());
        }
        Ok(json!({}))
    });
    let registry = registry(&[head("One") + &step("only", &[], "")], roomy(), vec![("One.only", floods)]);
    let (_engine, run, _) = bench.run(&registry, "One").await;
    let store = bench.store().await;
    let attempt = attempts(&store, &run, "only").await.remove(0);
    let lines = store.log(&attempt.id).await.unwrap();
    assert_eq!(lines.last().unwrap().line, "4999");
    let dropped = lines.iter().find(|line| line.line.contains("lines were dropped here")).unwrap();
    let count: usize = dropped.line.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(lines.len() - 1 + count, 5000);
}

on_both_databases! {
    log_lines_and_progress_are_kept_and_followed,
    e12_a_flood_of_lines_drops_the_oldest_and_says_how_many,
}
