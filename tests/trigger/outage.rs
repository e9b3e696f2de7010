//! Storage is away for three hours while recordings arrive: with the embedded engine, and steps that keep what they make under
//! a key of its content, as the pipeline's do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use trackscribe::engine::embedded::EmbeddedEngine;
use trackscribe::failure::FailureClass;
use trackscribe::ids::TranscriptId;
use trackscribe::store::run_requests::RequestState;
use trackscribe::store::{Database, TranscriptWriter, transcripts};
use trackscribe::trigger::{Inbox, Reconciler, RoomPolicy};
use trackscribe::workflow::{Definitions, Handler, House, Pool, Registry, TaskContext, TaskError, TaskHandler};

use crate::support::{Scene, hours, seconds};

on_both_databases!(storage_down_for_three_hours_loses_no_recording_and_makes_nothing_twice);

/// Objects, each with how often it was made. After `lasts` puts nobody is there, until it is mended.
#[derive(Default)]
struct Objects {
    made: Mutex<BTreeMap<String, usize>>,
    lasts: AtomicUsize,
}

impl Objects {
    fn reached(&self) -> Result<(), TaskError> {
        match self.lasts.load(Ordering::SeqCst) {
            0 => Err(TaskError { class: FailureClass::Retryable, message: "storage: connection refused".to_owned() }),
            _ => Ok(()),
        }
    }

    /// Makes an object unless it is there.
    fn keep(&self, key: String) -> Result<(), TaskError> {
        self.reached()?;
        let mut made = self.made.lock().unwrap();
        if !made.contains_key(&key) {
            self.lasts.fetch_sub(1, Ordering::SeqCst);
            *made.entry(key).or_default() += 1;
        }
        Ok(())
    }
}

struct Toys;

#[async_trait]
impl House for Toys {
    type Services = ();

    async fn open(&self, _: &TaskContext) -> Result<(), TaskError> {
        Ok(())
    }

    async fn close(&self, (): &()) {}
}

struct Step {
    name: &'static str,
    objects: Arc<Objects>,
    database: Database,
}

impl Step {
    fn writer(&self, ctx: &TaskContext, transcript: &TranscriptId) -> TranscriptWriter {
        TranscriptWriter::new(self.database.clone(), transcript.clone(), ctx.identity().root_run.clone())
    }
}

#[async_trait]
impl TaskHandler for Step {
    async fn run(&self, ctx: &TaskContext, input: Value, _: Value) -> Result<Value, TaskError> {
        let transcript: TranscriptId = input["transcript_id"].as_str().unwrap().parse().unwrap();
        let recording = input["recording_id"].as_str().unwrap();
        let (writer, now) = (self.writer(ctx, &transcript), ctx.clock().now());
        match self.name {
            "get_recording" => {
                let before = writer.claim(now).await?;
                writer.change_status(&before.status, "processing", None, now).await?;
                self.objects.reached()?;
            }
            "mark_failed" => {
                let error = ctx.task_run_errors()[0].clone();
                let failure = Some((error.task.as_str(), error.class, error.message.as_str()));
                writer.change_status("processing", "error", failure, now).await?;
            }
            "finalize" => writer.publish(now).await?,
            step => self.objects.keep(format!("{recording}/{step}"))?,
        }
        Ok(json!({}))
    }
}

fn registry(objects: &Arc<Objects>, database: &Database) -> Registry {
    let step =
        |name: &str, parents: &[&str]| format!("[[task]]\nname = \"{name}\"\nparents = {parents:?}\npool = \"io\"\n");
    let file = [
        "name = \"DiarizationPipeline\"\ndescription = \"a toy\"\ninput = \"PipelineInput\"\n[concurrency]\n\
         key = \"input.transcript_id\"\nmax_runs = 1\n[defaults]\nexecution_timeout = \"10m\"\nstall_timeout = \"5m\"\n\
         schedule_timeout = \"24h\"\nretries = 2\nbackoff_factor = 2\nbackoff_max = \"10s\"\n"
            .to_owned(),
        step("get_recording", &[]),
        step("align", &["get_recording"]),
        step("mix", &["align"]),
        step("finalize", &["mix"]),
        "[on_failure]\nname = \"mark_failed\"\npool = \"io\"\n".to_owned(),
    ]
    .concat();
    let pools = Pool::ALL.into_iter().map(|pool| (pool, 100)).collect();
    let definitions = Definitions::parse(&[("toy.toml", &file)], pools).unwrap_or_else(|errors| panic!("{errors}"));
    let mut builder = Registry::builder(Toys, definitions);
    for name in ["get_recording", "align", "mix", "finalize", "mark_failed"] {
        let step = Step { name, objects: Arc::clone(objects), database: database.fresh(None) };
        builder = builder.handler("DiarizationPipeline", name, Handler::Task(Arc::new(step)));
    }
    builder.build().unwrap_or_else(|errors| panic!("{errors}"))
}

async fn storage_down_for_three_hours_loses_no_recording_and_makes_nothing_twice(scene: Scene) {
    let objects = Arc::new(Objects::default());
    // It goes away in the middle of the first ones' work.
    objects.lasts.store(5, Ordering::SeqCst);
    let registry = registry(&objects, &scene.database);
    let engine = Arc::new(EmbeddedEngine::open(&scene.database, registry, scene.shared_clock()).await.unwrap());
    let trigger = scene.trigger_on(engine.clone());
    let intake = scene.intake(trigger.clone(), RoomPolicy::All);
    let inbox = Inbox { intake, daily: scene.daily.clone(), clock: scene.shared_clock() };
    let reconciler = Reconciler::new(trigger);

    let mended = scene.now().plus(hours(3));
    let mut arrived = 0;
    let mut over = 0;
    while over < 20 {
        assert!(scene.now().since(mended) < hours(3), "{over} of 20 are over");
        if arrived < 20 && arrived <= (scene.now().as_micros() - mended.as_micros() + 10_800_000_000) / 540_000_000 {
            scene.ready(&format!("e{arrived}"), &format!("r{arrived}"), "standup").await;
            arrived += 1;
        }
        if scene.now() >= mended {
            objects.lasts.store(1000, Ordering::SeqCst);
        }
        inbox.once().await.unwrap();
        reconciler.once().await.unwrap();
        // Attempts are made while nobody moves the clock.
        tokio::time::sleep(Duration::from_millis(15)).await;
        scene.clock.advance(seconds(20));
        over = 0;
        for nth in 0..arrived {
            let requests = scene.requests(&format!("r{nth}")).await;
            over += i64::from(requests.iter().any(|request| request.state == RequestState::Ended));
        }
    }
    let made = objects.made.lock().unwrap().clone();
    assert_eq!(made.len(), 40);
    assert!(made.values().all(|times| *times == 1), "{made:?}");
    let mut deaths = 0;
    for nth in 0..20 {
        let request = scene.requests(&format!("r{nth}")).await.remove(0);
        assert_eq!(request.last_error, None, "r{nth}");
        deaths += request.deaths;
        let row = transcripts::read(&scene.database, &request.transcript).await.unwrap().unwrap();
        assert_eq!((row.status.as_str(), &row.published_run), ("ended", &request.run), "r{nth}");
    }
    assert!(deaths >= 20, "they died {deaths} times");
    engine.shutdown().await;
}
