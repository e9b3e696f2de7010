//! Rate limits: put before the workflows that use them, and held to by all workers together.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use trackscribe::engine::hatchet::{Settings, Worker};
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::workflow::Registry;

use crate::double::Double;
use crate::support::*;

/// Moments at which attempts began.
pub type Began = Arc<Mutex<Vec<Instant>>>;

/// A workflow of one task, each attempt of which takes one unit of a limit per second.
pub fn limited(name: &str, key: &str, limit: u32) -> (Registry, Began) {
    let began = Began::default();
    let file = format!(
        "{}[[rate_limit]]\nkey = \"{key}\"\nlimit = {limit}\nper = \"second\"\n{}",
        head(name),
        step("a", &[], &format!("rate_limits = {{ {key} = 1 }}"))
    );
    let times = Arc::clone(&began);
    let work = task(move |ctx, _, _| {
        times.lock().unwrap().push(Instant::now());
        async move { Ok(json!({"attempt": ctx.identity().attempt})) }
    });
    (registry(&[file], slots(20), &[(&format!("{name}.a"), work)]), began)
}

/// The most that began within a span of this length, wherever it begins.
pub fn most_within(began: &Began, span: Duration) -> usize {
    let mut began = began.lock().unwrap().clone();
    began.sort_unstable();
    let within = |start: &Instant| began.iter().filter(|at| *at >= start && **at - *start < span).count();
    began.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_over_the_limit_waits_and_nobody_fails() {
    let (double, (registry, began)) = (Double::start().await, limited("Limited", "api", 3));
    let second = Duration::from_millis(150);
    double.look(|state| state.tempo.second = second);
    let (first, other) = tokio::join!(worker(&double, &registry), try_worker(&double, &registry, options("other")));
    let engine = client(&double, &registry).await;
    let start = || engine.start("Limited", json!({}), StartOptions::default());
    let runs = join_all((0..12).map(|_| async { start().await.unwrap() })).await;
    for run in &runs {
        let outcome = soon(engine.wait(run)).await.unwrap();
        // Waiting is no attempt.
        assert_eq!((outcome.status, &outcome.output["a"]), (RunStatus::Completed, &json!({"attempt": 1})));
    }
    let mut sent: Vec<_> =
        double.look(|state| runs.iter().flat_map(|run| state.view(run.as_str(), "a").sent).collect());
    sent.sort_unstable();
    assert!(sent[11] - sent[0] >= second * 3, "{:?}", sent[11] - sent[0]);
    assert_eq!(began.lock().unwrap().len(), 12);
    let other = other.unwrap();
    tokio::join!(first.stop(), other.stop());
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_put_before_workflows_and_belong_to_the_whole_tenant() {
    let (double, (registry, _)) = (Double::start().await, limited("Limited", "api", 3));
    let plain = worker(&double, &registry).await;
    let staging = Settings { namespace: "staging".to_owned(), ..settings(&double) };
    let (connection, rest) = connect(staging).await;
    let staging = soon(Worker::start(connection, rest, registry.clone(), options("s"), clock())).await.unwrap();
    double.look(|state| {
        assert_eq!(state.workflows.keys().collect::<Vec<_>>(), ["Limited", "staging_Limited"]);
        assert_eq!((state.rates.limit("api"), state.rates.limit("staging_api")), (Some(3), None));
    });
    // A restart with another number changes it.
    let (less, _) = limited("Limited", "api", 2);
    let again = soon(try_worker(&double, &less, options("again"))).await.unwrap();
    assert_eq!(double.look(|state| state.rates.limit("api")), Some(2));
    tokio::join!(plain.stop(), staging.stop(), again.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_away_while_limits_are_put_is_waited_for() {
    let (double, (registry, _)) = (Double::start().await, limited("Limited", "api", 3));
    double.faults(|faults| faults.no_rate_limits = 2);
    soon(worker(&double, &registry)).await.stop().await;
    assert_eq!(double.look(|state| (state.faults.no_rate_limits, state.rates.limit("api"))), (0, Some(3)));
}
