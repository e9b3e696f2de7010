//! The one connection to the engine, and calls over it. It opens when it is first needed and opens again by itself; whoever
//! calls decides about trying again.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::account::Account;
use super::error::HatchetError;
use super::settings::{SettingsError, named};
use super::tls;
use super::wire::dispatcher_client::DispatcherClient;
use super::wire::events_service_client::EventsServiceClient;
use super::wire::v1::admin_service_client::AdminServiceClient;
use super::wire::workflow_service_client::WorkflowServiceClient;
use super::wire::{self, v1};
use super::wire_thread::WireThread;

/// As often as the official clients do; below five seconds the engine closes the connection.
const PING: Duration = Duration::from_secs(10);
/// How long a ping may go unanswered. Half of when the engine gives our tasks to others.
const PONG: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// How long one call may take.
const CALL: Duration = Duration::from_secs(20);
/// A heartbeat that takes longer is as good as none.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// Most that is taken in. The engine joins a run's input and all outputs so far into one message and knows no limit for
/// that: at ours the stream ends, so it lies where sixteen tasks' largest possible outputs just fit (E15).
const LARGEST_IN: usize = 128 << 20;
/// Puts the token into each call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Wire = InterceptedService<Channel, Bearer>;

/// The connection. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    account: Arc<Account>,
    dispatcher: DispatcherClient<Wire>,
    events: EventsServiceClient<Wire>,
    workflows: WorkflowServiceClient<Wire>,
    admin: AdminServiceClient<Wire>,
    thread: WireThread,
}

