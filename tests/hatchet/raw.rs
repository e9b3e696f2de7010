//! Somebody else's worker, by hand: it takes actions and completes them with whatever it likes, sizes that ours never make
//! included.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use trackscribe::engine::hatchet::Settings;

use self::wire::dispatcher_client::DispatcherClient;
use self::wire::{HeartbeatRequest, ListenRequest, RegisterRequest, TaskEvent, TaskEventType};

#[allow(clippy::all, clippy::pedantic, dead_code)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/hatchet_client/mod.rs"));
}

type Bearer = Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send>;
type Client = DispatcherClient<InterceptedService<Channel, Bearer>>;

/// A worker that is at work until it is dropped.
pub struct Raw {
    _listening: AbortOnDropHandle<()>,
    _beating: AbortOnDropHandle<()>,
}

impl Raw {
    /// Registers for these actions and completes each with `output`.
    pub async fn start(settings: &Settings, name: &str, actions: &[String], output: fn() -> Value) -> Self {
        let mut client = client(settings);
        let request = RegisterRequest {
            worker_name: name.to_owned(),
            actions: actions.to_vec(),
            services: vec!["default".to_owned()],
            slot_config: HashMap::from([("default".to_owned(), 10)]),
            ..RegisterRequest::default()
        };
        let worker_id = client.register(request).await.unwrap().into_inner().worker_id;
        let listening = listen(self::client(settings), worker_id.clone(), output);
        let beating = beat(client, worker_id);
        Self {
            _listening: AbortOnDropHandle::new(tokio::spawn(listening)),
            _beating: AbortOnDropHandle::new(tokio::spawn(beating)),
        }
    }
}

async fn listen(mut client: Client, worker_id: String, output: fn() -> Value) {
    let request = ListenRequest { worker_id: worker_id.clone() };
    let mut actions = client.listen_v2(request).await.unwrap().into_inner();
    while let Some(action) = actions.message().await.unwrap() {
        let event = TaskEvent {
            worker_id: worker_id.clone(),
            job_id: action.job_id,
            job_run_id: action.job_run_id,
            task_id: action.task_id,
            task_run_external_id: action.task_run_external_id,
            action_id: action.action_id,
            happened_at: Some(now()),
            r#type: TaskEventType::Completed as i32,
            payload: output().to_string(),
            retry_count: Some(action.retry_count),
            should_not_retry: None,
        };
        client.send_step_action_event(event).await.unwrap();
    }
}

async fn beat(mut client: Client, worker_id: String) {
    loop {
        let beat = HeartbeatRequest { worker_id: worker_id.clone(), heartbeat_at: Some(now()) };
        // Refused until the stream is known.
        let _ = client.heartbeat(beat).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn now() -> wire::Moment {
    let at = jiff::Timestamp::now();
    wire::Moment { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

fn client(settings: &Settings) -> Client {
    let token = settings.token.reveal().to_owned();
    let address = settings.host_port.clone().unwrap_or_else(|| {
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap().trim_end_matches('=')).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        claims["grpc_broadcast_address"].as_str().unwrap().to_owned()
    });
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().unwrap();
    let authorize: Bearer = Box::new(move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", bearer.clone());
        Ok(request)
    });
    DispatcherClient::new(InterceptedService::new(channel, authorize))
}
