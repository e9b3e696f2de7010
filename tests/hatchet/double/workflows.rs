//! Starting runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use serde_json::Value;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use super::Shared;
use super::engine::State;
use super::wire::v1::{IdempotencyCollisionError, Packed, StatusDetails, TriggerRequest};
use super::wire::workflow_service_server::{WorkflowService, WorkflowServiceServer};
use super::wire::{BulkTriggerReply, BulkTriggerRequest, RateLimit, RateLimitReply, TriggerReply};

pub struct Service(Arc<Shared>);

pub fn service(shared: Arc<Shared>) -> WorkflowServiceServer<Service> {
    WorkflowServiceServer::new(Service(shared))
}

#[tonic::async_trait]
impl WorkflowService for Service {
    async fn trigger_workflow(&self, request: Request<TriggerRequest>) -> Result<Response<TriggerReply>, Status> {
        self.0.auth(&request)?;
        let request = request.into_inner();
        let run = self.0.change(|state| {
            let is_child = request.parent_task_run_external_id.is_some();
            let run = trigger(state, request)?;
            if is_child && state.faults.lose_children > 0 {
                state.faults.lose_children -= 1;
                return Err(Status::unavailable("connection reset"));
            }
            Ok(run)
        })?;
        Ok(Response::new(TriggerReply { workflow_run_id: run }))
    }

    async fn bulk_trigger_workflow(
        &self,
        request: Request<BulkTriggerRequest>,
    ) -> Result<Response<BulkTriggerReply>, Status> {
        self.0.auth(&request)?;
        let requests = request.into_inner().workflows;
        let workflow_run_ids = self.0.change(|state| {
            let is_there =
                |request: &&TriggerRequest| child(request).is_some_and(|key| state.children.contains_key(&key));
            let there = requests.iter().filter(is_there).count();
            if there > 0 && there < requests.len() {
                state.violations.push(format!("{there} of {} children were there: they run again", requests.len()));
            }
            let made: Result<Vec<String>, Status> =
                requests.into_iter().map(|request| trigger(state, request)).collect();
            if state.faults.lose_children > 0 {
                state.faults.lose_children -= 1;
                return Err(Status::unavailable("connection reset"));
            }
            made
        })?;
        Ok(Response::new(BulkTriggerReply { workflow_run_ids }))
    }

    async fn put_rate_limit(&self, request: Request<RateLimit>) -> Result<Response<RateLimitReply>, Status> {
        self.0.auth(&request)?;
        let limit = request.into_inner();
        if limit.key.is_empty() {
            return Err(Status::invalid_argument("key is required"));
        }
        self.0.change(|state| {
            if state.faults.no_rate_limits > 0 {
                state.faults.no_rate_limits -= 1;
                return Err(Status::unavailable("connection reset"));
            }
            state.rates.put(&limit);
            Ok(Response::new(RateLimitReply {}))
        })
    }
}

/// What a child is found by.
fn child(request: &TriggerRequest) -> Option<(String, String)> {
    let parent = request.parent_task_run_external_id.clone()?;
    request.child_index?;
    Some((parent, request.child_key.clone().unwrap_or_default()))
}

fn trigger(state: &mut State, request: TriggerRequest) -> Result<String, Status> {
    let json =
        |text: &str| serde_json::from_str::<Value>(text).map_err(|_| Status::invalid_argument("Invalid request"));
    let input = json(&request.input)?;
    let metadata: BTreeMap<String, String> = match &request.additional_metadata {
        Some(text) => serde_json::from_value(json(text)?).map_err(|_| Status::invalid_argument("Invalid request"))?,
        None => BTreeMap::new(),
    };
    if request.priority.is_some_and(|priority| !(1..=3).contains(&priority)) {
        return Err(Status::invalid_argument("Invalid request: priority"));
    }
    let id = Uuid::now_v7().to_string();
    if let Some(key) = child(&request) {
        if state.faults.refused_child.as_ref() == Some(&key.1) {
            return Err(Status::invalid_argument("Invalid request: input"));
        }
        if let Some(existing) = state.children.get(&key) {
            return Ok(existing.clone());
        }
        // Known before it is made.
        state.children.insert(key, id.clone());
        if state.faults.phantom_children > 0 {
            state.faults.phantom_children -= 1;
            return Ok(id);
        }
    }
    *state.triggers.entry(request.name.clone()).or_default() += 1;
    let Some(workflow) = state.workflows.get(&request.name) else { return Ok(id) };
    if let Some(idempotency) = &workflow.idempotency {
        // Keys are the tenant's, whatever the workflow.
        let after = |word: &str| idempotency.expression.split(word).nth(1).unwrap_or_default();
        let field = after("input.").split(')').next().unwrap_or_default();
        let prefix = after("? '").split('\'').next().unwrap_or_default();
        let by_key = metadata.get("trackscribe_dedupe").cloned();
        let key = by_key.unwrap_or_else(|| format!("{prefix}{}", input[field]));
        let known_for = state.tempo.idempotency * u32::try_from(idempotency.ttl_ms).unwrap();
        match state.keys.get(&key) {
            Some((existing, at)) if at.elapsed() < known_for => return Err(collision(existing)),
            _ => state.keys.insert(key, (id.clone(), Instant::now())),
        };
    }
    let run = state.make(id.clone(), &request.name, input, metadata);
    run.priority = request.priority.unwrap_or(1);
    run.child_key = request.child_key;
    run.parent_task = request.parent_task_run_external_id;
    Ok(id)
}

fn collision(existing: &str) -> Status {
    let error = IdempotencyCollisionError { existing_run_external_id: existing.to_owned() };
    let details = StatusDetails {
        details: vec![Packed {
            type_url: "type.googleapis.com/v1.IdempotencyCollisionError".to_owned(),
            value: error.encode_to_vec(),
        }],
    };
    Status::with_details(Code::AlreadyExists, "idempotency key collision", details.encode_to_vec().into())
}
