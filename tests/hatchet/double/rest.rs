//! The part of the REST API that is used, over the same state.

use std::sync::Arc;

use axum::extract::State as Extracted;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::engine::{State, Worker};
use super::runs::{Run, Task, TaskPhase};
use super::{Shared, TENANT};

pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router = Router::new().fallback(answer).with_state(shared);
    axum::serve(listener, router).await.unwrap();
}

async fn answer(
    Extracted(shared): Extracted<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let is_known = given == Some(&format!("Bearer {}", shared.token)) && !shared.state().faults.refuse;
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let failed = |status, why: &str| (status, json!({"errors": [{"description": why}]}));
    let (status, shown) = if shared.state().faults.no_rest {
        failed(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    } else if !is_known {
        failed(StatusCode::FORBIDDEN, "forbidden")
    } else {
        let body = serde_json::from_slice(&body).unwrap_or_default();
        shared.change(|state| route(state, &method, uri.path(), &query, &body))
    };
    (status, Json(shown))
}

fn route(
    state: &mut State,
    method: &Method,
    path: &str,
    query: &[(String, String)],
    body: &Value,
) -> (StatusCode, Value) {
    let parts: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
    let all = |name: &str| query.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
    let ok = |shown: Value| (StatusCode::OK, shown);
    let not_there = || (StatusCode::NOT_FOUND, json!({"errors": [{"description": "not found"}]}));
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["tenants", tenant, "worker"]) if *tenant == TENANT => {
            let rows: Vec<Value> = state.workers.values().map(|worker| shown_worker(worker, state)).collect();
            ok(json!({"rows": rows}))
        }
        ("GET", ["tenants", tenant, "workflows"]) if *tenant == TENANT => {
            let wanted = all("name").concat().to_lowercase();
            let names = state.workflows.keys().filter(|name| name.to_lowercase().contains(&wanted));
            ok(json!({"rows": names.map(|name| json!({"name": name})).collect::<Vec<_>>()}))
        }
        ("PATCH", ["workers", id]) => match state.workers.get_mut(*id) {
            Some(worker) => {
                worker.is_paused = body["isPaused"] == json!(true);
                ok(json!({}))
            }
            None => not_there(),
        },
        ("GET", ["stable", "workflow-runs", id]) => match state.runs.get(*id) {
            Some(run) => ok(json!({
                "run": {"status": run.status(), "additionalMetadata": run.metadata},
                "tasks": run.tasks.values().map(|task| shown_task(run, task)).collect::<Vec<_>>(),
                "taskEvents": [], "shape": [],
            })),
            None => not_there(),
        },
        ("GET", ["stable", "workflow-runs", id, "status"]) => match state.runs.get(*id) {
            Some(run) => ok(json!(run.status())),
            None => not_there(),
        },
        ("GET", ["stable", "tenants", tenant, "workflow-runs"]) if *tenant == TENANT => {
            if all("since").is_empty() || all("only_tasks").is_empty() {
                return (
                    StatusCode::BAD_REQUEST,
                    json!({"errors": [{"description": "since and only_tasks are required"}]}),
                );
            }
            let (states, metadata) = (all("statuses"), all("additional_metadata"));
            if all("only_tasks") == ["true"] {
                let worker = all("worker_id").pop();
                let tasks = state.runs.values().flat_map(|run| run.tasks.values().map(move |task| (run, task)));
                let rows = tasks.filter(|(_, task)| {
                    task.worker == worker && states.iter().any(|state| state == task.phase.as_str())
                });
                return ok(json!({"rows": rows.map(|(run, task)| shown_task(run, task)).collect::<Vec<_>>()}));
            }
            let rows = state.runs.values().filter(|run| {
                (states.is_empty() || states.iter().any(|state| state == run.status())) && has_all(run, &metadata)
            });
            let rows: Vec<Value> = rows
                .map(|run| json!({"taskExternalId": run.id, "workflowRunExternalId": run.id, "status": run.status()}))
                .collect();
            ok(json!({"rows": rows}))
        }
        ("GET", ["stable", "tasks", id]) => {
            let found =
                state.runs.values().find_map(|run| Some((run, run.tasks.values().find(|task| task.id == *id)?)));
            found.map_or_else(not_there, |(run, task)| ok(shown_task(run, task)))
        }
        ("GET", ["stable", "tasks", id, "logs"]) => match state.task(id) {
            Some(task) => {
                let rows = task.logs.iter().map(|(level, line)| json!({"message": line, "level": level}));
                ok(json!({"rows": rows.collect::<Vec<_>>()}))
            }
            None => not_there(),
        },
        ("POST", ["stable", "tenants", tenant, "tasks", what]) if *tenant == TENANT => {
            let ids: Vec<String> = match body["externalIds"].as_array() {
                Some(ids) => ids.iter().filter_map(|id| Some(id.as_str()?.to_owned())).collect(),
                None => {
                    let wanted = body["filter"]["additionalMetadata"].as_array().cloned().unwrap_or_default();
                    let wanted: Vec<String> =
                        wanted.iter().filter_map(|pair| Some(pair.as_str()?.to_owned())).collect();
                    state.runs.values().filter(|run| has_all(run, &wanted)).map(|run| run.id.clone()).collect()
                }
            };
            match *what {
                "cancel" => ids.iter().for_each(|id| state.cancel(id)),
                "replay" => ids.iter().for_each(|id| state.replay(id)),
                _ => return not_there(),
            }
            ok(json!({"ids": ids}))
        }
        _ => not_there(),
    }
}

fn has_all(run: &Run, wanted: &[String]) -> bool {
    wanted.iter().all(|pair| {
        pair.split_once(':').is_some_and(|(name, value)| run.metadata.get(name).is_some_and(|v| v == value))
    })
}

fn shown_worker(worker: &Worker, state: &State) -> Value {
    let is_live = worker.heartbeat.is_some_and(|at| at.elapsed() < state.tempo.stale);
    let status = if !is_live {
        "INACTIVE"
    } else if worker.is_paused {
        "PAUSED"
    } else {
        "ACTIVE"
    };
    let labels: Vec<Value> = worker.labels.iter().map(|key| json!({"key": key, "value": "x"})).collect();
    json!({
        "name": worker.name, "status": status, "actions": worker.actions, "labels": labels,
        "runtimeInfo": {"language": worker.language, "sdkVersion": "1.0"},
    })
}

fn shown_task(run: &Run, task: &Task) -> Value {
    // Only their order matters.
    let at = |instant: Option<Instant>| {
        let ago = instant.map(|instant| instant.elapsed())?;
        let at = jiff::Timestamp::now().checked_sub(ago).ok()?;
        Some(at.to_string())
    };
    // An on-failure task that was not needed is shown as completed, with nothing in it.
    let is_unneeded = task.phase == TaskPhase::Cancelled && Some(&task.name) == run.on_failure.as_ref();
    let (status, output) =
        if is_unneeded { ("COMPLETED", json!({})) } else { (task.phase.as_str(), json!(task.output)) };
    json!({
        "taskExternalId": task.id, "workflowRunExternalId": run.id, "status": status, "actionId": task.action,
        "retryCount": task.retry_count, "errorMessage": task.error, "output": output, "input": {"input": run.input},
        "finishedAt": at(task.ended),
    })
}