impl Connection {
    /// Gets ready to connect; nothing is sent yet.
    ///
    /// # Errors
    /// Settings that can't be used.
    pub async fn prepare(account: Account) -> Result<Self, SettingsError> {
        let protection = tls::for_engine(&account).await?;
        let scheme = if protection.is_some() { "https" } else { "http" };
        let bad = |setting, why: &dyn std::fmt::Display| SettingsError::new(setting, format!("can't be used: {why}"));
        let address = format!("{scheme}://{}", account.address);
        let mut endpoint = Endpoint::from_shared(address)
            .map_err(|error| bad(named::HOST_PORT, &error))?
            .user_agent(concat!("trackscribe/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| bad(named::HOST_PORT, &error))?
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1_u32 << 20)
            .initial_connection_window_size(4_u32 << 20);
        if let Some(protection) = protection {
            endpoint = endpoint.tls_config(protection).map_err(|error| bad(named::TLS_ROOT, &error))?;
        }
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {}", account.token.reveal())
            .parse()
            .map_err(|_| SettingsError::new(named::TOKEN, "has letters that no token has"))?;
        bearer.set_sensitive(true);
        let thread = WireThread::start().map_err(|error| bad("the thread for the connection", &error))?;
        let channel = {
            // What drives the connection is spawned here.
            let _there = thread.enter();
            endpoint.connect_lazy()
        };
        let wire = InterceptedService::new(channel, Bearer(bearer));
        Ok(Self {
            account: Arc::new(account),
            dispatcher: DispatcherClient::new(wire.clone()).max_decoding_message_size(LARGEST_IN),
            events: EventsServiceClient::new(wire.clone()),
            workflows: WorkflowServiceClient::new(wire.clone()),
            admin: AdminServiceClient::new(wire).max_decoding_message_size(LARGEST_IN),
            thread,
        })
    }

    /// Whose connection this is.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The thread that it lives on.
    pub(super) fn thread(&self) -> &WireThread {
        &self.thread
    }

    /// The engine's own word for its version; empty where it is too old to know the question.
    ///
    /// # Errors
    /// When it can't be reached.
    pub(super) async fn version(&self) -> Result<String, Status> {
        match self.dispatcher.clone().get_version(timed(wire::VersionRequest {}, CALL)).await {
            Ok(reply) => Ok(reply.into_inner().version),
            Err(status) if status.code() == tonic::Code::Unimplemented => Ok(String::new()),
            Err(status) => Err(status),
        }
    }

    pub(super) async fn register(&self, worker: wire::RegisterRequest) -> Result<wire::RegisterReply, Status> {
        Ok(self.dispatcher.clone().register(timed(worker, CALL)).await?.into_inner())
    }

    pub(super) async fn listen(&self, worker: &str) -> Result<Streaming<wire::Action>, Status> {
        let request = wire::ListenRequest { worker_id: worker.to_owned() };
        // The answer begins with the first action, so no deadline on it.
        Ok(self.dispatcher.clone().listen_v2(request).await?.into_inner())
    }

    pub(super) async fn heartbeat(&self, beat: wire::HeartbeatRequest) -> Result<(), Status> {
        self.dispatcher.clone().heartbeat(timed(beat, HEARTBEAT)).await.map(drop)
    }

    pub(super) async fn unsubscribe(&self, worker: &str) -> Result<(), Status> {
        let request = wire::UnsubscribeRequest { worker_id: worker.to_owned() };
        self.dispatcher.clone().unsubscribe(timed(request, CALL)).await.map(drop)
    }

    pub(super) async fn send_event(&self, event: wire::TaskEvent) -> Result<(), Status> {
        self.dispatcher.clone().send_step_action_event(timed(event, CALL)).await.map(drop)
    }

    pub(super) async fn subscribe<S>(&self, runs: S) -> Result<Streaming<wire::RunFinished>, Status>
    where
        S: futures::Stream<Item = wire::RunSubscription> + Send + 'static,
    {
        Ok(self.dispatcher.clone().subscribe_to_workflow_runs(runs).await?.into_inner())
    }

    pub(super) async fn put_log(&self, line: wire::LogLine) -> Result<(), Status> {
        self.events.clone().put_log(timed(line, CALL)).await.map(drop)
    }

    pub(super) async fn put_stream(&self, chunk: wire::StreamChunk) -> Result<(), Status> {
        self.events.clone().put_stream_event(timed(chunk, CALL)).await.map(drop)
    }

    pub(super) async fn trigger(&self, run: v1::TriggerRequest) -> Result<String, Status> {
        Ok(self.workflows.clone().trigger_workflow(timed(run, CALL)).await?.into_inner().workflow_run_id)
    }

    /// Starts all or none; gives their ids in the same order.
    pub(super) async fn trigger_all(&self, runs: Vec<v1::TriggerRequest>) -> Result<Vec<String>, Status> {
        let request = timed(wire::BulkTriggerRequest { workflows: runs }, CALL);
        Ok(self.workflows.clone().bulk_trigger_workflow(request).await?.into_inner().workflow_run_ids)
    }

    pub(super) async fn put_workflow(&self, workflow: v1::Workflow) -> Result<(), Status> {
        self.admin.clone().put_workflow(timed(workflow, CALL)).await.map(drop)
    }

    /// A run as the engine's core has it; `None` when it has no such run.
    ///
    /// # Errors
    /// When the engine can't be reached.
    pub(super) async fn run_details(&self, run: &str) -> Result<Option<v1::RunDetails>, HatchetError> {
        let request = v1::RunRequest { external_id: run.to_owned() };
        match self.admin.clone().get_run_details(timed(request, CALL)).await {
            Ok(details) => Ok(Some(details.into_inner())),
            // An id that is no UUID can be no run's.
            Err(status) if matches!(status.code(), tonic::Code::NotFound | tonic::Code::InvalidArgument) => Ok(None),
            Err(status) => Err(HatchetError::of("looking at a run", &status)),
        }
    }
}

/// The next message of a stream; never, while it is being opened.
///
/// # Errors
/// When the stream breaks.
pub(super) async fn next<T>(stream: &mut Option<Streaming<T>>) -> Result<Option<T>, Status> {
    match stream {
        Some(stream) => stream.message().await,
        None => std::future::pending().await,
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.account.address)
    }
}

fn timed<M>(message: M, at_most: Duration) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(at_most);
    request
}
