//! Databases of both kinds, and rows to put into them.

use std::collections::BTreeMap;

use tempfile::TempDir;
use trackscribe::clock::Timestamp;
use trackscribe::ids::{AttemptId, RunId, TaskRunId};
use trackscribe::store::Database;
use trackscribe::store::runs::{NewAttempt, NewRun, NewTask, ParentOf, RunStore};

use crate::postgres::Postgres;

/// A place for a database.
pub struct Place {
    pub url: String,
    _folder: Option<TempDir>,
}

impl Place {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}/store.db", folder.path().display()), _folder: Some(folder) }
    }

    pub async fn on_postgres() -> Self {
        let server = Postgres::shared();
        let name = server.migrated().await;
        Self { url: server.url(&name), _folder: None }
    }

    /// The database, its schema up to date.
    pub async fn database(&self) -> Database {
        let database = Database::open(&self.url).await.unwrap();
        database.migrate().await.unwrap();
        database
    }
}

/// The `n`th second.
pub fn second(n: i64) -> Timestamp {
    Timestamp::from_micros(n * 1_000_000)
}

/// A run of one task.
pub fn new_run() -> NewRun {
    let id = RunId::generate();
    NewRun {
        root_run: id.clone(),
        id,
        workflow: "Toy".to_owned(),
        version: "v1".to_owned(),
        shape: "{}".to_owned(),
        input: r#"{"a":1}"#.to_owned(),
        tasks: vec![NewTask { name: "only".to_owned(), on_failure: false }],
        parent: None,
        replay_of: None,
        dedupe_key: None,
        concurrency_group: None,
        priority: 2,
        metadata: BTreeMap::from([("room".to_owned(), "7".to_owned())]),
        created_at: second(1),
    }
}

/// A child of a fan-out.
pub fn new_child(parent: &NewRun, task_run: &TaskRunId, key: &str) -> NewRun {
    let of = ParentOf { run: parent.id.clone(), task_run: task_run.clone(), key: key.to_owned(), round: 1 };
    NewRun { root_run: parent.root_run.clone(), parent: Some(of), ..new_run() }
}

pub fn new_attempt(task_run: &TaskRunId) -> NewAttempt {
    NewAttempt {
        id: AttemptId::generate(),
        task_run: task_run.clone(),
        generation: 0,
        created_at: second(2),
        assigned_at: Some(second(2)),
    }
}

/// The only task of a run.
pub async fn only_task(store: &RunStore, run: &RunId) -> TaskRunId {
    store.task_runs(run).await.unwrap().remove(0).id
}
