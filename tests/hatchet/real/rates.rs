//! Rate limits on the real engine.

use futures::future::join_all;

use super::*;
use crate::rates::{limited, most_within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_over_the_limit_waits_and_nobody_fails() {
    let name = fresh("RealLimited");
    let (registry, began) = limited(&name, &fresh("limited"), 3);
    let Some(real) = Real::with(registry).await else { return };
    let (one, other) = (real.worker(Duration::from_secs(5)).await, real.worker(Duration::from_secs(5)).await);
    let asked = Instant::now();
    let runs = join_all((0..12).map(|_| real.start(&name))).await;
    for run in &runs {
        let outcome = within(120, real.engine.wait(run)).await.unwrap();
        assert_eq!((outcome.status, &outcome.output["a"]), (RunStatus::Completed, &json!({"attempt": 1})));
    }
    let mut after: Vec<u128> = began.lock().unwrap().iter().map(|at| (*at - asked).as_millis()).collect();
    after.sort_unstable();
    eprintln!("began after {after:?} ms");
    eprintln!("{:?}", most_within(&began, Duration::from_millis(900)));
    tokio::join!(one.stop(), other.stop());
}
