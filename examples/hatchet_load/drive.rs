//! Starts runs and measures how long they take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use trackscribe::engine::hatchet::HatchetEngine;
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};

/// Runs under way at once, where throughput is measured.
const AT_ONCE: usize = 100;
/// Runs whose latency is measured, one after another.
const ALONE: usize = 100;

/// Measures and prints.
pub async fn measure(engine: &Arc<HatchetEngine>, what: &str, count: usize) -> anyhow::Result<()> {
    let told = match what {
        "noop" => noop(engine, count).await?,
        "join" => {
            let took = one(engine, "LoadJoin", json!({"children": count})).await?;
            json!({"what": "join", "children": count, "seconds": took.as_secs_f64()})
        }
        "dag" => {
            let mut took = Vec::new();
            for _ in 0..count {
                took.push(one(engine, "LoadPipeline", json!({"transcript_id": uuid::Uuid::now_v7()})).await?);
            }
            json!({"what": "dag", "runs": count, "seconds": spread(took)})
        }
        _ => bail!("there is no measurement {what:?}"),
    };
    println!("{told}");
    Ok(())
}

async fn noop(engine: &Arc<HatchetEngine>, count: usize) -> anyhow::Result<Value> {
    let began = Instant::now();
    let runs = stream::iter(0..count).map(|_| one(engine, "LoadNoop", json!({}))).buffer_unordered(AT_ONCE);
    let took: Vec<anyhow::Result<Duration>> = runs.collect().await;
    let all = began.elapsed();
    took.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut alone = Vec::new();
    for _ in 0..ALONE {
        alone.push(one(engine, "LoadNoop", json!({})).await?);
    }
    Ok(json!({
        "what": "noop", "runs": count, "runs_per_second": count as f64 / all.as_secs_f64(), "alone_seconds": spread(alone),
    }))
}

async fn one(engine: &HatchetEngine, workflow: &str, input: Value) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let run = engine.start(workflow, input, StartOptions::default()).await?;
    let outcome = engine.wait(&run).await?;
    ensure!(outcome.status == RunStatus::Completed, "run {run} {}: {:?}", outcome.status, outcome.failure);
    Ok(began.elapsed())
}

fn spread(mut took: Vec<Duration>) -> Value {
    took.sort_unstable();
    let at = |share: f64| took.get(((took.len() as f64 - 1.0) * share).round() as usize).map(Duration::as_secs_f64);
    json!({"p50": at(0.5), "p99": at(0.99), "most": at(1.0)})
}
