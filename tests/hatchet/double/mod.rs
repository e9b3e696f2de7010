//! A test double of Hatchet's engine: an in-process gRPC server with the same services, and the part of the REST API that
//! is used. Its state is in memory; what takes the engine seconds takes it milliseconds (see [`Tempo`]).
//!
//! | rule | where |
//! |---|---|
//! | a call needs `Bearer` and the token; refused on demand | `auth` |
//! | action ids all in lower case, two parts; known names, durations `<n>s`, factors, strategies; parents that exist | `admin` |
//! | triggers of unknown names give the id of a run that never exists | `workflows` |
//! | a child is found by parent and key, whatever its name, also when it failed | `workflows` |
//! | old and new children in one call are a violation: the engine runs the old ones again | `workflows` |
//! | one active run per idempotency key, known for a while | `workflows` |
//! | Register makes a new worker each time, by slot types; of more than one are a violation: the engine hands on freed ones late | `dispatcher` |
//! | the answer to ListenV2 begins with the first action; unknown workers are not found | `dispatcher` |
//! | a heartbeat needs a stream; what a lost worker had goes to others, with `retry_count` + 1, ten times | `engine` |
//! | what a broken connection did not bring stays with its worker, who can look it up | `engine`, `rest` |
//! | slots per type are never exceeded; paused and deaf workers get nothing | `engine` |
//! | an outcome counts only for the present attempt; a second, different one is a violation | `dispatcher` |
//! | outputs must be objects; one with `skipped` is never handed on | `engine` |
//! | a workflow may name only rate limits that were put before; an attempt takes its units when it is handed out | `admin`, `rates` |
//! | as many units as a limit has begin in a window of [`Tempo::second`]s; what was used in a second is taken off the next | `rates` |
//! | retries after `min(max, factor^n)` of [`Tempo::second`], none with `should_not_retry`; then on-failure, once | `engine` |
//! | an outcome of an attempt that is over changes nothing, but makes an idle queue be looked at | `dispatcher` |
//! | actions carry all completed outputs, not only the parents', and `1.0` in them has become `1` | `engine` |
//! | cancelling sends CANCEL to all streams, stops what follows, and leaves children and on-failure alone | `engine` |
//! | an awaited run is answered once, also when it was over before; one that never was, never | `dispatcher` |
//! | messages have 4 MiB at most: a larger action ends its stream and is tried ten times more, larger details are refused | `engine`, `admin` |
//! | results of 3 MiB are told as none | `dispatcher` |
//! | log lines have 1 to 10,000 characters and a level in capitals | `events` |
//!
//! Not checked: CEL but for our own two expressions, rate limits that are made of expressions, concurrency groups, priorities, durable tasks,
//! batches; the read side is never behind.

mod admin;
mod dispatcher;
mod engine;
mod events;
mod rates;
mod rest;
mod runs;
mod workflows;

#[allow(clippy::all, clippy::pedantic)]
pub mod wire {
    include!(concat!(env!("OUT_DIR"), "/hatchet_server/mod.rs"));
}

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Status};

use self::engine::State;
use self::engine::Tempo;
pub use self::runs::TaskPhase;

/// Who all tests are.
pub const TENANT: &str = "707d0855-80ab-4e1f-a156-f1c4546cbf52";

/// A running double. It stops when dropped.
pub struct Double {
    pub shared: Arc<Shared>,
    /// Where gRPC is answered. Stays the same over restarts.
    pub address: SocketAddr,
    pub token: String,
    tls: Option<ServerTlsConfig>,
    /// What is answered by gRPC runs on a runtime of its own, so that it can be cut off at any moment.
    serving: Mutex<Option<Runtime>>,
}

/// What all services share.
pub struct Shared {
    state: Mutex<State>,
    /// Something has changed: it is scheduled anew.
    pub changed: Notify,
    token: String,
}

