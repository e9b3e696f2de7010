//! The double's heart: what is queued goes to workers with a free slot, what failed comes back later, what a lost worker
//! had goes to another.

use std::collections::{BTreeMap, HashMap};
use std::sync::Weak;
use std::time::Duration;

use prost::Message as _;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::rates::Rates;
use super::runs::{Run, Task, TaskPhase, Workflow};
use super::wire::{self, ActionType};
use super::{Faults, Shared};

/// How fast time goes.
#[derive(Debug, Clone, Copy)]
pub struct Tempo {
    /// What the engine takes a second for: waits before retries.
    pub second: Duration,
    /// A worker not heard for so long gets no more work (5 s).
    pub stale: Duration,
    /// How long an idempotency key is known for each of its milliseconds.
    pub idempotency: Duration,
}

impl Default for Tempo {
    fn default() -> Self {
        Self {
            second: Duration::from_millis(5),
            stale: Duration::from_millis(1000),
            idempotency: Duration::from_micros(10),
        }
    }
}

/// A worker that registered.
#[derive(Debug)]
pub struct Worker {
    pub id: String,
    pub name: String,
    pub actions: Vec<String>,
    pub slots: HashMap<String, i32>,
    pub labels: Vec<String>,
    pub language: Option<String>,
    pub is_paused: bool,
    pub heartbeat: Option<Instant>,
    /// Open streams; the last one gets the work.
    pub streams: Vec<mpsc::UnboundedSender<Result<wire::Action, Status>>>,
}

/// Everything.
pub struct State {
    pub tempo: Tempo,
    pub faults: Faults,
    pub violations: Vec<String>,
    pub rates: Rates,
    pub workflows: BTreeMap<String, Workflow>,
    pub workers: BTreeMap<String, Worker>,
    pub runs: BTreeMap<String, Run>,
    /// Run by parent task and child key.
    pub children: HashMap<(String, String), String>,
    /// Run and when it was made, by idempotency key.
    pub keys: HashMap<String, (String, Instant)>,
    /// Triggers that were taken, by workflow.
    pub triggers: BTreeMap<String, u32>,
    pub registrations: u32,
    pub unsubscribed: Vec<String>,
    /// Awaited runs whose results were too large to be told.
    pub emptied: u32,
    /// Workers that were not heard for too long: what they had goes to others. The engine takes 30 s to say so; here
    /// a test does, because machines that run tests are slow at times.
    pub lost: Vec<String>,
}

/// Most bytes of a message, either way.
pub const LARGEST_MESSAGE: usize = 4 << 20;
/// What is said of a task that could not be sent.
pub const NOT_SENT: &str = "Could not send task to worker. This likely means that too many slots have been configured for the \
                        number of workers or the network latency between engine and worker is unusually high.";

/// What a message that is too large ends its stream or its call with.
pub fn too_large(bytes: usize) -> Status {
    let most = LARGEST_MESSAGE;
    Status::resource_exhausted(format!("grpc: trying to send message larger than max ({bytes} vs. {most})"))
}

impl State {
    pub fn new(tempo: Tempo) -> Self {
        Self {
            tempo,
            faults: Faults::default(),
            violations: Vec::new(),
            rates: Rates::default(),
            workflows: BTreeMap::new(),
            workers: BTreeMap::new(),
            runs: BTreeMap::new(),
            children: HashMap::new(),
            keys: HashMap::new(),
            triggers: BTreeMap::new(),
            registrations: 0,
            unsubscribed: Vec::new(),
            emptied: 0,
            lost: Vec::new(),
        }
    }

    pub fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub fn cut_streams(&mut self) {
        self.workers.values_mut().for_each(|worker| worker.streams.clear());
    }

