use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::failure::FailureClass;
use crate::workflow::runner::{self, Attempt, Outcome};
use crate::workflow::testing::{self, awaited, until};
use crate::workflow::{Child, ChildOutputs, NoParents, TaskContext, TaskError, default_pool_sizes};

const FILES: [(&str, &str); 2] = [
    (
        "outer.toml",
        "name='Outer'\ndescription='d'\ninput='I'\n[defaults]\nexecution_timeout='1h'\nstall_timeout='10m'\n\
         schedule_timeout='1h'\nretries=3\nbackoff_factor=2\nbackoff_max='1m'\n\
         [[task]]\nname='first'\npool='io'\n\
         [[task]]\nname='second'\npool='io'\nparents=['first']\n\
         [[task]]\nname='fan'\npool='io'\nparents=['first']\nfan_out='Inner'\nexecution_timeout='3h'\n",
    ),
    (
        "inner.toml",
        "name='Inner'\ndescription='d'\ninput='I'\n[defaults]\nexecution_timeout='1h'\nstall_timeout='10m'\n\
         schedule_timeout='1h'\nretries=3\nbackoff_factor=2\nbackoff_max='1m'\n[[task]]\nname='step'\npool='audio'\n",
    ),
];

fn definitions() -> Definitions {
    Definitions::parse(&FILES, default_pool_sizes(2, 1)).unwrap()
}

