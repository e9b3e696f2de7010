//! What a deployment changes under runs that are under way: the workflow's tasks, and the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::engine::{Engine, RunStatus};
use trackscribe::ids::TranscriptId;
use trackscribe::store::run_requests::RequestState;
use trackscribe::store::{Database, TranscriptWriter};
use trackscribe::trigger::{Origin, Reconciler, Wanted};
use trackscribe::workflow::{Definitions, Handler, House, Pool, Registry, TaskContext, TaskError, TaskHandler};

use crate::support::{Scene, hours, id, seconds};

on_both_databases!(
    a_run_whose_workflow_changed_by_a_deployment_is_followed_by_one_that_ends,
    a_run_of_an_engine_that_is_not_in_use_any_more_is_started_once_on_the_new_one,
);

struct NoServices;

#[async_trait]
impl House for NoServices {
    type Services = ();

    async fn open(&self, _: &TaskContext) -> Result<(), TaskError> {
        Ok(())
    }

    async fn close(&self, (): &()) {}
}

/// The first task claims the transcript, the last publishes it; one is never done.
struct Step {
    name: String,
    database: Database,
}

#[async_trait]
impl TaskHandler for Step {
    async fn run(&self, ctx: &TaskContext, input: Value, _: Value) -> Result<Value, TaskError> {
        let transcript: TranscriptId = input["transcript_id"].as_str().unwrap().parse().unwrap();
        let writer = TranscriptWriter::new(self.database.clone(), transcript, ctx.identity().root_run.clone());
        let now = ctx.clock().now();
        match self.name.as_str() {
            "get_recording" => {
                let before = writer.claim(now).await?;
                writer.change_status(&before.status, "processing", None, now).await?;
            }
            "never_done" => {
                ctx.cancellation().cancelled().await;
                return Err(TaskError::cancelled());
            }
            _ => writer.publish(now).await?,
        }
        Ok(json!({}))
    }
}

/// One task after the other.
fn registry(tasks: &[&str], database: &Database) -> Registry {
    let mut file =
        "name = \"DiarizationPipeline\"\ndescription = \"a release\"\ninput = \"PipelineInput\"\n[defaults]\n\
         execution_timeout = \"96h\"\nstall_timeout = \"72h\"\nschedule_timeout = \"72h\"\nretries = 0\n\
         backoff_factor = 2\nbackoff_max = \"10s\"\n"
            .to_owned();
    for (at, name) in tasks.iter().enumerate() {
        let parents = &tasks[at.saturating_sub(1)..at];
        file += &format!("[[task]]\nname = \"{name}\"\nparents = {parents:?}\npool = \"io\"\n");
    }
    let pools: BTreeMap<Pool, usize> = Pool::ALL.into_iter().map(|pool| (pool, 10)).collect();
    let definitions = Definitions::parse(&[("release.toml", &file)], pools).unwrap_or_else(|errors| panic!("{errors}"));
    let mut builder = Registry::builder(NoServices, definitions);
    for name in tasks {
        let step = Step { name: (*name).to_owned(), database: database.fresh(None) };
        builder = builder.handler("DiarizationPipeline", name, Handler::Task(Arc::new(step)));
    }
    builder.build().unwrap_or_else(|errors| panic!("{errors}"))
}

async fn open(scene: &Scene, tasks: &[&str]) -> Arc<EmbeddedEngine> {
    let registry = registry(tasks, &scene.database);
    Arc::new(EmbeddedEngine::open(&scene.database, registry, scene.shared_clock()).await.unwrap())
}

/// Waits for something while nobody moves the clock.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("did not come: {what}");
}

async fn a_run_whose_workflow_changed_by_a_deployment_is_followed_by_one_that_ends(scene: Scene) {
    let old = open(&scene, &["get_recording", "never_done"]).await;
    let trigger = scene.trigger_on(old.clone());
    let run = trigger.start(Wanted::new(id("r"), Origin::Webhook)).await.unwrap().run.unwrap();
    until("the run is at work", async || scene.transcript("r").await.status == "processing").await;
    old.shutdown().await;

    let new = open(&scene, &["get_recording", "align", "finalize"]).await;
    until("the run is refused", async || new.status(&run).await.unwrap() == RunStatus::Failed).await;
    let reconciler = Reconciler::new(scene.trigger_on(new.clone()));
    for _ in 0..2 {
        scene.clock.advance(seconds(60));
        reconciler.once().await.unwrap();
    }
    let again = scene.requests("r").await.remove(0).run.unwrap();
    assert_ne!(again, run);
    until("the new run is over", async || !new.status(&again).await.unwrap().is_active()).await;
    scene.clock.advance(seconds(60));
    reconciler.once().await.unwrap();
    let request = scene.requests("r").await.remove(0);
    assert_eq!((request.state, request.last_error, request.deaths), (RequestState::Ended, None, 1));
    let transcript = scene.transcript("r").await;
    assert_eq!((transcript.status.as_str(), transcript.failure), ("ended", None));
    assert_eq!(transcript.published_run, Some(again));
    new.shutdown().await;
}

async fn a_run_of_an_engine_that_is_not_in_use_any_more_is_started_once_on_the_new_one(scene: Scene) {
    let started = scene.trigger_of("hatchet", scene.engine.clone()).start(Wanted::new(id("r"), Origin::Webhook)).await;
    let before = started.unwrap().run.unwrap();
    scene.begins("r", &before).await;
    scene.engine.forget(&before);
    let reconciler = scene.reconciler();
    for _ in 0..20 {
        scene.clock.advance(seconds(60));
        reconciler.once().await.unwrap();
    }
    let request = scene.requests("r").await.remove(0);
    assert_eq!((request.deaths, request.provider.as_str()), (1, "none"));
    assert_eq!(scene.engine.runs().len(), 1);
    scene.completes("r", &scene.engine.runs()[0]).await;
    scene.clock.advance(hours(1));
    reconciler.once().await.unwrap();
    let request = scene.requests("r").await.remove(0);
    assert_eq!((request.state, request.last_error), (RequestState::Ended, None));
    assert_eq!(scene.transcript("r").await.status, "ended");
}
