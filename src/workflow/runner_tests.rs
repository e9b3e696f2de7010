use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::clock::ManualClock;
use crate::workflow::testing::{self, RememberingSink, awaited, until};

const MINUTE: Duration = Duration::from_secs(60);
const STALL: Duration = Duration::from_secs(600);
const EXECUTION: Duration = Duration::from_secs(3600);

type Work = futures::future::BoxFuture<'static, Result<Value, TaskError>>;

/// A handler made of a closure; plan and collect do the same as run.
struct Doing<F>(F);

#[async_trait]
impl<F: Fn(TaskContext) -> Work + Send + Sync> TaskHandler for Doing<F> {
    async fn run(&self, ctx: &TaskContext, _: Value, _: Value) -> Result<Value, TaskError> {
        (self.0)(ctx.clone()).await
    }
}

#[async_trait]
impl<F: Fn(TaskContext) -> Work + Send + Sync> FanOutHandler for Doing<F> {
    async fn plan(&self, ctx: &TaskContext, _: Value, _: Value) -> Result<Vec<Child<Value>>, TaskError> {
        let input = (self.0)(ctx.clone()).await?;
        Ok(vec![Child { key: "t000".to_owned(), input }])
    }

    async fn collect(
        &self,
        ctx: &TaskContext,
        _: Value,
        _: Value,
        children: &mut dyn ChildOutputs<Value>,
    ) -> Result<Value, TaskError> {
        while children.next().await?.is_some() {}
        (self.0)(ctx.clone()).await
    }
}

struct NoChildren;

#[async_trait]
impl ChildOutputs<Value> for NoChildren {
    async fn next(&mut self) -> Result<Option<(String, Value)>, TaskError> {
        Ok(None)
    }
}

struct Scene {
    clock: ManualClock,
    sink: Arc<RememberingSink>,
}

impl Scene {
    fn new() -> Self {
        Self { clock: testing::clock(), sink: Arc::default() }
    }

    fn attempt(&self) -> Attempt {
        let ctx = testing::context("long_task", Arc::new(self.clock.clone()), self.sink.clone());
        let deadline = Timestamp::from_micros(0).plus(EXECUTION);
        Attempt { ctx, input: json!({}), parents: json!({}), stall_timeout: STALL, deadline }
    }
}

fn doing<F: Fn(TaskContext) -> Work + Send + Sync + 'static>(work: F) -> Arc<Doing<F>> {
    Arc::new(Doing(work))
}

async fn run_once(work: impl Fn(TaskContext) -> Work + Send + Sync + 'static) -> Outcome<Value> {
    run(doing(work), Scene::new().attempt()).await
}

fn failed<T: fmt::Debug>(outcome: Outcome<T>) -> TaskError {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("did not fail: {other:?}"),
    }
}

fn stalled(last_sign: Option<&str>) -> Outcome<Value> {
    let last_sign = last_sign.map(ToOwned::to_owned);
    Outcome::TimedOut(Timeout { limit: Limit::Stall, after: STALL, task: "long_task".to_owned(), last_sign })
}