/// Counts what it opens and closes.
#[derive(Default, Clone)]
struct Counted(Arc<Mutex<Vec<&'static str>>>);

impl Counted {
    fn seen(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    fn add(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

#[async_trait]
impl House for Counted {
    type Services = Counted;

    async fn open(&self, ctx: &TaskContext) -> Result<Counted, TaskError> {
        if ctx.metadata().contains_key("locked") {
            return Err(TaskError::retryable("the database is locked"));
        }
        self.add("open");
        Ok(self.clone())
    }

    async fn close(&self, services: &Counted) {
        services.add("close");
        match services.seen()[1] {
            "close must hang" => std::future::pending().await,
            "close must panic" => panic!("closing"),
            _ => services.add("closed"),
        }
    }
}

#[derive(Deserialize)]
struct Wish {
    wish: String,
}

#[derive(Serialize, Deserialize, Clone)]
struct Made {
    number: u32,
}

/// Ends as its input wishes.
struct First;

#[async_trait]
impl Task<Counted> for First {
    const NAME: &'static str = "first";
    type Input = Wish;
    type Parents = NoParents;
    type Output = Made;

    async fn run(&self, ctx: &TaskContext, services: &Counted, input: Wish, _: NoParents) -> Result<Made, TaskError> {
        services.add(match input.wish.as_str() {
            "close must hang" => "close must hang",
            "close must panic" => "close must panic",
            _ => "work",
        });
        match input.wish.as_str() {
            "fail" => Err(TaskError::permanent("as wished")),
            "panic" => panic!("as wished"),
            "stall" => {
                ctx.cancellation().cancelled().await;
                Err(TaskError::cancelled())
            }
            _ => Ok(Made { number: 7 }),
        }
    }
}

#[derive(Deserialize)]
struct SecondParents {
    first: Made,
}

struct Second;

#[async_trait]
impl Task<Counted> for Second {
    const NAME: &'static str = "second";
    type Input = Value;
    type Parents = SecondParents;
    type Output = Made;

    async fn run(&self, _: &TaskContext, _: &Counted, _: Value, parents: SecondParents) -> Result<Made, TaskError> {
        Ok(Made { number: parents.first.number + 1 })
    }
}

#[derive(Deserialize)]
struct StepOutputs {
    step: Made,
}

struct Fan;

#[async_trait]
impl FanOut<Counted> for Fan {
    const NAME: &'static str = "fan";
    type Input = Made;
    type Parents = NoParents2;
    type ChildInput = Made;
    type ChildOutput = StepOutputs;
    type Output = Made;

    async fn plan(
        &self,
        _: &TaskContext,
        _: &Counted,
        input: Made,
        _: NoParents2,
    ) -> Result<Vec<Child<Made>>, TaskError> {
        Ok((0..input.number).map(|number| Child { key: format!("t{number:03}"), input: Made { number } }).collect())
    }

    async fn collect(
        &self,
        _: &TaskContext,
        _: &Counted,
        _: Made,
        _: NoParents2,
        children: &mut dyn ChildOutputs<StepOutputs>,
    ) -> Result<Made, TaskError> {
        let mut number = 0;
        while let Some((_, output)) = children.next().await? {
            number += output.step.number;
        }
        Ok(Made { number })
    }
}

/// Reads nothing, though it has a parent.
#[derive(Deserialize, Clone)]
struct NoParents2 {}

struct Step;

#[async_trait]
impl Task<Counted> for Step {
    const NAME: &'static str = "step";
    type Input = Made;
    type Parents = NoParents;
    type Output = Made;

    async fn run(&self, _: &TaskContext, _: &Counted, input: Made, _: NoParents) -> Result<Made, TaskError> {
        Ok(input)
    }
}

fn registry(house: Counted) -> Registry {
    Registry::builder(house, definitions())
        .task("Outer", First)
        .task("Outer", Second)
        .fan_out("Outer", Fan)
        .task("Inner", Step)
        .build()
        .unwrap()
}

struct Scene {
    clock: crate::clock::ManualClock,
    house: Counted,
}

impl Scene {
    fn new() -> Self {
        Self { clock: testing::clock(), house: Counted::default() }
    }

    fn attempt(&self, task: &str, input: Value, parents: Value) -> Attempt {
        let ctx = testing::context(task, Arc::new(self.clock.clone()), Arc::new(testing::RememberingSink::default()));
        let (stall_timeout, deadline) = (Duration::from_secs(600), Timestamp::from_micros(3_600_000_000));
        Attempt { ctx, input, parents, stall_timeout, deadline }
    }

    fn task(&self, name: &str) -> Arc<dyn crate::workflow::TaskHandler> {
        match registry(self.house.clone()).handler("Outer", name) {
            Some(Handler::Task(task)) => task,
            _ => panic!("no task {name}"),
        }
    }

    fn fan(&self) -> Arc<dyn crate::workflow::FanOutHandler> {
        match registry(self.house.clone()).handler("Outer", "fan") {
            Some(Handler::FanOut(fan)) => fan,
            _ => panic!("no fan-out"),
        }
    }

    async fn first(&self, wish: &str) -> Outcome<Value> {
        runner::run(self.task("first"), self.attempt("first", json!({ "wish": wish }), json!({}))).await
    }
}

#[test]
fn each_tasks_code_is_found_by_workflow_and_name() {
    let registry = registry(Counted::default());
    for (workflow, task) in registry.definitions().all_tasks() {
        assert!(registry.handler(&workflow.name, &task.name).is_some(), "{}", task.name);
    }
    assert!(registry.handler("outer", "first").is_none());
    assert!(registry.workflow("outer").is_none());
    assert_eq!(registry.workflows().len(), 2);
    assert_eq!(registry.pools(), &default_pool_sizes(2, 1));
}

#[tokio::test]
async fn typed_tasks_take_and_give_json() {
    let scene = Scene::new();
    assert_eq!(scene.first("well").await, Outcome::Completed(json!({"number": 7})));
    // What a task does not read is not even looked at.
    let parents = json!({"first": {"number": 7, "more": true}, "other": 1});
    let second = runner::run(scene.task("second"), scene.attempt("second", json!({}), parents)).await;
    assert_eq!(second, Outcome::Completed(json!({"number": 8})));
    let plan = runner::plan(scene.fan(), scene.attempt("fan", json!({"number": 2}), json!({}))).await;
    let plan = plan.into_result().unwrap();
    assert_eq!(plan.iter().map(|child| child.key.as_str()).collect::<Vec<_>>(), ["t000", "t001"]);
    assert_eq!(plan[1].input, json!({"number": 1}));

    struct Two(u32);
    #[async_trait]
    impl ChildOutputs<Value> for Two {
        async fn next(&mut self) -> Result<Option<(String, Value)>, TaskError> {
            self.0 += 1;
            let output = if self.0 == 3 { json!({"step": "x"}) } else { json!({"step": {"number": 20}}) };
            Ok((self.0 <= 3).then(|| (format!("t{:03}", self.0), output)))
        }
    }
    let collected =
        runner::collect(scene.fan(), scene.attempt("fan", json!({"number": 2}), json!({})), Box::new(Two(0))).await;
    let error = collected.into_result().unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.message.starts_with("task fan can't read the output of child t003, field step: "), "{error}");
}

#[tokio::test]
async fn what_can_not_be_read_is_named_by_task_and_field() {
    let scene = Scene::new();
    let read = |task: &'static str, input, parents| {
        let (handler, attempt) = (scene.task(task), scene.attempt(task, input, parents));
        async move { runner::run(handler, attempt).await.into_result().unwrap_err() }
    };
    let error = read("second", json!({}), json!({"first": {"number": "seven"}})).await;
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(
        error.message.starts_with("task second can't read its parents' outputs, field first.number: invalid type"),
        "{error}"
    );
    let error = read("second", json!({}), json!({})).await;
    assert!(error.message.contains("missing field `first`"), "{error}");
    let error = read("first", json!({"wish": 1}), json!({})).await;
    assert!(error.message.starts_with("task first can't read its input, field wish: "), "{error}");
    assert!(scene.house.seen().is_empty());
}

#[tokio::test]
async fn services_are_closed_when_a_task_is_done_failed_or_panicked() {
    for wish in ["well", "fail", "panic"] {
        let scene = Scene::new();
        scene.first(wish).await;
        assert_eq!(scene.house.seen(), ["open", "work", "close", "closed"], "{wish}");
    }
}

#[tokio::test]
async fn services_are_closed_when_a_task_is_timed_out_cancelled_or_dropped() {
    for ending in ["timed out", "cancelled", "dropped"] {
        let scene = Scene::new();
        let attempt = scene.attempt("first", json!({"wish": "stall"}), json!({}));
        let cancel = attempt.ctx.cancellation().clone();
        let running = tokio::spawn(runner::run(scene.task("first"), attempt));
        until(|| scene.house.seen().len() == 2).await;
        match ending {
            "timed out" => scene.clock.advance(Duration::from_secs(600)),
            "cancelled" => cancel.cancel(),
            _ => running.abort(),
        }
        until(|| scene.house.seen() == ["open", "work", "close", "closed"]).await;
    }
}

#[tokio::test]
async fn closing_takes_five_seconds_at_most_and_can_not_fail_a_finished_task() {
    let scene = Scene::new();
    let attempt = scene.attempt("first", json!({"wish": "close must hang"}), json!({}));
    let running = tokio::spawn(runner::run(scene.task("first"), attempt));
    awaited(&scene.clock, Duration::from_secs(5)).await;
    assert!(!running.is_finished());
    scene.clock.advance(Duration::from_secs(5));
    assert_eq!(running.await.unwrap(), Outcome::Completed(json!({"number": 7})));
    assert_eq!(Scene::new().first("close must panic").await, Outcome::Completed(json!({"number": 7})));
}

#[tokio::test]
async fn services_that_do_not_open_fail_the_attempt_with_their_own_class() {
    let scene = Scene::new();
    let mut attempt = scene.attempt("first", json!({"wish": "well"}), json!({}));
    let metadata = [("locked".to_owned(), String::new())].into();
    let (identity, sink) = (attempt.ctx.identity().clone(), Arc::new(testing::RememberingSink::default()));
    attempt.ctx = TaskContext::new(identity, metadata, sink, Default::default(), Arc::new(scene.clock.clone()));
    let outcome = runner::run(scene.task("first"), attempt).await;
    assert_eq!(outcome, Outcome::Failed(TaskError::retryable("opening the task's services: the database is locked")));
    assert!(scene.house.seen().is_empty());
}

#[test]
fn everything_that_does_not_fit_is_refused_at_once() {
    let errors = |builder: RegistryBuilder<Counted>| match builder.build() {
        Ok(_) => panic!("this does not fit"),
        Err(errors) => errors.to_string(),
    };
    let text = errors(
        Registry::builder(Counted::default(), definitions())
            .task("Outer", First)
            .task("Outer", First)
            .task("Outer", Step)
            .task("Outr", Second),
    );
    let wanted = [
        "outer.toml: workflow \"Outer\", task \"first\": was given code twice",
        "outer.toml: workflow \"Outer\", task \"step\": there is code for this task, but the workflow has no such task",
        "workflows: workflow \"Outr\", task \"second\": there is code for a task of workflow \"Outr\", which does not exist; did you mean \"Outer\"?",
        "outer.toml: workflow \"Outer\", task \"second\": has no handler",
        "outer.toml: workflow \"Outer\", task \"fan\": has no handler",
        "inner.toml: workflow \"Inner\", task \"step\": has no handler",
    ];
    for (line, wanted) in text.lines().zip(wanted) {
        assert!(line.starts_with(wanted), "{line}\nis not\n{wanted}");
    }
    assert_eq!(text.lines().count(), wanted.len(), "{text}");
}

/// A task like [`First`] under another name and with other parents.
macro_rules! reading {
    ($name:ident, $task:literal, $parents:ty) => {
        struct $name;
        #[async_trait]
        impl Task<Counted> for $name {
            const NAME: &'static str = $task;
            type Input = Value;
            type Parents = $parents;
            type Output = Made;
            async fn run(&self, _: &TaskContext, _: &Counted, _: Value, _: $parents) -> Result<Made, TaskError> {
                Ok(Made { number: 0 })
            }
        }
    };
}

#[derive(Deserialize)]
#[expect(dead_code)]
struct ReadsFan {
    first: Made,
    fan: Option<Made>,
}

reading!(SecondReadsFan, "second", ReadsFan);
reading!(SecondReadsAnything, "second", Value);
reading!(OrdinaryFan, "fan", NoParents);

#[test]
fn h2_a_task_that_reads_the_output_of_a_task_that_is_not_its_parent_is_refused() {
    let build = |second: &dyn Fn(RegistryBuilder<Counted>) -> RegistryBuilder<Counted>| {
        let builder = Registry::builder(Counted::default(), definitions()).task("Outer", First).task("Inner", Step);
        match second(builder).build() {
            Ok(_) => panic!("this does not fit"),
            Err(errors) => errors.to_string(),
        }
    };
    assert_eq!(
        build(&|builder| builder.task("Outer", SecondReadsFan).fan_out("Outer", Fan)),
        "outer.toml: workflow \"Outer\", task \"second\", field \"parents\": the code reads the output of \"fan\", which is \
         not a parent (its parents are first): add it to parents"
    );
    assert!(
        build(&|builder| builder.task("Outer", SecondReadsAnything).fan_out("Outer", Fan))
            .contains("has no fixed fields")
    );
    assert!(
        build(&|builder| builder.task("Outer", Second).task("Outer", OrdinaryFan))
            .contains("is declared as a fan-out of Inner")
    );
}