    /// Makes a run of a known workflow.
    pub fn make(&mut self, id: String, name: &str, input: Value, metadata: BTreeMap<String, String>) -> &mut Run {
        let workflow = self.workflows[name].clone();
        let task = |described: &wire::v1::Task, phase| Task {
            id: Uuid::now_v7().to_string(),
            name: described.readable_id.clone(),
            action: described.action.to_lowercase(),
            phase,
            retry_count: 0,
            spent: 0,
            reassigned: 0,
            not_before: None,
            heard: None,
            worker: None,
            output: None,
            error: None,
            logs: Vec::new(),
            chunks: Vec::new(),
            ended: None,
            outcomes: HashMap::new(),
            sent: Vec::new(),
        };
        let mut tasks: BTreeMap<String, Task> =
            workflow.tasks.iter().map(|step| (step.readable_id.clone(), task(step, TaskPhase::Waiting))).collect();
        let on_failure = workflow.on_failure_task.as_ref().map(|step| {
            tasks.insert(step.readable_id.clone(), task(step, TaskPhase::Waiting));
            step.readable_id.clone()
        });
        let run = Run {
            id: id.clone(),
            workflow: name.to_owned(),
            input,
            metadata,
            priority: 1,
            child_key: None,
            parent_task: None,
            tasks,
            on_failure,
        };
        self.runs.entry(id).or_insert(run)
    }

    /// A task by its id.
    pub fn task(&mut self, id: &str) -> Option<&mut Task> {
        self.runs.values_mut().flat_map(|run| run.tasks.values_mut()).find(|task| task.id == id)
    }

    /// A task of a run, for whoever checks.
    pub fn view(&self, run: &str, task: &str) -> Task {
        self.runs[run].tasks[task].clone()
    }

    /// Stops a run's tasks, or one task with all that follows, as cancelling does.
    pub fn cancel(&mut self, id: &str) {
        let mut told = Vec::new();
        for run in self.runs.values_mut() {
            let is_run = run.id == id;
            for task in run.tasks.values_mut().filter(|task| (is_run || task.id == id) && !task.phase.is_final()) {
                told.push((run.id.clone(), task.clone()));
                task.phase = TaskPhase::Cancelled;
                task.ended = Some(Instant::now());
                task.worker = None;
            }
        }
        for (run, task) in told {
            self.tell_to_stop(&run, &task);
        }
    }

    /// Sends CANCEL to all streams of the worker that has the task.
    pub fn tell_to_stop(&mut self, run: &str, task: &Task) {
        let Some(worker) = task.worker.as_ref().and_then(|id| self.workers.get(id)) else { return };
        let action = wire::Action {
            workflow_run_id: run.to_owned(),
            task_run_external_id: task.id.clone(),
            action_id: task.action.clone(),
            action_type: ActionType::CancelStepRun as i32,
            retry_count: task.retry_count,
            ..wire::Action::default()
        };
        worker.streams.iter().for_each(|stream| drop(stream.send(Ok(action.clone()))));
    }

    /// Gives a task that is over a new attempt, and what follows it.
    pub fn replay(&mut self, id: &str) {
        for run in self.runs.values_mut() {
            let Some(name) = run.tasks.values().find(|task| task.id == id).map(|task| task.name.clone()) else {
                continue;
            };
            let workflow = &self.workflows[&run.workflow];
            let mut again = vec![name];
            loop {
                let more = workflow.tasks.iter().find(|step| {
                    !again.contains(&step.readable_id) && step.parents.iter().any(|parent| again.contains(parent))
                });
                match more {
                    Some(step) => again.push(step.readable_id.clone()),
                    None => break,
                }
            }
            again.extend(run.on_failure.clone());
            for name in again {
                let task = run.tasks.get_mut(&name).unwrap();
                if task.phase == TaskPhase::Waiting {
                    continue;
                }
                task.retry_count += 1;
                task.spent = 0;
                (task.phase, task.output, task.error) = (TaskPhase::Waiting, None, None);
            }
        }
    }

    /// One look at everything. Says when to look again, if time alone changes something.
    fn look(&mut self) {
        let now = Instant::now();
        self.reassign();
        self.advance(now);
        self.assign(now);
    }

