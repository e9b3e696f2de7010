//! Streams an object to a blocking reader, and goes on at the byte where the stream broke.
//!
//! A task on the async side reads from the network and fills a small channel; the reader empties it on a thread of its
//! own. So memory is bounded by the channel, and the network waits for a slow reader.

use std::io::{self, Read};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{sleep, timeout};

use super::answer::shown;
use super::object::Object;
use crate::failure::with_causes;
use crate::storage::{ObjectReader, StorageError};

/// Pieces in the channel. The HTTP client hands out 400 KiB at most at once, so this is 3 MiB.
const PIECES: usize = 8;

/// Opens `object` and begins to read ahead.
///
/// # Errors
/// When it can't be opened.
pub async fn open(object: Object) -> Result<ObjectReader, StorageError> {
    let Opened { length, etag, body } = Opened::at_start(object.get().await?, &object)?;
    let (sender, pieces) = mpsc::channel(PIECES);
    let download = Download { object, length, etag, at: 0, failures: 0 };
    tokio::spawn(async move {
        tokio::select! {
            // The reader was dropped: whatever is waited for, it is in vain.
            () = sender.closed() => {}
            () = download.run(body, &sender) => {}
        }
    });
    Ok(Box::new(Pieces { pieces, current: Bytes::new(), left: length }))
}

/// What the head of the first answer tells.
struct Opened {
    length: u64,
    etag: Option<String>,
    body: ByteStream,
}

impl Opened {
    fn at_start(answer: GetObjectOutput, object: &Object) -> Result<Self, StorageError> {
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let length = length.ok_or_else(|| object.unavailable("the answer does not tell the object's length"))?;
        Ok(Self { length, etag: answer.e_tag, body: answer.body })
    }
}

/// The async side.
struct Download {
    object: Object,
    length: u64,
    etag: Option<String>,
    /// Bytes handed on so far.
    at: u64,
    /// Broken streams and failed tries since the last byte.
    failures: u32,
}

impl Download {
    async fn run(mut self, mut body: ByteStream, sender: &Sender<Result<Bytes, StorageError>>) {
        loop {
            let trouble = match timeout(self.object.patience.stall, body.next()).await {
                Ok(Some(Ok(piece))) => {
                    self.at += piece.len() as u64;
                    self.failures = 0;
                    if sender.send(Ok(piece)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(None) if self.at == self.length => return,
                Ok(None) => "the answer ended too early".to_owned(),
                Ok(Some(Err(error))) => shown(&with_causes(&error)),
                Err(_) => format!("no byte came for {} s", self.object.patience.stall.as_secs_f32()),
            };
            // All bytes came and yet there is an error: they are not the ones that were sent, by their checksum.
            let resumed =
                if self.at >= self.length { Err(self.unavailable(&trouble)) } else { self.resume(trouble).await };
            match resumed {
                Ok(rest) => body = rest,
                Err(error) => {
                    // Nobody to tell when the reader is gone.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
    }

    /// Asks for the rest until it begins to come, or the tries are used up.
    async fn resume(&mut self, mut trouble: String) -> Result<ByteStream, StorageError> {
        // Without it, bytes of two objects could be mixed.
        let Some(etag) = self.etag.clone() else { return Err(self.unavailable(&trouble)) };
        loop {
            self.failures += 1;
            if self.failures > self.object.patience.resumes {
                return Err(self.unavailable(&trouble));
            }
            tracing::debug!(object = self.object.address(), at = self.at, trouble, "a download broke and goes on");
            sleep(self.object.patience.pause(self.failures)).await;
            match self.object.get_rest(self.at, &etag).await {
                Ok(answer) if self.is_the_rest(&answer) => return Ok(answer.body),
                Ok(_) => return Err(self.unavailable("the service does not answer with the range that was asked for")),
                Err(StorageError::Unavailable { why, .. }) => trouble = why,
                Err(error) => return Err(error),
            }
        }
    }

    fn is_the_rest(&self, answer: &GetObjectOutput) -> bool {
        let from_here = format!("bytes {}-", self.at);
        answer.content_range().is_some_and(|range| range.starts_with(&from_here))
            && answer.content_length.and_then(|rest| u64::try_from(rest).ok()) == Some(self.length - self.at)
    }

    fn unavailable(&self, trouble: &str) -> StorageError {
        self.object.unavailable(format!("at byte {} of {}: {trouble}", self.at, self.length))
    }
}

/// The blocking side.
struct Pieces {
    pieces: Receiver<Result<Bytes, StorageError>>,
    current: Bytes,
    /// Bytes that have not come yet: only when there are none is the end the end.
    left: u64,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => {
                    self.left = self.left.saturating_sub(piece.len() as u64);
                    self.current = piece;
                }
                Some(Err(error)) => return Err(error.into()),
                None if self.left == 0 => return Ok(0),
                None => return Err(StorageError::Interrupted.into()),
            }
        }
        let count = self.current.len().min(into.len());
        self.current.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}
