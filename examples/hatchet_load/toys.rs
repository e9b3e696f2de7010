//! Workflows that do nothing: one task, a parent with children, and the pipeline's own graph.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use trackscribe::workflow::{
    Child, ChildOutputs, Definitions, EMBEDDED, FanOutHandler, Handler, House, Pool, Registry, TaskContext, TaskError,
    TaskHandler,
};

/// Slots of each pool, as many as the official client's worker has.
const SLOTS: usize = 100;

const HEAD: &str = "description = \"does nothing\"\ninput = \"Nothing\"\n[defaults]\nexecution_timeout = \"10m\"\n\
    stall_timeout = \"5m\"\nschedule_timeout = \"1h\"\nretries = 0\nbackoff_factor = 1\nbackoff_max = \"1s\"\n";

struct Empty;

#[async_trait]
impl House for Empty {
    type Services = ();

    async fn open(&self, _: &TaskContext) -> Result<(), TaskError> {
        Ok(())
    }

    async fn close(&self, (): &()) {}
}

struct Nothing;

#[async_trait]
impl TaskHandler for Nothing {
    async fn run(&self, _: &TaskContext, _: Value, _: Value) -> Result<Value, TaskError> {
        Ok(json!({}))
    }
}

/// Makes as many children as the input's `children` says, or four.
struct Parent;

#[async_trait]
impl FanOutHandler for Parent {
    async fn plan(&self, _: &TaskContext, input: Value, _: Value) -> Result<Vec<Child<Value>>, TaskError> {
        let children = input["children"].as_u64().unwrap_or(4);
        Ok((0..children).map(|n| Child { key: format!("c{n:03}"), input: json!({}) }).collect())
    }

    async fn collect(
        &self,
        _: &TaskContext,
        _: Value,
        _: Value,
        children: &mut dyn ChildOutputs<Value>,
    ) -> Result<Value, TaskError> {
        let mut joined = 0;
        while children.next().await?.is_some() {
            joined += 1;
        }
        Ok(json!({"joined": joined}))
    }
}

/// All of them with their code.
pub fn registry() -> anyhow::Result<Registry> {
    let task = "[[task]]\nname = \"work\"\npool = \"io\"\n";
    let noop = format!("name = \"LoadNoop\"\n{HEAD}{task}");
    let child = format!("name = \"LoadChild\"\n{HEAD}{task}");
    let join = format!(
        "name = \"LoadJoin\"\n{HEAD}[[task]]\nname = \"fan\"\npool = \"io\"\nfan_out = \"LoadChild\"\nexecution_timeout = \"1h\"\n"
    );
    // The pipeline's own shape, under names that no real worker has.
    let pipeline: Vec<(String, String)> = EMBEDDED
        .iter()
        .map(|(file, text)| {
            let text = text
                .replace("\"DiarizationPipeline\"", "\"LoadPipeline\"")
                .replace("\"TrackProcessing\"", "\"LoadTrack\"");
            ((*file).to_owned(), text)
        })
        .collect();
    let mut files = vec![("noop.toml", noop.as_str()), ("child.toml", &child), ("join.toml", &join)];
    files.extend(pipeline.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    let pools = Pool::ALL.into_iter().map(|pool| (pool, SLOTS)).collect();
    let definitions = Definitions::parse(&files, pools)?;
    let all: Vec<(String, String, bool)> = definitions
        .workflows()
        .iter()
        .flat_map(|workflow| {
            workflow.all_tasks().map(|task| (workflow.name.clone(), task.name.clone(), task.fan_out.is_some()))
        })
        .collect();
    let mut builder = Registry::builder(Empty, definitions);
    for (workflow, task, is_parent) in all {
        let handler = if is_parent { Handler::FanOut(Arc::new(Parent)) } else { Handler::Task(Arc::new(Nothing)) };
        builder = builder.handler(&workflow, &task, handler);
    }
    Ok(builder.build()?)
}