    fn reassign(&mut self) {
        // Who says goodbye is not heard again either.
        let lost: Vec<&String> = self.lost.iter().chain(&self.unsubscribed).collect();
        for task in self.runs.values_mut().flat_map(|run| run.tasks.values_mut()) {
            if task.phase == TaskPhase::Running && task.worker.as_ref().is_some_and(|worker| lost.contains(&worker)) {
                task.hand_over("Task reached its maximum reassignment count");
            }
        }
    }

    fn advance(&mut self, now: Instant) {
        for run in self.runs.values_mut() {
            let workflow = &self.workflows[&run.workflow];
            let phases: HashMap<String, TaskPhase> =
                run.tasks.iter().map(|(name, task)| (name.clone(), task.phase)).collect();
            let skipped = |name: &String| {
                run.tasks[name].output.as_ref().is_some_and(|output| output.get("skipped") == Some(&json!(true)))
            };
            let object = |name: &String| run.tasks[name].output.as_ref().is_none_or(Value::is_object);
            let mut next = HashMap::new();
            for step in &workflow.tasks {
                if phases[&step.readable_id] != TaskPhase::Waiting {
                    continue;
                }
                let parents = || step.parents.iter();
                if parents().any(|parent| matches!(phases[parent], TaskPhase::Failed | TaskPhase::Cancelled)) {
                    next.insert(step.readable_id.clone(), TaskPhase::Cancelled);
                } else if parents().all(|parent| phases[parent] == TaskPhase::Completed && object(parent)) {
                    let phase = if parents().any(skipped) { TaskPhase::Completed } else { TaskPhase::Queued };
                    next.insert(step.readable_id.clone(), phase);
                }
            }
            if let Some(name) = run.on_failure.clone().filter(|name| phases[name] == TaskPhase::Waiting) {
                let steps = || run.steps().map(|task| task.phase);
                if steps().any(|phase| phase == TaskPhase::Failed) {
                    next.insert(name, TaskPhase::Queued);
                } else if steps().all(TaskPhase::is_final) {
                    next.insert(name, TaskPhase::Cancelled);
                }
            }
            for (name, phase) in next {
                let task = run.tasks.get_mut(&name).unwrap();
                task.phase = phase;
                if phase.is_final() {
                    task.ended = Some(now);
                }
            }
        }
    }

    fn assign(&mut self, now: Instant) {
        let queued: Vec<(String, String)> = self
            .runs
            .values()
            .flat_map(|run| run.tasks.values().map(move |task| (run.id.clone(), task)))
            .filter(|(_, task)| task.phase == TaskPhase::Queued && task.not_before.is_none_or(|at| at <= now))
            .filter(|(_, task)| !self.faults.idle_queues || task.spent == 0 || task.heard > task.not_before)
            .map(|(run, task)| (run, task.name.clone()))
            .collect();
        for (run_id, name) in queued {
            let run = &self.runs[&run_id];
            let workflow = &self.workflows[&run.workflow];
            let described =
                workflow.tasks.iter().chain(&workflow.on_failure_task).find(|step| step.readable_id == name).unwrap();
            let needs = if described.slot_requests.is_empty() {
                HashMap::from([("default".to_owned(), 1)])
            } else {
                described.slot_requests.clone()
            };
            let (action, limits) = (described.action.clone(), described.rate_limits.clone());
            let Some(worker) = self.free_worker(&action, &needs, now) else { continue };
            if !self.rates.take(&limits, self.tempo.second, now) {
                continue;
            }
            let message = self.action(&run_id, &name);
            let bytes = message.encoded_len();
            let is_small = bytes <= LARGEST_MESSAGE;
            let message = if is_small { Ok(message) } else { Err(too_large(bytes)) };
            let streams = &mut self.workers.get_mut(&worker).unwrap().streams;
            let is_lost = self.faults.lose_actions > 0;
            self.faults.lose_actions -= u32::from(is_lost);
            let sent = streams.last().is_some_and(|stream| is_lost || stream.send(message).is_ok());
            if !sent || !is_small {
                streams.pop();
            }
            let task = self.runs.get_mut(&run_id).unwrap().tasks.get_mut(&name).unwrap();
            if !is_small {
                task.hand_over(NOT_SENT);
                task.not_before = Some(now + self.tempo.second);
            } else if sent {
                task.phase = TaskPhase::Running;
                task.worker = Some(worker);
                task.sent.push(now);
            }
        }
    }

