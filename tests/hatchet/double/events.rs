//! What tasks say.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::Shared;
use super::wire::events_service_server::{EventsService, EventsServiceServer};
use super::wire::*;

pub struct Service(Arc<Shared>);

pub fn service(shared: Arc<Shared>) -> EventsServiceServer<Service> {
    EventsServiceServer::new(Service(shared))
}

#[tonic::async_trait]
impl EventsService for Service {
    async fn put_log(&self, request: Request<LogLine>) -> Result<Response<LogReply>, Status> {
        self.0.auth(&request)?;
        let line = request.into_inner();
        let level = line.level.unwrap_or_else(|| "INFO".to_owned());
        let is_fine = (1..=10_000).contains(&line.message.chars().count())
            && ["DEBUG", "INFO", "WARN", "ERROR"].contains(&level.as_str())
            && line.created_at.is_some();
        if !is_fine {
            self.0.state().violation(format!("a log line that is not taken: {level} {:?}", line.message));
            return Err(Status::invalid_argument("Invalid request"));
        }
        let mut state = self.0.state();
        let task = state.task(&line.task_run_external_id).ok_or_else(|| Status::not_found("not found"))?;
        task.logs.push((level, line.message));
        Ok(Response::new(LogReply {}))
    }

    async fn put_stream_event(&self, request: Request<StreamChunk>) -> Result<Response<StreamReply>, Status> {
        self.0.auth(&request)?;
        let chunk = request.into_inner();
        let mut state = self.0.state();
        let task = state.task(&chunk.task_run_external_id).ok_or_else(|| Status::not_found("not found"))?;
        task.chunks.push((chunk.event_index.unwrap_or(-1), chunk.message));
        Ok(Response::new(StreamReply {}))
    }
}
