//! Starts runs, waits for them, and prints how long they took and what the worker took for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use trackscribe::engine::hatchet::HatchetEngine;
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};

use super::process::{Memory, Tree};

/// Runs under way at once, where throughput is measured.
const AT_ONCE: usize = 100;
/// Runs whose latency is measured one after another.
const ALONE: usize = 100;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Starts runs of one namespace.
pub struct Drive {
    engine: HatchetEngine,
}

impl Drive {
    /// With a way to the engine.
    pub fn new(engine: HatchetEngine) -> Self {
        Self { engine }
    }

    /// Runs of one task.
    pub async fn noop(&self, worker: &Tree, runs: usize) -> anyhow::Result<()> {
        self.one("LoadNoop", json!({})).await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (cpu_before, began) = (worker.cpu()?, Instant::now());
        let loaded = async {
            let all = stream::iter(0..runs).map(|_| self.one("LoadNoop", json!({}))).buffer_unordered(AT_ONCE);
            let took: Vec<anyhow::Result<Duration>> = all.collect().await;
            let elapsed = began.elapsed();
            is_over.store(true, Ordering::Relaxed);
            anyhow::Ok((took.into_iter().collect::<anyhow::Result<Vec<_>>>()?, elapsed))
        };
        let (loaded, memory) = tokio::join!(loaded, highest(worker, &is_over));
        let ((took, elapsed), memory) = (loaded?, memory?);
        let cpu = worker.cpu()? - cpu_before;
        figure("noop_per_second", runs as f64 / elapsed.as_secs_f64());
        figure("noop_cpu_ms", cpu.as_secs_f64() * 1000.0 / runs as f64);
        figure("noop_pss_mb", memory.proportional as f64 / 1e6);
        figure("noop_rss_mb", memory.resident as f64 / 1e6);
        spread("noop", took);
        spread("alone", self.after_another("LoadNoop", ALONE, || json!({})).await?);
        Ok(())
    }

    /// A parent that waits for its children.
    pub async fn join(&self, children: usize, times: usize) -> anyhow::Result<()> {
        let took = self.after_another("LoadJoin", times, || json!({"children": children})).await?;
        spread(&format!("join_{children}"), took);
        Ok(())
    }

    /// The pipeline's graph.
    pub async fn dag(&self, times: usize) -> anyhow::Result<()> {
        // No two runs may share a transcript: the second would wait for the first.
        let took = self.after_another("LoadPipeline", times, || json!({"transcript_id": uuid::Uuid::now_v7()})).await?;
        spread("dag", took);
        Ok(())
    }

    async fn after_another(
        &self,
        workflow: &str,
        times: usize,
        input: impl Fn() -> Value,
    ) -> anyhow::Result<Vec<Duration>> {
        // The first opens what is kept open.
        self.one("LoadNoop", json!({})).await?;
        let mut took = Vec::new();
        for _ in 0..times {
            took.push(self.one(workflow, input()).await?);
        }
        Ok(took)
    }

    /// From asking for a run to having its result.
    async fn one(&self, workflow: &str, input: Value) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let run = self.engine.start(workflow, input, StartOptions::default()).await?;
        let outcome = self.engine.wait(&run).await?;
        ensure!(outcome.status == RunStatus::Completed, "run {run} {}: {:?}", outcome.status, outcome.failure);
        Ok(began.elapsed())
    }
}

/// What a worker takes that has nothing to do.
pub async fn idle(worker: &Tree, time: Duration) -> anyhow::Result<()> {
    let before = worker.cpu()?;
    tokio::time::sleep(time).await;
    let cpu = worker.cpu()? - before;
    let memory = worker.memory()?;
    figure("idle_cpu_percent", 100.0 * cpu.as_secs_f64() / time.as_secs_f64());
    figure("idle_pss_mb", memory.proportional as f64 / 1e6);
    figure("idle_rss_mb", memory.resident as f64 / 1e6);
    Ok(())
}

/// The most memory until it is over.
async fn highest(worker: &Tree, is_over: &AtomicBool) -> anyhow::Result<Memory> {
    let mut most = Memory::default();
    while !is_over.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
        let now = worker.memory()?;
        if now.proportional > most.proportional {
            most = now;
        }
    }
    Ok(most)
}

fn spread(name: &str, mut took: Vec<Duration>) {
    if took.is_empty() {
        return;
    }
    took.sort_unstable();
    let at = |share: f64| {
        let rank = (took.len() as f64 * share).ceil() as usize;
        took.get(rank.saturating_sub(1)).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    };
    figure(&format!("{name}_p50_ms"), at(0.5));
    figure(&format!("{name}_p99_ms"), at(0.99));
}

fn figure(name: &str, value: f64) {
    println!("{name} {value:.3}");
}
