//! Many connections at once: at a rate of their own, or as fast as they are answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::Failed;
use crate::connection::Connection;
use crate::delivery::Deliveries;
use crate::report::Report;

/// Connections of a steady load: as many deliveries may be under way at once.
const STEADY_CONNECTIONS: u64 = 256;
/// Connections of a flood.
const FLOOD_CONNECTIONS: u64 = 64;
/// Until the first delivery, for all connections to be opened.
const HEAD_START: Duration = Duration::from_millis(200);

/// What is sent, and where.
pub struct Load {
    address: SocketAddr,
    deliveries: Arc<Deliveries>,
}

impl Load {
    /// Sends the deliveries of `run` to `address`, signed with `secret`.
    pub fn new(address: SocketAddr, secret: &str, run: &str) -> Result<Self, Failed> {
        Ok(Self { address, deliveries: Arc::new(Deliveries::new(secret, run)?) })
    }
}

/// Latencies of what was answered well, and how many were not.
type Answered = (Vec<Duration>, u64);

/// `rate` deliveries a second. The n-th is due n/rate seconds after the start and counts from there; it is sent by
/// whichever connection is free, late when none is.
pub async fn steady(load: &Load, rate: f64, duration: Duration) -> Report {
    let total = (rate * duration.as_secs_f64()).round() as u64;
    let (start, taken) = (Instant::now() + HEAD_START, Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    for _ in 0..STEADY_CONNECTIONS.min(total) {
        let (mut connection, deliveries, taken) =
            (Connection::new(load.address), load.deliveries.clone(), taken.clone());
        workers.spawn(async move {
            let mut answered: Answered = Default::default();
            loop {
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return answered;
                }
                let due = start + Duration::from_secs_f64(number as f64 / rate);
                sleep_until(due).await;
                note(&mut answered, connection.send(&deliveries.next()).await, due);
            }
        });
    }
    gathered(workers, start, Some((rate, duration))).await
}

/// Each connection sends the next delivery when the last is answered.
pub async fn flood(load: &Load, duration: Duration) -> Report {
    let start = Instant::now() + HEAD_START;
    let mut workers = JoinSet::new();
    for _ in 0..FLOOD_CONNECTIONS {
        let (mut connection, deliveries) = (Connection::new(load.address), load.deliveries.clone());
        workers.spawn(async move {
            let mut answered: Answered = Default::default();
            sleep_until(start).await;
            while start.elapsed() < duration {
                let began = Instant::now();
                note(&mut answered, connection.send(&deliveries.next()).await, began);
            }
            answered
        });
    }
    gathered(workers, start, None).await
}

fn note(answered: &mut Answered, is_good: bool, since: Instant) {
    if is_good {
        answered.0.push(since.elapsed());
    } else {
        answered.1 += 1;
    }
}

async fn gathered(mut workers: JoinSet<Answered>, start: Instant, wanted: Option<(f64, Duration)>) -> Report {
    let mut all: Answered = Default::default();
    while let Some(worker) = workers.join_next().await {
        // A worker that panicked is a mistake in this program: its deliveries are missing in the count.
        if let Ok((latencies, failed)) = worker {
            all.0.extend(latencies);
            all.1 += failed;
        }
    }
    Report::new(all.0, all.1, start.elapsed(), wanted)
}
