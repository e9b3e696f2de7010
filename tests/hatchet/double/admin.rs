//! Registering workflows, with the checks that the engine makes; looking at runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::Shared;
use super::engine::{LARGEST_MESSAGE, too_large};
use super::runs::TaskPhase;
use super::wire::v1::admin_service_server::{AdminService, AdminServiceServer};
use super::wire::v1::*;

pub struct Service(Arc<Shared>);

pub fn service(shared: Arc<Shared>) -> AdminServiceServer<Service> {
    AdminServiceServer::new(Service(shared))
}

#[tonic::async_trait]
impl AdminService for Service {
    async fn put_workflow(&self, request: Request<Workflow>) -> Result<Response<WorkflowReply>, Status> {
        self.0.auth(&request)?;
        let workflow = request.into_inner();
        check(&workflow)?;
        self.0.change(|state| {
            let mut limits = workflow.tasks.iter().chain(&workflow.on_failure_task).flat_map(|task| &task.rate_limits);
            if limits.any(|limit| !state.rates.knows(&limit.key)) {
                // A foreign key that does not hold.
                return Err(Status::internal("an internal error occurred"));
            }
            state.workflows.insert(workflow.name.clone(), workflow.clone());
            Ok(())
        })?;
        Ok(Response::new(WorkflowReply { id: "version".to_owned(), workflow_id: workflow.name }))
    }

    async fn get_run_details(&self, request: Request<RunRequest>) -> Result<Response<RunDetails>, Status> {
        self.0.auth(&request)?;
        let id = request.into_inner().external_id;
        if uuid::Uuid::parse_str(&id).is_err() {
            return Err(Status::invalid_argument("invalid external id"));
        }
        let state = self.0.state();
        let run = state.runs.get(&id).ok_or_else(|| Status::not_found("not found"))?;
        let task_runs = run.tasks.values().map(|task| {
            let status = match task.phase {
                // Unreliable until the run is over, as the engine's.
                _ if !run.is_over() && task.phase == TaskPhase::Completed => RunStatus::Queued,
                TaskPhase::Waiting | TaskPhase::Queued => RunStatus::Queued,
                TaskPhase::Running => RunStatus::Running,
                TaskPhase::Completed => RunStatus::Completed,
                TaskPhase::Failed => RunStatus::Failed,
                // An on-failure task that was not needed counts as done.
                TaskPhase::Cancelled if Some(&task.name) == run.on_failure.as_ref() => RunStatus::Completed,
                TaskPhase::Cancelled => RunStatus::Cancelled,
            };
            let detail = TaskDetail {
                external_id: task.id.clone(),
                status: status as i32,
                // As the engine does: empty where nothing failed.
                error: Some(task.error.clone().filter(|_| task.phase == TaskPhase::Failed).unwrap_or_default()),
                output: task.output.as_ref().map(|output| output.to_string().into_bytes()),
                readable_id: task.name.clone(),
            };
            (task.name.clone(), detail)
        });
        let status = match run.status() {
            "QUEUED" => RunStatus::Queued,
            "RUNNING" => RunStatus::Running,
            "COMPLETED" => RunStatus::Completed,
            "FAILED" => RunStatus::Failed,
            _ => RunStatus::Cancelled,
        };
        let details = RunDetails { status: status as i32, task_runs: task_runs.collect(), done: run.is_over() };
        match details.encoded_len() {
            bytes if bytes > LARGEST_MESSAGE => Err(too_large(bytes)),
            _ => Ok(Response::new(details)),
        }
    }
}

fn check(workflow: &Workflow) -> Result<(), Status> {
    let invalid = |what: &str| Err(Status::invalid_argument(format!("Invalid request: {what}")));
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !plain(&workflow.name) || workflow.tasks.is_empty() {
        return invalid("workflow");
    }
    let names: BTreeSet<&str> = workflow.tasks.iter().map(|task| task.readable_id.as_str()).collect();
    if names.len() != workflow.tasks.len() {
        return invalid("readable ids are not unique");
    }
    for task in workflow.tasks.iter().chain(&workflow.on_failure_task) {
        if !plain(&task.readable_id) || !task.parents.iter().all(|parent| names.contains(parent.as_str())) {
            return invalid("task name or parents");
        }
        if !matches!(task.action.split(':').count(), 2 | 3) {
            return invalid("action");
        }
        if task.action != task.action.to_lowercase() {
            // A foreign key that does not hold.
            return Err(Status::internal("an internal error occurred"));
        }
        let whole_seconds = |text: &str| text.strip_suffix('s').is_some_and(|n| n.parse::<u64>().is_ok());
        if !whole_seconds(&task.timeout) || !task.schedule_timeout.as_deref().is_none_or(whole_seconds) {
            return invalid("duration");
        }
        if task.retries < 0
            || task.backoff_factor.is_some_and(|factor| !(1.0..=1000.0).contains(&factor))
            || task.backoff_max_seconds.is_some_and(|most| !(1..=86_400).contains(&most))
        {
            return invalid("retries");
        }
        if task.slot_requests.values().any(|units| *units < 1) {
            return invalid("slot requests");
        }
    }
    for group in &workflow.concurrency {
        // Left out it would mean to cancel what runs: nobody of ours means that.
        if group.expression.is_empty() || group.limit_strategy != Some(LimitStrategy::GroupRoundRobin as i32) {
            return invalid("concurrency");
        }
    }
    match &workflow.idempotency {
        Some(idempotency) if idempotency.expression.is_empty() || idempotency.ttl_ms < 1 => invalid("idempotency"),
        _ => Ok(()),
    }
}