    fn free_worker(&self, action: &str, needs: &HashMap<String, i32>, now: Instant) -> Option<String> {
        let taken = |worker: &Worker, slot: &str| -> i32 {
            let running = self.runs.values().flat_map(|run| {
                let workflow = &self.workflows[&run.workflow];
                run.tasks.values().filter(|task| task.phase == TaskPhase::Running).map(move |task| {
                    let step = workflow
                        .tasks
                        .iter()
                        .chain(&workflow.on_failure_task)
                        .find(|step| step.readable_id == task.name);
                    (task, step.unwrap())
                })
            });
            running
                .filter(|(task, _)| task.worker.as_ref() == Some(&worker.id))
                .map(|(_, step)| {
                    let default = i32::from(slot == "default" && step.slot_requests.is_empty());
                    step.slot_requests.get(slot).copied().unwrap_or(default)
                })
                .sum()
        };
        let free = self.workers.values().find(|worker| {
            !worker.is_paused
                && !self.lost.contains(&worker.id)
                && !self.unsubscribed.contains(&worker.id)
                && !worker.streams.is_empty()
                && worker.heartbeat.is_some_and(|at| now - at < self.tempo.stale)
                && worker.actions.iter().any(|known| known == action)
                && needs
                    .iter()
                    .all(|(slot, units)| worker.slots.get(slot).copied().unwrap_or(0) - taken(worker, slot) >= *units)
        });
        free.map(|worker| worker.id.clone())
    }

    fn action(&self, run: &str, name: &str) -> wire::Action {
        let run = &self.runs[run];
        let task = &run.tasks[name];
        let outputs = run.tasks.values().filter(|task| task.phase == TaskPhase::Completed);
        let parents: Map<String, Value> = outputs
            .map(|task| (task.name.clone(), task.output.clone().map_or_else(|| json!({"skipped": true}), handed_on)))
            .collect();
        let mut payload = json!({
            "input": run.input, "triggered_by": "manual", "parents": parents, "user_data": null, "overrides": null,
            "triggers": {},
        });
        if run.on_failure.as_deref() == Some(name) {
            let errors: Map<String, Value> =
                run.steps().filter_map(|task| Some((task.name.clone(), task.error.clone()?.into()))).collect();
            payload["step_run_errors"] = Value::Object(errors);
        }
        let mut metadata = run.metadata.clone();
        metadata.insert("traceparent".to_owned(), "00-0-0-00".to_owned());
        wire::Action {
            workflow_run_id: run.id.clone(),
            job_id: "job".to_owned(),
            job_run_id: task.id.clone(),
            task_id: "step".to_owned(),
            task_run_external_id: task.id.clone(),
            action_id: task.action.clone(),
            action_type: ActionType::StartStepRun as i32,
            payload: payload.to_string(),
            task_name: task.name.clone(),
            retry_count: task.retry_count,
            additional_metadata: Some(json!(metadata).to_string()),
            child_index: run.child_key.as_ref().map(|_| 0),
            child_key: run.child_key.clone(),
            priority: run.priority,
        }
    }
}

/// An output as the tasks after it get it: the engine reads it and writes it anew, and its language knows one kind of
/// number.
fn handed_on(output: Value) -> Value {
    match output {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15);
            whole.map_or(Value::Number(number), |float| json!(float as i64))
        }
        Value::Array(items) => items.into_iter().map(handed_on).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, handed_on(value))).collect(),
        other => other,
    }
}

/// Looks whenever something has changed, and every few milliseconds.
pub async fn run(shared: Weak<Shared>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        shared.state().look();
        let changed = shared.changed.notified();
        let _ = tokio::time::timeout(Duration::from_millis(5), changed).await;
    }
}
