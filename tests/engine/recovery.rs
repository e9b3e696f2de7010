//! What the next executor does with what the last one left.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Notify, Semaphore};
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::failure::FailureClass;
use trackscribe::store::DatabaseKind;
use trackscribe::store::runs::AttemptOutcome::{Completed, Failed, Interrupted};
use trackscribe::workflow::{Handler, Registry, TaskError};

use crate::support::{Bench, Fan, Process, attempts, gives, head, outcomes, registry, roomy, soon, step, task, tasks};

/// A task that hangs until the gate has a permit, and says when it began.
fn gated(began: &Arc<Notify>, gate: &Arc<Semaphore>, keeps_pieces: bool) -> Handler {
    let (began, gate) = (Arc::clone(began), Arc::clone(gate));
    task(move |ctx, _, _| {
        let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
        async move {
            if keeps_pieces {
                ctx.piece_kept();
            }
            began.notify_one();
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = ctx.cancellation().cancelled() => return Err(TaskError::cancelled()),
            }
            Ok(json!({"attempt": ctx.identity().attempt}))
        }
    })
}

fn two(second: Handler, first_ran: &Arc<AtomicUsize>) -> Registry {
    let first_ran = Arc::clone(first_ran);
    let first = task(move |_, _, _| {
        first_ran.fetch_add(1, Ordering::SeqCst);
        async { Ok(json!({})) }
    });
    let file = head("Two") + &step("first", &[], "") + &step("second", &["first"], "retries = 0");
    registry(&[file], roomy(), vec![("Two.first", first), ("Two.second", second)])
}

async fn a_killed_run_goes_on_at_the_first_unfinished_task_without_losing_a_retry(bench: Bench) {
    let (began, gate, first_ran) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)), Arc::default());
    let registry = two(gated(&began, &gate, false), &first_ran);
    let process = Process::start(&bench, &registry).await;
    let run = process.run("Two").await;
    soon(began.notified()).await;
    process.kill().await;
    gate.add_permits(1);
    let process = Process::start(&bench, &registry).await;
    let outcome = soon(process.engine.wait(&run)).await.unwrap();
    assert_eq!(outcome.output["second"], json!({"attempt": 2}));
    assert_eq!(first_ran.load(Ordering::SeqCst), 1);
    let store = bench.store().await;
    assert_eq!(outcomes(&store, &run, "second").await, [Interrupted, Completed].map(Some));
    assert_eq!(tasks(&store, &run).await["second"].failures, 0);
    process.kill().await;
}

