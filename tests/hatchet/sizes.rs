//! What is larger than a message may be. Our own tasks never make it; somebody else's worker under the same run may.
//! Each scenario runs on the double and on a real engine.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;
use trackscribe::engine::{Engine as _, RunStatus, StartOptions};
use trackscribe::failure::FailureClass;
use trackscribe::workflow::{Child, ChildOutputs, FanOutHandler, Handler, Pool, Registry, TaskContext, TaskError};

use crate::double::Double;
use crate::raw::Raw;
use crate::support::*;

/// An output that fits into a message, and twice does not.
fn large() -> Value {
    json!({"text": "x".repeat(5 << 19)})
}

/// An output that fits into a message, but with its run's others is not told to who waits for the run.
fn too_large_to_be_told() -> Value {
    json!({"text": "x".repeat(7 << 19)})
}

fn nothing() -> Handler {
    task(|_, _, _| async { Ok(json!({})) })
}

fn joined(files: &[String], code: &[(String, Handler)]) -> Registry {
    let code: Vec<(&str, Handler)> = code.iter().map(|(name, code)| (name.as_str(), code.clone())).collect();
    registry(files, slots(4), &code)
}

/// A parent that tells how many bytes its children's tasks made.
struct Measuring;

#[async_trait]
impl FanOutHandler for Measuring {
    async fn plan(&self, _: &TaskContext, _: Value, _: Value) -> Result<Vec<Child<Value>>, TaskError> {
        Ok(["a", "b"].map(|key| Child { key: key.to_owned(), input: json!({}) }).into())
    }

    async fn collect(
        &self,
        _: &TaskContext,
        _: Value,
        _: Value,
        children: &mut dyn ChildOutputs<Value>,
    ) -> Result<Value, TaskError> {
        let mut measured = serde_json::Map::new();
        while let Some((key, outputs)) = children.next().await? {
            let bytes = |output: &Value| output["text"].as_str().unwrap().len();
            let outputs = outputs.as_object().unwrap();
            let sizes: Value = outputs.iter().map(|(task, output)| (task.clone(), json!(bytes(output)))).collect();
            measured.insert(key, sizes);
        }
        Ok(Value::Object(measured))
    }
}

/// A parent of ours whose children are somebody else's.
async fn large_children(world: &World, tasks: &[&str], output: fn() -> Value) -> Value {
    let (parent, child) = (fresh("Measuring"), fresh("Large"));
    let fan = format!("fan_out = \"{child}\"\nexecution_timeout = \"1h\"");
    let steps: String = tasks.iter().map(|task| step(task, &[], "pool = \"audio\"")).collect();
    let files = [format!("{}{}", head(&parent), step("fan", &[], &fan)), format!("{}{steps}", head(&child))];
    let mut code = vec![(format!("{parent}.fan"), Handler::FanOut(Arc::new(Measuring)))];
    code.extend(tasks.iter().map(|task| (format!("{child}.{task}"), nothing())));
    let registry = joined(&files, &code);
    let worker = world.worker(&registry, |options| options.pools = [Pool::Io].into()).await;
    let actions: Vec<String> = tasks.iter().map(|task| format!("{}:{task}", child.to_lowercase())).collect();
    let _raw = Raw::start(&world.settings, &fresh("raw"), &actions, output).await;
    let (engine, _) = world.engine(&registry).await;
    let run = engine.start(&parent, json!({}), StartOptions::default()).await.unwrap();
    let outcome = world.within(engine.wait(&run)).await.unwrap();
    worker.stop().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    outcome.output["fan"].clone()
}