#[tokio::test]
async fn a_tasks_output_comes_back_in_canonical_form() {
    let outcome = run_once(|_| Box::pin(async { Ok(json!({"b": 1.00049, "a": 1})) })).await;
    assert_eq!(outcome.into_result().unwrap().to_string(), r#"{"a":1,"b":1}"#);
}

#[tokio::test]
async fn a_panic_becomes_a_retryable_error_that_keeps_its_message() {
    let panics = |_| -> Work { Box::pin(async { panic!("the {} is gone", "decoder") }) };
    let wanted = TaskError::retryable("task long_task panicked: the decoder is gone (a bug: please report it)");
    let scene = Scene::new();
    assert_eq!(failed(run(doing(panics), scene.attempt()).await), wanted);
    assert_eq!(failed(plan(doing(panics), scene.attempt()).await), wanted);
    assert_eq!(failed(collect(doing(panics), scene.attempt(), Box::new(NoChildren)).await), wanted);
}

#[tokio::test]
async fn a_failure_keeps_its_class_and_message() {
    let outcome = run_once(|_| Box::pin(async { Err(TaskError::permanent("no audio")) })).await;
    assert_eq!(failed(outcome), TaskError::permanent("no audio"));
    let long = failed(run_once(|_| Box::pin(async { Err(TaskError::permanent("é".repeat(5000))) })).await);
    assert_eq!(long.message.chars().count(), LONGEST_MESSAGE + 1);
}

#[tokio::test]
async fn a_task_without_progress_stalls_and_is_told_to_stop() {
    let scene = Scene::new();
    let told = Arc::new(AtomicBool::new(false));
    let handler = doing({
        let told = Arc::clone(&told);
        move |ctx| -> Work {
            let told = Arc::clone(&told);
            Box::pin(async move {
                ctx.log(LogLevel::Info, "a log line is no progress");
                ctx.cancellation().cancelled().await;
                told.store(true, Ordering::SeqCst);
                Err(TaskError::cancelled())
            })
        }
    });
    let running = tokio::spawn(run(handler, scene.attempt()));
    awaited(&scene.clock, STALL).await;
    scene.clock.advance(STALL);
    let outcome = running.await.unwrap();
    assert_eq!(outcome, stalled(None));
    assert!(told.load(Ordering::SeqCst));
    let error = outcome.into_result().unwrap_err();
    let text = "task long_task showed no progress for 10m (its stall_timeout, which WORKFLOW_OVERRIDES can raise)";
    assert_eq!(error, TaskError::retryable(text));
}

#[tokio::test]
async fn h5_progress_restarts_the_stall_timeout() {
    let scene = Scene::new();
    let handler = doing(|ctx| -> Work {
        Box::pin(async move {
            for step in 1..=3 {
                ctx.clock().sleep_until(Timestamp::from_micros(0).plus(MINUTE * 9 * step)).await;
                ctx.progress(f64::from(step) / 10.0, "window 3 of 10");
            }
            ctx.cancellation().cancelled().await;
            Err(TaskError::cancelled())
        })
    });
    let running = tokio::spawn(run(handler, scene.attempt()));
    for step in 1..=3 {
        awaited(&scene.clock, MINUTE * 9 * step).await;
        scene.clock.advance(MINUTE * 9);
    }
    until(|| scene.sink.said().len() == 3).await;
    // The watcher notices new signs of life when its old wait is over: after 28 minutes at the latest.
    scene.clock.advance(MINUTE);
    awaited(&scene.clock, MINUTE * 37).await;
    assert!(!running.is_finished());
    scene.clock.advance(MINUTE * 9);
    assert_eq!(running.await.unwrap(), stalled(Some("window 3 of 10")));
    assert_eq!(scene.sink.said()[2], "progress 0.30 window 3 of 10");
}

#[tokio::test]
async fn a_kept_piece_is_a_sign_of_life_too() {
    let scene = Scene::new();
    let handler = doing(|ctx| -> Work {
        Box::pin(async move {
            ctx.clock().sleep_until(Timestamp::from_micros(0).plus(MINUTE)).await;
            ctx.piece_kept();
            ctx.cancellation().cancelled().await;
            Err(TaskError::cancelled())
        })
    });
    let running = tokio::spawn(run(handler, scene.attempt()));
    awaited(&scene.clock, MINUTE).await;
    scene.clock.advance(MINUTE);
    until(|| scene.sink.said() == ["piece kept"]).await;
    awaited(&scene.clock, STALL).await;
    scene.clock.advance(STALL - MINUTE);
    awaited(&scene.clock, STALL + MINUTE).await;
    scene.clock.advance(MINUTE);
    assert_eq!(running.await.unwrap(), stalled(None));
}

#[tokio::test]
async fn the_hard_deadline_ends_even_a_task_that_makes_progress() {
    let scene = Scene::new();
    let handler = doing(|ctx| -> Work {
        Box::pin(async move {
            while !ctx.cancellation().is_cancelled() {
                ctx.progress(0.5, "going on");
                tokio::task::yield_now().await;
            }
            Err(TaskError::cancelled())
        })
    });
    let running = tokio::spawn(run(handler, scene.attempt()));
    for minute in (0..60).step_by(5) {
        until(|| scene.clock.awaited().iter().any(|at| *at > Timestamp::from_micros(0).plus(MINUTE * minute))).await;
        scene.clock.advance(MINUTE * 5);
    }
    let outcome = running.await.unwrap();
    let Outcome::TimedOut(timeout) = &outcome else { panic!("{outcome:?}") };
    assert_eq!((timeout.limit, timeout.after), (Limit::Execution, EXECUTION));
    assert!(
        timeout.to_string().starts_with("task long_task was not done after 1h; its last sign of life was \"going on\"")
    );
}

#[tokio::test]
async fn a_result_that_comes_too_late_is_dropped() {
    let scene = Scene::new();
    let handler = doing(|ctx| -> Work {
        Box::pin(async move {
            ctx.cancellation().cancelled().await;
            Ok(json!({"words": 3}))
        })
    });
    let running = tokio::spawn(run(handler.clone(), scene.attempt()));
    awaited(&scene.clock, STALL).await;
    scene.clock.advance(STALL);
    assert_eq!(running.await.unwrap(), stalled(None));

    let attempt = Scene::new().attempt();
    let cancel = attempt.ctx.cancellation().clone();
    let running = tokio::spawn(run(handler, attempt));
    tokio::task::yield_now().await;
    cancel.cancel();
    assert_eq!(running.await.unwrap(), Outcome::Cancelled);
}

#[tokio::test]
async fn e10_a_cancelled_task_that_does_not_listen_is_dropped_after_its_grace() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let scene = Scene::new();
    let attempt = scene.attempt();
    let cancel = attempt.ctx.cancellation().clone();
    let dropped = Arc::new(AtomicBool::new(false));
    let held = Dropped(Arc::clone(&dropped));
    let sink = Arc::clone(&scene.sink);
    let work = |ctx: TaskContext, _, _| async move {
        let _held = held;
        ctx.log(LogLevel::Info, "began");
        std::future::pending::<Result<Value, TaskError>>().await
    };
    let running = tokio::spawn(supervise(attempt, Duration::from_millis(5), work));
    until(|| !sink.said().is_empty()).await;
    cancel.cancel();
    assert_eq!(running.await.unwrap(), Outcome::Cancelled);
    until(|| dropped.load(Ordering::SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn even_a_task_that_blocks_its_thread_is_given_up_and_heard_no_more() {
    let scene = Scene::new();
    let (attempt, sink) = (scene.attempt(), Arc::clone(&scene.sink));
    let cancel = attempt.ctx.cancellation().clone();
    let (free, blocked) = std::sync::mpsc::channel::<()>();
    let over = Arc::new(AtomicBool::new(false));
    let work = {
        let over = Arc::clone(&over);
        move |ctx: TaskContext, _, _| async move {
            ctx.log(LogLevel::Info, "before");
            let _ = blocked.recv();
            ctx.log(LogLevel::Info, "after");
            ctx.piece_kept();
            over.store(true, Ordering::SeqCst);
            Ok(json!({}))
        }
    };
    let running = tokio::spawn(supervise(attempt, Duration::from_millis(5), work));
    until(|| sink.said() == ["log before"]).await;
    cancel.cancel();
    assert_eq!(running.await.unwrap(), Outcome::Cancelled);
    free.send(()).unwrap();
    until(|| over.load(Ordering::SeqCst)).await;
    assert_eq!(sink.said(), ["log before"]);
}

#[tokio::test]
async fn an_attempt_that_is_already_cancelled_does_not_begin() {
    let scene = Scene::new();
    let attempt = scene.attempt();
    attempt.ctx.cancellation().cancel();
    let handler = doing(|ctx| -> Work {
        ctx.log(LogLevel::Info, "began");
        Box::pin(async { Ok(json!({})) })
    });
    assert_eq!(run(handler, attempt).await, Outcome::Cancelled);
    assert!(scene.sink.said().is_empty());
}

#[tokio::test]
async fn a_task_that_says_cancelled_though_nobody_asked_is_tried_again() {
    let error = failed(run_once(|_| Box::pin(async { Err(TaskError::cancelled()) })).await);
    assert_eq!(error.class, FailureClass::Retryable);
    assert!(error.message.contains("though nobody asked"), "{error}");
}

#[tokio::test]
async fn dropping_the_runner_drops_the_attempt_and_tells_its_helpers_to_stop() {
    let scene = Scene::new();
    let (attempt, told) = (scene.attempt(), Arc::new(AtomicBool::new(false)));
    let handler = doing({
        let told = Arc::clone(&told);
        move |ctx: TaskContext| -> Work {
            let told = Arc::clone(&told);
            Box::pin(async move {
                let stop = ctx.cancellation().clone();
                tokio::spawn(async move {
                    stop.cancelled().await;
                    told.store(true, Ordering::SeqCst);
                });
                ctx.log(LogLevel::Info, "began");
                std::future::pending().await
            })
        }
    });
    let running = tokio::spawn(run(handler, attempt));
    until(|| !scene.sink.said().is_empty()).await;
    running.abort();
    until(|| told.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn payloads_over_the_limit_fail_for_good_and_name_task_and_bytes() {
    let large = || json!({"words": "x".repeat(70_000)});
    let output = failed(run_once(move |_| Box::pin(async move { Ok(large()) })).await);
    assert_eq!(output.class, FailureClass::Permanent);
    assert!(output.message.starts_with("the output of task long_task has 70012 bytes"), "{output}");

    let scene = Scene::new();
    let makes_large = move |_| -> Work { Box::pin(async move { Ok(large()) }) };
    let planned = failed(plan(doing(makes_large), scene.attempt()).await);
    assert!(planned.message.starts_with("the plan of task long_task has 700"), "{planned}");
    let collected = failed(collect(doing(makes_large), scene.attempt(), Box::new(NoChildren)).await);
    assert_eq!(collected, output);

    let fine = doing(|_| -> Work { Box::pin(async { Ok(json!({})) }) });
    let outer = Attempt { input: large(), ..scene.attempt() };
    assert_eq!(run(fine.clone(), outer).await, Outcome::Completed(json!({})));
    let mut inner = Attempt { input: large(), ..scene.attempt() };
    let mut identity = inner.ctx.identity().clone();
    identity.child_key = Some("t000".to_owned());
    let clock = Arc::new(scene.clock.clone());
    inner.ctx = TaskContext::new(identity, Default::default(), scene.sink.clone(), Default::default(), clock);
    let error = failed(run(fine, inner).await);
    assert!(error.message.starts_with("the input of task long_task has 70012 bytes"), "{error}");
}

#[tokio::test]
async fn h4_an_inner_deadline_lies_below_the_stall_timeout_and_the_deadline() {
    let scene = Scene::new();
    let handler = doing(|ctx| -> Work {
        Box::pin(async move {
            let hour = MINUTE * 60;
            assert_eq!(ctx.inner_timeout(MINUTE), MINUTE);
            assert!(ctx.inner_timeout(hour) < STALL);
            ctx.clock().sleep_until(Timestamp::from_micros(0).plus(MINUTE * 5)).await;
            ctx.progress(0.5, "half");
            Ok(json!({"left": ctx.inner_timeout(hour).as_secs()}))
        })
    });
    let attempt = Attempt { deadline: Timestamp::from_micros(0).plus(MINUTE * 6), ..scene.attempt() };
    let running = tokio::spawn(run(handler, attempt));
    awaited(&scene.clock, MINUTE * 5).await;
    scene.clock.advance(MINUTE * 5);
    assert_eq!(running.await.unwrap(), Outcome::Completed(json!({"left": 48})));
}
