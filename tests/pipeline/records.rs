//! Reads a store as it lies: what runs did, and what they made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sqlx::{Column, Row, TypeInfo, ValueRef};
use trackscribe::store::Database;
use trackscribe::workflow::MAX_PAYLOAD_BYTES;

/// One try of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    pub id: String,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub outcome: Option<String>,
}

/// One task of one run.
#[derive(Debug, Clone)]
pub struct TaskRecord {
    pub status: String,
    pub output: Option<String>,
    pub plan: Option<String>,
    pub tries: Vec<Try>,
}

/// All tasks of the newest outermost run and of its children, named `task` or `t001/task`.
pub async fn task_records(database: &Database) -> BTreeMap<String, TaskRecord> {
    let rows = sqlx::query(
        "SELECT task_runs.id AS id, runs.child_key AS child_key, task, task_runs.status AS status, output,
                (SELECT plan FROM attempts WHERE task_run_id = task_runs.id AND plan IS NOT NULL LIMIT 1) AS plan
         FROM task_runs JOIN runs ON runs.id = run_id
         WHERE runs.root_run = (SELECT MAX(id) FROM runs WHERE parent_run IS NULL)",
    )
    .fetch_all(database.pool())
    .await
    .unwrap();
    let mut records = BTreeMap::new();
    for row in rows {
        let child: Option<String> = row.get("child_key");
        let task: String = row.get("task");
        let name = child.map_or_else(|| task.clone(), |child| format!("{child}/{task}"));
        let tries = sqlx::query("SELECT * FROM attempts WHERE task_run_id = $1 ORDER BY number")
            .bind(row.get::<String, _>("id"))
            .fetch_all(database.pool())
            .await
            .unwrap();
        let tries = tries.iter().map(|row| Try {
            id: row.get("id"),
            started_at: row.get("started_at"),
            finished_at: row.get("finished_at"),
            outcome: row.get("outcome"),
        });
        let record = TaskRecord {
            status: row.get("status"),
            output: row.get("output"),
            plan: row.get("plan"),
            tries: tries.collect(),
        };
        assert!(records.insert(name.clone(), record).is_none(), "{name} is there twice");
    }
    records
}

/// The outputs of all completed tasks, each checked against the rules that hold for every output.
pub async fn outputs(database: &Database) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    for (name, record) in task_records(database).await {
        for text in record.output.iter().chain(&record.plan) {
            assert!(text.len() <= MAX_PAYLOAD_BYTES, "{name}: {} bytes", text.len());
            assert!(!text.contains("X-Amz-") && !text.contains("http"), "{name} stores an address: {text}");
        }
        if let Some(output) = record.output {
            let json: Value = serde_json::from_str(&output).unwrap();
            assert!(json.as_object().is_some_and(|fields| !fields.contains_key("skipped")), "{name}: {output}");
            // Keys sorted, as serde_json's map has them.
            assert_eq!(json.to_string(), output, "{name}");
            outputs.insert(name, output);
        }
    }
    outputs
}

/// Everything that runs made, row by row, without moments and with ids replaced: two stores with the same results give the
/// same.
pub async fn made_rows(database: &Database) -> BTreeMap<String, Vec<String>> {
    let ids = ids(database).await;
    let mut tables = BTreeMap::new();
    for table in ["recordings", "transcripts", "tracks", "speech_windows", "segments", "results", "outbox", "consents"]
    {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {table}")))
            .fetch_all(database.pool())
            .await
            .unwrap();
        let mut texts: Vec<String> = rows.iter().map(|row| without(&ids, row_text(row))).collect();
        texts.sort();
        tables.insert(table.to_owned(), texts);
    }
    tables
}

fn row_text(row: &sqlx::any::AnyRow) -> String {
    let mut text = String::new();
    for column in row.columns() {
        let name = column.name();
        if name.ends_with("_at") {
            continue;
        }
        let raw = row.try_get_raw(name).unwrap();
        let value = if raw.is_null() {
            "null".to_owned()
        } else {
            match raw.type_info().name() {
                "TEXT" => row.get::<String, _>(name),
                "DOUBLE" | "REAL" => row.get::<f64, _>(name).to_string(),
                _ => row.get::<i64, _>(name).to_string(),
            }
        };
        text.push_str(&format!("{name}={value} "));
    }
    text
}

async fn ids(database: &Database) -> BTreeSet<String> {
    let sql = "SELECT id FROM transcripts UNION SELECT id FROM runs";
    sqlx::query_scalar(sql).fetch_all(database.pool()).await.unwrap().into_iter().collect()
}

fn without(ids: &BTreeSet<String>, mut text: String) -> String {
    for id in ids {
        text = text.replace(id.as_str(), "ID");
    }
    // Made of the run's id.
    match serde_json_event_id(&text) {
        Some(event) => text.replace(&event, "EVENT"),
        None => text,
    }
}

fn serde_json_event_id(text: &str) -> Option<String> {
    let from = text.find("\"event_id\":\"")? + "\"event_id\":\"".len();
    let to = text[from..].find('"')? + from;
    Some(text[from..to].to_owned())
}

/// Every file below `folder`: its path and the hash of its bytes, transcripts' and runs' ids replaced in both.
pub async fn files(database: &Database, folder: &Path) -> BTreeMap<String, String> {
    let ids = ids(database).await;
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            let bytes = match String::from_utf8(bytes) {
                Ok(text) => without(&ids, text).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            let hash = blake3::hash(&bytes).to_hex().to_string();
            assert!(found.insert(without(&ids, name.clone()), hash).is_none(), "{name} is there twice");
        }
    }
    found
}
