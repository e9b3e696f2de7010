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
    let mut after: Vec<Duration> = began.lock().unwrap().iter().map(|at| *at - asked).collect();
    after.sort_unstable();
    let most = most_within(&began, Duration::from_millis(900));
    eprintln!("at most {most} within 0.9 s; began after {after:?}");
    // The engine's windows are fixed, and 10 ms short: two of them may meet, one used up at its end and one at its beginning.
    // Twelve need four.
    assert!(most <= 6, "{most}");
    assert!(after[11] - after[0] >= Duration::from_millis(1900), "{after:?}");
    tokio::join!(one.stop(), other.stop());
}