async fn the_fifth_kill_in_a_row_is_the_tasks_own_doing(bench: Bench) {
    let (began, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let registry = two(gated(&began, &gate, false), &Arc::default());
    let mut process = Process::start(&bench, &registry).await;
    let run = process.run("Two").await;
    for _ in 0..5 {
        soon(began.notified()).await;
        process.kill().await;
        process = Process::start(&bench, &registry).await;
    }
    let outcome = soon(process.engine.wait(&run)).await.unwrap();
    let failure = outcome.failure.unwrap();
    assert_eq!((failure.task.as_deref(), failure.class), (Some("second"), FailureClass::Permanent));
    assert_eq!(failure.message, "task second killed the process 5 times");
    assert_eq!(outcomes(&bench.store().await, &run, "second").await, [Some(Interrupted); 5]);
    process.kill().await;
}

async fn kills_are_forgiven_when_pieces_were_kept(bench: Bench) {
    let (began, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let registry = two(gated(&began, &gate, true), &Arc::default());
    let store = bench.store().await;
    let mut process = Process::start(&bench, &registry).await;
    let run = process.run("Two").await;
    for _ in 0..6 {
        soon(began.notified()).await;
        while !attempts(&store, &run, "second").await.last().unwrap().kept_piece {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        process.kill().await;
        process = Process::start(&bench, &registry).await;
    }
    gate.add_permits(1);
    assert_eq!(soon(process.engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    process.kill().await;
}

async fn a_graceful_stop_counts_for_nothing(bench: Bench) {
    let (began, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let registry = two(gated(&began, &gate, false), &Arc::default());
    let store = bench.store().await;
    let mut process = Process::start(&bench, &registry).await;
    let run = process.run("Two").await;
    for _ in 0..6 {
        soon(began.notified()).await;
        process.engine.shutdown().await;
        assert!(process.engine.wait(&run).await.is_err());
        process.kill().await;
        let task = tasks(&store, &run).await.remove("second").unwrap();
        assert_eq!((task.interruptions, task.failures), (0, 0));
        process = Process::start(&bench, &registry).await;
    }
    gate.add_permits(1);
    assert_eq!(soon(process.engine.wait(&run)).await.unwrap().output["second"], json!({"attempt": 7}));
    process.kill().await;
}

fn family(one: Handler, told: &Arc<Mutex<Vec<usize>>>) -> Registry {
    let told = Arc::clone(told);
    let mark = task(move |ctx, _, _| {
        told.lock().unwrap().push(ctx.task_run_errors().len());
        async { Ok(json!({})) }
    });
    let files = [
        head("Parent")
            + &step("before", &[], "")
            + &step("fan", &["before"], "fan_out = \"Child\"\nexecution_timeout = \"1h\"")
            + &step("after", &["fan"], "")
            + "[on_failure]\nname = \"mark\"\npool = \"io\"\n",
        head("Child") + &step("zero", &[], "") + &step("one", &["zero"], "retries = 1"),
    ];
    let code = vec![
        ("Parent.before", gives(json!({}))),
        ("Parent.fan", Fan::of(&["a", "b"]).handler()),
        ("Parent.after", gives(json!({}))),
        ("Parent.mark", mark),
        ("Child.zero", gives(json!({}))),
        ("Child.one", one),
    ];
    registry(&files, roomy(), code)
}

async fn a_parent_that_waits_for_children_is_not_blamed_for_kills(bench: Bench) {
    let (began, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let registry = family(gated(&began, &gate, true), &Arc::default());
    let store = bench.store().await;
    let mut process = Process::start(&bench, &registry).await;
    let run = process.run("Parent").await;
    soon(began.notified()).await;
    let fan = tasks(&store, &run).await["fan"].id.clone();
    for kills in 0..6 {
        for child in store.children(&fan).await.unwrap() {
            let kept =
                async || attempts(&store, &child.run, "one").await.get(kills).is_some_and(|last| last.kept_piece);
            while !kept().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        process.kill().await;
        process = Process::start(&bench, &registry).await;
    }
    gate.add_permits(2);
    assert_eq!(soon(process.engine.wait(&run)).await.unwrap().status, RunStatus::Completed);
    assert_eq!(attempts(&store, &run, "fan").await.len(), 7);
    process.kill().await;
}

async fn a_failed_run_is_resumed_with_its_children_and_keeps_what_is_done(bench: Bench) {
    let healthy = Arc::new(AtomicBool::new(false));
    let one = {
        let healthy = Arc::clone(&healthy);
        task(move |ctx, _, _| {
            let ok = healthy.load(Ordering::SeqCst) || ctx.identity().child_key.as_deref() == Some("a");
            async move { if ok { Ok(json!({})) } else { Err(TaskError::retryable("unwell")) } }
        })
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let (engine, run, outcome) = bench.run(&family(one, &told), "Parent").await;
    assert_eq!(outcome.status, RunStatus::Failed);
    // Unwell still: full retries again, and the on-failure task runs again.
    engine.resume(&run).await.unwrap();
    assert_eq!(
        bench.flying(soon(engine.wait(&run))).await.unwrap().failure.unwrap().task.as_deref(),
        Some("fan[b]/one")
    );
    healthy.store(true, Ordering::SeqCst);
    // Whoever names a child means the whole: its output is wanted by its parent only.
    let fan = tasks(&bench.store().await, &run).await["fan"].id.clone();
    let child = bench.store().await.children(&fan).await.unwrap().pop().unwrap().run;
    engine.resume(&child).await.unwrap();
    let outcome = bench.flying(soon(engine.wait(&run))).await.unwrap();
    assert_eq!((outcome.status, outcome.failure), (RunStatus::Completed, None));
    assert_eq!(*told.lock().unwrap(), [1, 1]);
    let store = bench.store().await;
    assert_eq!(outcomes(&store, &run, "before").await, [Some(Completed)]);
    assert_eq!(outcomes(&store, &run, "fan").await, [Failed, Failed, Completed].map(Some));
    let fan = tasks(&store, &run).await["fan"].id.clone();
    let children = store.children(&fan).await.unwrap();
    let b = children.iter().find(|child| child.key == "b").unwrap();
    assert_eq!((children.len(), b.round), (2, 1), "the same child goes on");
    assert_eq!(outcomes(&store, &b.run, "zero").await, [Some(Completed)]);
    assert_eq!(outcomes(&store, &b.run, "one").await, [Failed, Failed, Failed, Failed, Completed].map(Some));
    engine.resume(&run).await.unwrap();
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Completed, "done is done");
}

async fn a_run_whose_workflow_changed_is_not_resumed_with_other_tasks(bench: Bench) {
    let of = |name: &str| head(name) + &step("first", &[], "") + &step("third", &["first"], "");
    // A new run has the new tasks; none has a workflow that is not there.
    for (name, tasks, says, class) in [
        ("Two", ["Two.first", "Two.third"], "changed since the run was started", FailureClass::Retryable),
        ("Other", ["Other.first", "Other.third"], "has no such workflow", FailureClass::Permanent),
    ] {
        let (began, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let process = Process::start(&bench, &two(gated(&began, &gate, false), &Arc::default())).await;
        let run = process.run("Two").await;
        soon(began.notified()).await;
        process.kill().await;
        let code = tasks.map(|task| (task, gives(json!({})))).into();
        let process = Process::start(&bench, &registry(&[of(name)], roomy(), code)).await;
        let failure = soon(process.engine.wait(&run)).await.unwrap().failure.unwrap();
        assert!(failure.message.contains(says), "{}", failure.message);
        assert_eq!(failure.class, class);
        process.kill().await;
    }
}

/// How a store is made to refuse outputs of `second`, and how that is mended.
fn broken(kind: DatabaseKind) -> (&'static str, &'static str) {
    match kind {
        DatabaseKind::Sqlite => (
            "CREATE TRIGGER broken BEFORE UPDATE OF output ON task_runs WHEN NEW.task = 'second'
             BEGIN SELECT RAISE(FAIL, 'the disk is on fire'); END",
            "DROP TRIGGER broken",
        ),
        DatabaseKind::Postgres => (
            "CREATE FUNCTION broken() RETURNS TRIGGER LANGUAGE plpgsql
                 AS 'BEGIN RAISE EXCEPTION ''the disk is on fire''; END';
             CREATE TRIGGER broken BEFORE UPDATE OF output ON task_runs FOR EACH ROW WHEN (NEW.task = 'second')
                 EXECUTE FUNCTION broken()",
            "DROP TRIGGER broken ON task_runs",
        ),
    }
}

async fn a_store_that_fails_leaves_a_run_that_can_be_resumed(bench: Bench) {
    let first_ran = Arc::default();
    let registry = two(gives(json!({"second": 2})), &first_ran);
    let engine = bench.engine(&registry).await;
    let database = bench.database().await;
    let (breaks, mends) = broken(database.kind());
    sqlx::raw_sql(breaks).execute(database.pool()).await.unwrap();
    let run = engine.start("Two", json!({}), StartOptions::default()).await.unwrap();
    let error = soon(engine.wait(&run)).await.unwrap_err().to_string();
    assert!(error.contains("the disk is on fire") && error.contains("can be resumed"), "{error}");
    assert_eq!(engine.status(&run).await.unwrap(), RunStatus::Running);
    let lost = engine.start("Two", json!({}), StartOptions::default()).await.unwrap();
    assert!(soon(engine.wait(&lost)).await.is_err());
    engine.cancel(&lost).await.unwrap();
    assert_eq!(soon(engine.wait(&lost)).await.unwrap().status, RunStatus::Cancelled);
    sqlx::raw_sql(mends).execute(database.pool()).await.unwrap();
    engine.resume(&run).await.unwrap();
    assert_eq!(soon(engine.wait(&run)).await.unwrap().output["second"], json!({"second": 2}));
    assert_eq!(first_ran.load(Ordering::SeqCst), 2, "once in each run");
    assert_eq!(outcomes(&bench.store().await, &run, "second").await, [Interrupted, Completed].map(Some));
}

async fn a_run_that_was_left_because_the_store_failed_is_taken_up_again(bench: Bench) {
    let registry = two(gives(json!({"second": 2})), &Arc::default());
    let engine = bench.engine(&registry).await;
    let database = bench.database().await;
    let (breaks, mends) = broken(database.kind());
    sqlx::raw_sql(breaks).execute(database.pool()).await.unwrap();
    let run = engine.start("Two", json!({}), StartOptions::default()).await.unwrap();
    assert!(soon(engine.wait(&run)).await.is_err());
    sqlx::raw_sql(mends).execute(database.pool()).await.unwrap();
    bench.clock.advance(Duration::from_secs(600));
    let outcome = soon(async {
        loop {
            match engine.wait(&run).await {
                Ok(outcome) => return outcome,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
    .await;
    assert_eq!(outcome.output["second"], json!({"second": 2}));
}

on_both_databases! {
    a_run_that_was_left_because_the_store_failed_is_taken_up_again,
    a_killed_run_goes_on_at_the_first_unfinished_task_without_losing_a_retry,
    the_fifth_kill_in_a_row_is_the_tasks_own_doing,
    kills_are_forgiven_when_pieces_were_kept,
    a_graceful_stop_counts_for_nothing,
    a_parent_that_waits_for_children_is_not_blamed_for_kills,
    a_failed_run_is_resumed_with_its_children_and_keeps_what_is_done,
    a_run_whose_workflow_changed_is_not_resumed_with_other_tasks,
    a_store_that_fails_leaves_a_run_that_can_be_resumed,
}
