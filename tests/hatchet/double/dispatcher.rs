//! Workers: registering, listening, heartbeats, outcomes, awaited runs.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::Shared;
use super::engine::{NOT_SENT, State, Worker};
use super::runs::{Run, TaskPhase};
use super::wire::dispatcher_server::{Dispatcher, DispatcherServer};
use super::wire::*;

pub struct Service(Arc<Shared>);

pub fn service(shared: Arc<Shared>) -> DispatcherServer<Service> {
    DispatcherServer::new(Service(shared)).max_decoding_message_size(4 << 20)
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Dispatcher for Service {
    async fn get_version(&self, request: Request<VersionRequest>) -> Result<Response<VersionReply>, Status> {
        self.0.auth(&request)?;
        let version = self.0.state().faults.version.clone().unwrap_or_else(|| "v0.104.7".to_owned());
        Ok(Response::new(VersionReply { version }))
    }

    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterReply>, Status> {
        self.0.auth(&request)?;
        let request = request.into_inner();
        let plain =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !plain(&request.worker_name) {
            return Err(Status::invalid_argument("Invalid request: name"));
        }
        let id = Uuid::now_v7().to_string();
        self.0.change(|state| {
            state.registrations += 1;
            let slots =
                if request.slot_config.is_empty() { [("default".to_owned(), 100)].into() } else { request.slot_config };
            if slots.len() > 1 {
                state.violation(format!("{} has slots of several types: freed ones lie idle", request.worker_name));
            }
            let worker = Worker {
                id: id.clone(),
                name: request.worker_name.clone(),
                actions: request.actions.iter().map(|action| action.to_lowercase()).collect(),
                slots,
                labels: request.labels.into_keys().collect(),
                language: None,
                is_paused: false,
                heartbeat: None,
                streams: Vec::new(),
            };
            state.workers.insert(id.clone(), worker);
        });
        Ok(Response::new(RegisterReply {
            tenant_id: super::TENANT.to_owned(),
            worker_id: id,
            worker_name: request.worker_name,
        }))
    }

    type ListenV2Stream = Answers<Action>;

    async fn listen_v2(&self, request: Request<ListenRequest>) -> Result<Response<Self::ListenV2Stream>, Status> {
        self.0.auth(&request)?;
        let (sender, actions) = mpsc::unbounded_channel();
        let mut outlet = Outlet { actions, shared: Arc::clone(&self.0) };
        let id = request.into_inner().worker_id;
        self.0.change(|state| match state.workers.get_mut(&id) {
            Some(worker) => {
                worker.streams.push(sender);
                Ok(())
            }
            None => Err(Status::not_found("not found")),
        })?;
        // As the engine does: its answer begins with the first action.
        let Some(first) = outlet.actions.recv().await else {
            return Err(Status::unavailable("the engine is stopping"));
        };
        let first = first?;
        let rest = stream::unfold(outlet, |mut outlet| async move {
            let action = outlet.actions.recv().await?;
            Some((action, outlet))
        });
        Ok(Response::new(Box::pin(stream::once(async { Ok(first) }).chain(rest))))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<HeartbeatReply>, Status> {
        self.0.auth(&request)?;
        let id = request.into_inner().worker_id;
        self.0.change(|state| {
            let worker = state.workers.get_mut(&id).ok_or_else(|| Status::not_found("not found"))?;
            worker.streams.retain(|stream| !stream.is_closed());
            if worker.streams.is_empty() {
                return Err(Status::failed_precondition("worker stream is not active"));
            }
            worker.heartbeat = Some(Instant::now());
            Ok(Response::new(HeartbeatReply {}))
        })
    }

    async fn send_step_action_event(&self, request: Request<TaskEvent>) -> Result<Response<TaskEventReply>, Status> {
        self.0.auth(&request)?;
        let event = request.into_inner();
        let is_outcome = matches!(event.r#type(), TaskEventType::Completed | TaskEventType::Failed);
        self.0.change(|state| {
            if is_outcome && state.faults.call_outcomes_wrong > 0 {
                state.faults.call_outcomes_wrong -= 1;
                return Err(Status::invalid_argument(
                    "invalid task external run id: timeout: context deadline exceeded",
                ));
            }
            take_event(state, &event)?;
            if is_outcome && state.faults.lose_acknowledgements > 0 {
                state.faults.lose_acknowledgements -= 1;
                return Err(Status::unavailable("connection reset"));
            }
            Ok(Response::new(TaskEventReply {}))
        })
    }

    type SubscribeToWorkflowRunsStream = Answers<RunFinished>;

    async fn subscribe_to_workflow_runs(
        &self,
        request: Request<Streaming<RunSubscription>>,
    ) -> Result<Response<Self::SubscribeToWorkflowRunsStream>, Status> {
        self.0.auth(&request)?;
        let (mut asked, (sender, mut answers)) = (request.into_inner(), mpsc::unbounded_channel());
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut waited: Vec<String> = Vec::new();
            loop {
                let over: Vec<RunFinished> = {
                    let mut state = shared.state();
                    let over = waited.iter().filter_map(|id| state.runs.get(id)).filter(|run| run.is_over());
                    let mut over: Vec<RunFinished> = over.map(finished).collect();
                    for run in over.iter_mut().filter(|run| bytes(&run.results) >= LARGEST_RESULTS) {
                        run.results.clear();
                        state.emptied += 1;
                    }
                    over
                };
                waited.retain(|id| over.iter().all(|run| run.workflow_run_id != *id));
                for run in over {
                    if sender.send(Ok(run)).is_err() {
                        return;
                    }
                }
                tokio::select! {
                    message = asked.message() => match message {
                        Ok(Some(run)) => waited.push(run.workflow_run_id),
                        // Half-closed or broken: the subscription ends.
                        Ok(None) | Err(_) => return,
                    },
                    () = shared.changed.notified() => {}
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        });
        let Some(first) = answers.recv().await else { return Err(Status::unavailable("the engine is stopping")) };
        let rest =
            stream::unfold(answers, |mut answers| async move { answers.recv().await.map(|answer| (answer, answers)) });
        Ok(Response::new(Box::pin(stream::once(async { first }).chain(rest))))
    }

    async fn unsubscribe(&self, request: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeReply>, Status> {
        self.0.auth(&request)?;
        self.0.change(|state| state.unsubscribed.push(request.into_inner().worker_id));
        Ok(Response::new(UnsubscribeReply {}))
    }
}

/// The end of a stream at which actions leave.
struct Outlet {
    actions: mpsc::UnboundedReceiver<Result<Action, Status>>,
    shared: Arc<Shared>,
}

impl Drop for Outlet {
    /// What could not leave any more is given to whoever listens next.
    fn drop(&mut self) {
        let mut state = self.shared.state();
        while let Ok(action) = self.actions.try_recv() {
            let Ok(action) = action else { continue };
            let Some(task) = state.task(&action.task_run_external_id) else { continue };
            if task.phase == TaskPhase::Running && task.retry_count == action.retry_count {
                task.hand_over(NOT_SENT);
            }
        }
    }
}

/// From here on results are not told, only that there are some.
const LARGEST_RESULTS: usize = 3 << 20;

fn bytes(results: &[TaskResult]) -> usize {
    results.iter().filter_map(|result| result.output.as_ref()).map(String::len).sum()
}

fn finished(run: &Run) -> RunFinished {
    let results = run.tasks.values().map(|task| {
        let is_lost = matches!(task.phase, TaskPhase::Failed | TaskPhase::Cancelled)
            && Some(&task.name) != run.on_failure.as_ref();
        TaskResult {
            task_run_external_id: task.id.clone(),
            task_name: task.name.clone(),
            error: is_lost.then(|| task.error.clone().unwrap_or_default()),
            output: (task.phase == TaskPhase::Completed)
                .then(|| task.output.as_ref().map_or_else(|| r#"{"skipped":true}"#.to_owned(), Value::to_string)),
        }
    });
    // An on-failure task that was left out is reported as skipped.
    let results = results.map(|mut result| {
        if result.error.is_none() && result.output.is_none() {
            result.output = Some(r#"{"skipped":true}"#.to_owned());
        }
        result
    });
    RunFinished { workflow_run_id: run.id.clone(), results: results.collect() }
}

fn take_event(state: &mut State, event: &TaskEvent) -> Result<(), Status> {
    let (retry_count, kind) = (event.retry_count.unwrap_or(0), event.r#type());
    let second = state.tempo.second;
    let workflows = state.workflows.clone();
    let Some(run) =
        state.runs.values_mut().find(|run| run.tasks.values().any(|task| task.id == event.task_run_external_id))
    else {
        return Err(Status::invalid_argument("invalid task external run id: no rows in result set"));
    };
    let workflow = &workflows[&run.workflow];
    let task = run.tasks.values_mut().find(|task| task.id == event.task_run_external_id).unwrap();
    let step =
        workflow.tasks.iter().chain(&workflow.on_failure_task).find(|step| step.readable_id == task.name).unwrap();
    if !matches!(kind, TaskEventType::Completed | TaskEventType::Failed) {
        return Ok(());
    }
    task.heard = Some(Instant::now());
    let is_completed = kind == TaskEventType::Completed;
    let told = (event.payload.clone(), is_completed);
    if let Some(before) = task.outcomes.insert(retry_count, told.clone())
        && before != told
    {
        let violation = format!("{}: two outcomes of attempt {retry_count}: {before:?}, {told:?}", task.name);
        state.violations.push(violation);
        return Ok(());
    }
    if task.retry_count != retry_count || task.phase != TaskPhase::Running {
        return Ok(());
    }
    task.worker = None;
    task.ended = Some(Instant::now());
    if is_completed {
        let output: Result<Value, _> = serde_json::from_str(&event.payload);
        match output {
            Ok(output) => {
                let is_object = output.is_object() || output.is_null();
                (task.phase, task.output) = (TaskPhase::Completed, Some(output));
                if !is_object {
                    let violation = format!("{}: an output that is no object hangs the run", task.name);
                    state.violations.push(violation);
                }
                return Ok(());
            }
            Err(_) => task.error = Some("invalid JSON".to_owned()),
        }
    } else {
        task.error = Some(event.payload.clone());
    }
    if task.spent >= step.retries || event.should_not_retry == Some(true) {
        task.phase = TaskPhase::Failed;
        return Ok(());
    }
    task.spent += 1;
    task.retry_count += 1;
    task.phase = TaskPhase::Queued;
    let factor = f64::from(step.backoff_factor.unwrap_or(0.0)).powi(task.spent);
    let wait = factor.min(f64::from(step.backoff_max_seconds.unwrap_or(86_400)));
    task.not_before = Some(Instant::now() + second.mul_f64(wait));
    Ok(())
}
