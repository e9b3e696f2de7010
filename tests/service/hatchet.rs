//! The engine that `serve` and workers are told of: a double of Hatchet's or, with `HATCHET_CLIENT_TOKEN` set, a real one, in
//! which each test has a namespace of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use trackscribe::clock::{Clock, SystemClock, Timestamp};
use trackscribe::engine::hatchet::rest::{RunPage, RunQuery, TaskState, TaskSummary};
use trackscribe::engine::hatchet::{Account, Rest, Settings, Tls};
use trackscribe::secret::Secret;

use crate::double::Double;
use crate::world::eventually;

pub struct Hatchet {
    double: Option<Double>,
    settings: BTreeMap<String, String>,
    pub rest: Rest,
    since: Timestamp,
}

impl Hatchet {
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut settings = BTreeMap::from([("DURABLE_WORKFLOW_PROVIDER".to_owned(), "hatchet".to_owned())]);
        let mut tell = |name: &str, value: String| settings.insert(name.to_owned(), value);
        let mut double = None;
        if let Some(token) = var("HATCHET_CLIENT_TOKEN") {
            tell("HATCHET_CLIENT_TOKEN", token);
            tell("HATCHET_CLIENT_NAMESPACE", format!("t{}", uuid::Uuid::now_v7().simple()));
            for name in ["HATCHET_CLIENT_TLS_STRATEGY", "HATCHET_CLIENT_HOST_PORT", "HATCHET_CLIENT_SERVER_URL"] {
                if let Some(value) = var(name) {
                    tell(name, value);
                }
            }
        } else {
            let started = double.insert(Double::start().await);
            // These workers are as slow as they are at somebody's.
            started.look(|state| state.tempo.stale = Duration::from_secs(6));
            tell("HATCHET_CLIENT_TOKEN", started.token.clone());
            tell("HATCHET_CLIENT_TLS_STRATEGY", "none".to_owned());
        }
        let account = Settings {
            token: Secret::new(settings["HATCHET_CLIENT_TOKEN"].clone()),
            tenant: None,
            host_port: settings.get("HATCHET_CLIENT_HOST_PORT").cloned(),
            server_url: settings.get("HATCHET_CLIENT_SERVER_URL").map(|url| url.parse().unwrap()),
            namespace: String::new(),
            tls: Tls::None,
            server_name: None,
        };
        let rest = Rest::prepare(&Account::new(account, SystemClock.now()).unwrap()).await.unwrap();
        Self { double, settings, rest, since: SystemClock.now().minus(Duration::from_secs(60)) }
    }

    /// Whether it takes its real time.
    pub fn is_real(&self) -> bool {
        self.double.is_none()
    }

    /// What else than `settings` the processes are told.
    pub fn with(&self, settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        settings.iter().chain(&self.settings).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The engine notices that a killed worker is gone: a real one by itself, when it has not heard of it for 30 s.
    pub fn notice_loss_of(&self, worker: &str) {
        if let Some(double) = &self.double {
            for post in ["io", "io-parents", "audio", "speech"] {
                double.lose(&format!("{worker}-{post}"));
            }
        }
    }

    /// The engine is killed, and comes back. `false` where nobody says how to do that to a real one.
    pub async fn restart(&self) -> bool {
        if self.is_real() {
            return command("KILL") && {
                tokio::time::sleep(Duration::from_secs(8)).await;
                command("START")
            };
        }
        self.go_away();
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.come_back().await;
        true
    }

    /// A double goes away.
    pub fn go_away(&self) {
        self.double.as_ref().unwrap().go_away();
    }

    /// It comes back.
    pub async fn come_back(&self) {
        self.double.as_ref().unwrap().come_back().await;
    }

    /// A real engine's database stands still for 20 s. `false` where there is none, or nobody says how.
    pub async fn stand_still(&self) -> bool {
        self.double.is_none() && command("PAUSE") && {
            tokio::time::sleep(Duration::from_secs(20)).await;
            command("RESUME")
        }
    }

    /// A run with its tasks once it is over, also for REST, which is behind.
    pub async fn page(&self, run: &str) -> RunPage {
        eventually("the run's page", async || {
            let page = self.rest.run(run).await.unwrap()?;
            let is_over = page.run.status.is_final() && page.tasks.iter().all(|task| task.status.is_final());
            is_over.then_some(page)
        })
        .await
    }

    /// What the tasks of a run made, and those of its children under `process_tracks[t000]/…`.
    pub async fn outputs(&self, run: &str) -> BTreeMap<String, Value> {
        let made = |page: &RunPage, prefix: &str| -> Vec<(String, Value)> {
            // An on-failure task that was not needed is shown as completed, with nothing in it.
            let completed =
                page.tasks.iter().filter(|task| task.status == TaskState::Completed && task.output != json!({}));
            completed.map(|task| (format!("{prefix}{}", task.task().unwrap()), task.output.clone())).collect()
        };
        let mut outputs: BTreeMap<String, Value> = made(&self.page(run).await, "").into_iter().collect();
        for child in self.children(run).await {
            let page = self.page(&child).await;
            let track = input_of(&page.tasks[0])["track"].as_str().unwrap().to_owned();
            outputs.extend(made(&page, &format!("process_tracks[{track}]/")));
        }
        outputs
    }

    /// The runs below a run.
    pub async fn children(&self, run: &str) -> Vec<String> {
        let query = RunQuery {
            since: self.since,
            metadata: BTreeMap::from([("trackscribe_root_run".to_owned(), run.to_owned())]),
            limit: 1000,
            ..RunQuery::default()
        };
        let runs = self.rest.runs(&query).await.unwrap();
        runs.into_iter().map(|child| child.workflow_run_external_id).collect()
    }

    /// A double's own complaints.
    pub fn assert_no_violation(&self) {
        if let Some(double) = &self.double {
            double.assert_no_violation();
        }
    }

    /// From now on the token is refused. `false` where the engine is a real one.
    pub fn refuse(&self) -> bool {
        self.double.as_ref().map(|double| double.faults(|faults| faults.refuse = true)).is_some()
    }

    /// What no log and no table may hold.
    pub fn token(&self) -> &str {
        &self.settings["HATCHET_CLIENT_TOKEN"]
    }
}

/// Does what a variable says, as in Hatchet's own tests; `false` where it says nothing.
fn command(name: &str) -> bool {
    let Some(command) = std::env::var(format!("HATCHET_TEST_{name}")).ok().filter(|command| !command.is_empty()) else {
        return false;
    };
    let status = std::process::Command::new("sh").arg("-c").arg(&command).status().unwrap();
    assert!(status.success(), "{command}");
    true
}

/// A task's own input.
pub fn input_of(task: &TaskSummary) -> &Value {
    &task.input["input"]
}