/// What goes wrong on demand.
#[derive(Debug, Default, Clone)]
pub struct Faults {
    /// All calls are answered with `Unauthenticated`, as the engine does while its database is away.
    pub refuse: bool,
    /// As many outcomes are taken and not acknowledged.
    pub lose_acknowledgements: u32,
    /// As many outcomes are called wrong, as the engine does while its database is away.
    pub call_outcomes_wrong: u32,
    /// As many rate limits are not put.
    pub no_rate_limits: u32,
    /// As many actions are handed over and never come, as if the connection had broken under them.
    pub lose_actions: u32,
    /// As many calls that make children are not answered.
    pub lose_children: u32,
    /// The child of this key is refused.
    pub refused_child: Option<String>,
    /// As many children get an id and never come into being.
    pub phantom_children: u32,
    /// Retries are overlooked until something is heard of their task.
    pub idle_queues: bool,
    /// The engine's version.
    pub version: Option<String>,
    /// REST answers with 500.
    pub no_rest: bool,
}

impl Double {
    pub async fn start() -> Self {
        Self::with_tls(None).await
    }

    /// One whose gRPC side shows a certificate.
    pub async fn with_tls(tls: Option<ServerTlsConfig>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let rest_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, rest) = (listener.local_addr().unwrap(), rest_listener.local_addr().unwrap());
        let claims = json!({
            "sub": TENANT,
            "server_url": format!("http://{rest}"),
            "grpc_broadcast_address": address.to_string(),
        });
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", part("{}".to_owned()), part(claims.to_string()), part("s".to_owned()));
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(Tempo::default())),
            changed: Notify::new(),
            token: token.clone(),
        });
        tokio::spawn(rest::serve(rest_listener, Arc::clone(&shared)));
        tokio::spawn(engine::run(Arc::downgrade(&shared)));
        let double = Self { shared, address, token, tls, serving: Mutex::new(None) };
        double.serve(listener);
        double
    }

    fn serve(&self, listener: std::net::TcpListener) {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        runtime.spawn(async move {
            listener.set_nonblocking(true).unwrap();
            let incoming = TcpIncoming::from(TcpListener::from_std(listener).unwrap()).with_nodelay(Some(true));
            let mut server = Server::builder();
            if let Some(tls) = tls {
                server = server.tls_config(tls).unwrap();
            }
            server
                .add_service(dispatcher::service(Arc::clone(&shared)))
                .add_service(events::service(Arc::clone(&shared)))
                .add_service(workflows::service(Arc::clone(&shared)))
                .add_service(admin::service(shared))
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        *self.serving.lock().unwrap() = Some(runtime);
    }

    /// The engine goes away: connections break, new ones are refused. What it knows stays.
    pub fn go_away(&self) {
        if let Some(runtime) = self.serving.lock().unwrap().take() {
            // Waited for: a stream that lived a moment longer would be given work that nobody ever gets.
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(30))).join().unwrap();
        }
        self.shared.state().cut_streams();
    }

    /// It is back.
    pub async fn come_back(&self) {
        let listener = loop {
            match std::net::TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        self.serve(listener);
    }

    /// The engine takes the workers of this name for lost.
    pub fn lose(&self, name: &str) {
        self.look(|state| {
            let ids: Vec<String> =
                state.workers.values().filter(|worker| worker.name == name).map(|worker| worker.id.clone()).collect();
            assert!(!ids.is_empty(), "no worker {name}");
            state.lost.extend(ids);
        });
    }

    /// Nobody is lost any more: heard again.
    pub fn find(&self) {
        self.look(|state| state.lost.clear());
    }

    /// Changes what goes wrong.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.state().faults);
    }

    /// Reads or changes the double's state.
    pub fn look<T>(&self, at: impl FnOnce(&mut State) -> T) -> T {
        let seen = at(&mut self.shared.state());
        self.shared.changed.notify_waiters();
        seen
    }

    /// Nothing was done that the engine does not allow or would misunderstand.
    pub fn assert_no_violation(&self) {
        let violations = self.look(|state| state.violations.clone());
        assert!(violations.is_empty(), "{violations:#?}");
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.go_away();
    }
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then lets the engine look.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_waiters();
        changed
    }

    fn auth<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        if given == Some(&format!("Bearer {}", self.token)) && !self.state().faults.refuse {
            return Ok(());
        }
        Err(Status::unauthenticated("invalid auth token"))
    }
}
