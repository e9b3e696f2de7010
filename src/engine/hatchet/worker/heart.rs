//! Heartbeats of one stream. They run on the wire's thread; what the engine answers goes to the stream's holder, because
//! it tells more about the stream than the stream itself: that it is open, and that it is dead though its connection
//! looks fine.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Pace;
use crate::clock::SharedClock;
use crate::engine::hatchet::connection::Connection;
use crate::engine::hatchet::error::told;
use crate::engine::hatchet::status::{Meaning, meaning};
use crate::engine::hatchet::wire;

/// What a heartbeat was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beat {
    /// The engine knows that this worker lives and listens.
    Heard,
    /// It has no stream of this worker.
    NoStream(String),
    /// It does not know this worker.
    Unknown(String),
    /// It does not take the token.
    Refused(String),
    /// There was no answer, or trouble.
    Missed(String),
}

/// Beats until dropped.
pub(super) struct Heart {
    beats: mpsc::Receiver<Beat>,
    _beating: AbortOnDropHandle<()>,
}

impl Heart {
    /// Begins to beat for a worker whose stream is being opened.
    pub(super) fn start(connection: &Connection, worker: &str, pace: &Pace, clock: &SharedClock) -> Self {
        // What nobody takes out in time says nothing new.
        let (sender, beats) = mpsc::channel(4);
        let beating = beat(connection.clone(), worker.to_owned(), pace.clone(), clock.clone(), sender);
        Self { beats, _beating: AbortOnDropHandle::new(connection.thread().spawn(beating)) }
    }

    /// What the next one was answered with.
    pub(super) async fn next(&mut self) -> Beat {
        match self.beats.recv().await {
            Some(beat) => beat,
            None => Beat::Missed("the heartbeats have ended".to_owned()),
        }
    }
}

async fn beat(connection: Connection, worker: String, pace: Pace, clock: SharedClock, sender: mpsc::Sender<Beat>) {
    let mut wait = Duration::ZERO;
    loop {
        tokio::time::sleep(wait).await;
        let began = tokio::time::Instant::now();
        let request = wire::HeartbeatRequest { worker_id: worker.clone(), heartbeat_at: Some(clock.now().into()) };
        let beat = match connection.heartbeat(request).await {
            Ok(()) => Beat::Heard,
            Err(status) if status.code() == tonic::Code::FailedPrecondition => Beat::NoStream(told(&status)),
            Err(status) => match meaning(status.code()) {
                Meaning::Unknown => Beat::Unknown(told(&status)),
                Meaning::Refused => Beat::Refused(told(&status)),
                Meaning::Again | Meaning::Wrong => Beat::Missed(told(&status)),
            },
        };
        // While the engine has not seen the stream yet it is asked often: until it has, there is no work.
        let every = if beat == Beat::Heard { pace.heartbeat } else { pace.heartbeat / 16 };
        wait = every.saturating_sub(began.elapsed()).max(pace.heartbeat / 64);
        if let Err(mpsc::error::TrySendError::Closed(_)) = sender.try_send(beat) {
            return;
        }
    }
}
