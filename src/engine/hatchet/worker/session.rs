//! One post's life with the engine: registers a worker, listens for actions, and does both again however often it takes.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::Pace;
use super::dispatch::Dispatch;
use super::heart::{Beat, Heart};
use super::live::Live;
use super::trust::Trust;
use crate::clock::SharedClock;
use crate::engine::hatchet::connection::{Connection, next};
use crate::engine::hatchet::error::{HatchetError, told};
use crate::engine::hatchet::patience::Patience;
use crate::engine::hatchet::post::Post;
use crate::engine::hatchet::status::{Meaning, meaning};
use crate::engine::hatchet::wire;

/// Heartbeats that may fail in a row before the stream is given up, though its connection looks fine (E1).
const MISSES: u32 = 3;

/// A post's side of the conversation.
pub(super) struct Session {
    pub(super) post: Post,
    pub(super) registration: wire::RegisterRequest,
    pub(super) connection: Connection,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) live: Arc<Live>,
    pub(super) trust: Arc<Trust>,
    pub(super) clock: SharedClock,
    pub(super) pace: Pace,
}

/// Why a stream ended.
enum End {
    /// We stop.
    Stopped,
    /// The engine does not know the worker any more.
    Forgotten(String),
    /// It does not take the token.
    Refused(String),
    /// By a message that was too large for the engine to send, or for us to take. Nothing is wrong with either.
    Poisoned(String),
    /// Anything else.
    Broken(String),
}

impl Session {
    /// Goes on until `stop`.
    ///
    /// # Errors
    /// When the engine refuses the token for good, or the registration itself.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), HatchetError> {
        let mut patience = Patience::new(self.pace.first_wait, self.pace.longest_wait);
        let mut worker = None;
        loop {
            let end = tokio::select! {
                biased;
                () = stop.cancelled() => End::Stopped,
                end = self.once(&mut worker, &mut patience) => end?,
            };
            let why = match end {
                End::Stopped => return Ok(()),
                End::Forgotten(why) => {
                    tracing::warn!(post = %self.post, why, "Hatchet does not know this worker any more; it registers anew");
                    worker = None;
                    why
                }
                End::Refused(why) => {
                    if self.trust.refused(Instant::now()) {
                        return Err(HatchetError::Refused {
                            address: self.connection.account().address.to_string(),
                            why,
                        });
                    }
                    why
                }
                End::Poisoned(why) => {
                    // The engine tries it ten times more and then gives up. What else it sends meanwhile must find a stream.
                    tracing::error!(post = %self.post, why, "an action for this worker is larger than a message may be");
                    patience.reset();
                    why
                }
                End::Broken(why) => why,
            };
            self.live.post(self.post, |post| {
                post.listening_since = None;
                post.last_trouble = Some(why.clone());
            });
            let wait = patience.next();
            let hint = self.connection.account().address.hint();
            tracing::warn!(post = %self.post, why, ?wait, "no stream from Hatchet{hint}; trying again");
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.clock.sleep_until(self.clock.now().plus(wait)) => {}
            }
        }
    }

    /// Registers if need be, and listens for as long as that goes well.
    async fn once(&self, worker: &mut Option<String>, patience: &mut Patience) -> Result<End, HatchetError> {
        let id = match worker {
            Some(id) => id.clone(),
            None => match self.connection.register(self.registration.clone()).await {
                Ok(reply) => {
                    let name = &self.registration.worker_name;
                    tracing::info!(post = %self.post, name, worker = reply.worker_id, "registered with Hatchet");
                    self.live.post(self.post, |post| post.worker = Some(reply.worker_id.clone()));
                    self.trust.taken();
                    worker.insert(reply.worker_id).clone()
                }
                Err(status) if meaning(status.code()) == Meaning::Wrong => {
                    return Err(HatchetError::of("registering the worker", &status));
                }
                Err(status) => return Ok(ended(&status)),
            },
        };
        Ok(self.listen(&id, patience).await)
    }

    async fn listen(&self, worker: &str, patience: &mut Patience) -> End {
        // The call's answer may come only with the first action, so nothing waits for it: heartbeats tell whether the
        // engine has the stream.
        let opening = self.connection.listen(worker);
        tokio::pin!(opening);
        let mut stream = None;
        let mut heart = Heart::start(&self.connection, worker, &self.pace, &self.clock);
        let (began, mut misses) = (Instant::now(), 0);
        loop {
            tokio::select! {
                opened = &mut opening, if stream.is_none() => match opened {
                    Ok(opened) => stream = Some(opened),
                    Err(status) => return self.cut(&status),
                },
                message = next(&mut stream) => match message {
                    Ok(Some(action)) => self.dispatch.arrived(action, self.post, worker),
                    Ok(None) => return End::Broken("the engine closed the stream".to_owned()),
                    Err(status) => return self.cut(&status),
                },
                beat = heart.next() => match beat {
                    Beat::Heard => {
                        misses = 0;
                        self.heard(worker, began, patience);
                    }
                    // A stream that is just being opened is not known at once.
                    Beat::NoStream(_) if began.elapsed() < self.pace.heartbeat => {}
                    Beat::NoStream(why) => return End::Broken(why),
                    Beat::Unknown(why) => return End::Forgotten(why),
                    Beat::Refused(why) => {
                        if self.trust.refused(Instant::now()) {
                            return End::Refused(why);
                        }
                    }
                    Beat::Missed(why) => {
                        misses += 1;
                        tracing::debug!(post = %self.post, why, misses, "a heartbeat was not heard");
                        if misses >= MISSES {
                            return End::Broken(why);
                        }
                    }
                },
            }
        }
    }

    /// Why a stream ended. Only one that the engine had may have been ended by what came through it.
    fn cut(&self, status: &Status) -> End {
        let mut was_open = false;
        self.live.post(self.post, |post| was_open = post.listening_since.is_some());
        match status.code() {
            Code::ResourceExhausted | Code::OutOfRange if was_open => End::Poisoned(told(status)),
            _ => ended(status),
        }
    }

    fn heard(&self, worker: &str, began: Instant, patience: &mut Patience) {
        let now = self.clock.now();
        self.trust.taken();
        let (mut opened, mut streams) = (false, 0);
        self.live.post(self.post, |post| {
            post.heartbeat_at = Some(now);
            if post.listening_since.is_none() {
                opened = true;
                post.streams += 1;
                streams = post.streams;
                post.listening_since = Some(now);
            }
        });
        if opened {
            tracing::info!(post = %self.post, "listening to Hatchet");
            if streams > 1 {
                self.dispatch.reopened(worker);
            }
        }
        if began.elapsed() >= self.pace.heartbeat {
            patience.reset();
        }
    }
}

fn ended(status: &Status) -> End {
    let why = told(status);
    match meaning(status.code()) {
        Meaning::Unknown => End::Forgotten(why),
        Meaning::Refused => End::Refused(why),
        Meaning::Again | Meaning::Wrong => End::Broken(why),
    }
}