/// Outputs that can't be handed on together: that run fails, and the worker goes on with others meanwhile.
async fn oversized_action(world: &World) {
    let (big, small) = (fresh("Big"), fresh("Small"));
    let join = step("join", &["one", "two"], "");
    let big_file =
        format!("{}{}{}{join}", head(&big), step("one", &[], "pool = \"audio\""), step("two", &[], "pool = \"audio\""));
    let files = [big_file, format!("{}{}", head(&small), step("a", &[], ""))];
    let tally = Tally::default();
    let (joins, counts) = (tally.clone(), tally.clone());
    let join = task(move |_, _, _| {
        joins.add("join");
        async { Ok(json!({})) }
    });
    let work = task(move |_, _, _| {
        counts.add("small");
        async { Ok(json!({})) }
    });
    let code = [
        (format!("{big}.one"), nothing()),
        (format!("{big}.two"), nothing()),
        (format!("{big}.join"), join),
        (format!("{small}.a"), work),
    ];
    let registry = joined(&files, &code);
    let worker = world.worker(&registry, |options| options.pools = [Pool::Io].into()).await;
    let actions = ["one", "two"].map(|task| format!("{}:{task}", big.to_lowercase()));
    let _raw = Raw::start(&world.settings, &fresh("raw"), &actions, large).await;
    let (engine, _) = world.engine(&registry).await;
    let began = Instant::now();
    let run = engine.start(&big, json!({}), StartOptions::default()).await.unwrap();
    // Others go on all the while.
    let (mut others, mut slowest) = (0, Duration::ZERO);
    let outcome = {
        let ended = world.within(engine.wait(&run));
        tokio::pin!(ended);
        loop {
            let other = async {
                let asked = Instant::now();
                let run = engine.start(&small, json!({}), StartOptions::default()).await.unwrap();
                assert_eq!(world.within(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
                asked.elapsed()
            };
            tokio::pin!(other);
            tokio::select! {
                outcome = &mut ended => break outcome.unwrap(),
                took = &mut other => {
                    others += 1;
                    slowest = slowest.max(took);
                    tokio::time::sleep(world.pace.heartbeat / 20).await;
                }
            }
        }
    };
    let streams = worker.snapshot().posts["io"].streams;
    eprintln!(
        "an oversized action: failed after {:?}; {others} other runs, the slowest took {slowest:?}; {streams} streams; {:?}",
        began.elapsed(),
        outcome.failure
    );
    let failure = outcome.failure.unwrap();
    assert_eq!((outcome.status, failure.task.as_deref(), tally.of("join")), (RunStatus::Failed, Some("join"), 0));
    assert!(others > 0 && tally.of("small") >= others, "{others}");
    // And it goes on afterwards.
    let run = engine.start(&small, json!({}), StartOptions::default()).await.unwrap();
    assert_eq!(world.within(engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    worker.stop().await;
}

/// A task of ours that tries to make too much.
async fn too_large_output(world: &World) {
    let (name, tally) = (fresh("Greedy"), Tally::default());
    let counts = tally.clone();
    let work = task(move |_, _, _| {
        counts.add("a");
        async { Ok(json!({"words": "x".repeat(5 << 20)})) }
    });
    let registry = joined(&[one(&name, "")], &[(format!("{name}.a"), work)]);
    let worker = world.worker(&registry, |_| {}).await;
    let (engine, _) = world.engine(&registry).await;
    let run = engine.start(&name, json!({}), StartOptions::default()).await.unwrap();
    let failure = world.within(engine.wait(&run)).await.unwrap().failure.unwrap();
    assert_eq!(
        failure.message,
        "the output of task a has 5242892 bytes, more than the 65536 allowed: keep the data in storage or store and pass \
         its key"
    );
    assert_eq!((failure.task.as_deref(), failure.class, tally.of("a")), (Some("a"), FailureClass::Permanent, 1));
    // What is too large to begin with is not even sent.
    let input = json!({"words": "x".repeat(5 << 20)});
    let error = engine.start(&name, input, StartOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("5242892") && error.contains("1048576"), "{error}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e11_an_output_that_is_too_large_fails_for_good_and_says_so() {
    let double = Double::start().await;
    too_large_output(&World::of(&double)).await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_an_output_that_is_too_large_fails_for_good_and_says_so() {
    let Some(world) = World::real() else { return };
    too_large_output(&world).await;
}

/// Each child's result is more than is told of a run that is over.
async fn untold_results(world: &World) {
    let size = 7 << 19;
    let measured = large_children(world, &["work"], too_large_to_be_told).await;
    assert_eq!(measured, json!({"a": {"work": size}, "b": {"work": size}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_are_too_large_to_be_told_are_fetched() {
    let double = Double::start().await;
    untold_results(&World::of(&double)).await;
    assert!(double.look(|state| state.emptied) >= 2);
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_results_that_are_too_large_to_be_told_are_fetched() {
    let Some(world) = World::real() else { return };
    untold_results(&world).await;
}

/// Each child's results together are more than a message may have.
async fn results_beyond_messages(world: &World) {
    let size = 5 << 19;
    let measured = large_children(world, &["one", "two"], large).await;
    assert_eq!(measured, json!({"a": {"one": size, "two": size}, "b": {"one": size, "two": size}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_fit_into_no_message_are_fetched_too() {
    let double = Double::start().await;
    results_beyond_messages(&World::of(&double)).await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_results_that_fit_into_no_message_are_fetched_too() {
    let Some(world) = World::real() else { return };
    results_beyond_messages(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversized_action_fails_its_run_and_does_not_cut_the_worker_off() {
    let double = Double::start().await;
    oversized_action(&World::of(&double)).await;
    double.assert_no_violation();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_an_oversized_action_fails_its_run_and_does_not_cut_the_worker_off() {
    let Some(world) = World::real() else { return };
    oversized_action(&world).await;
}
