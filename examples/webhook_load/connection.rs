//! A kept-alive connection that speaks as little HTTP as is needed: the generator shares two cores with what it measures.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that is opened when first needed, and again after trouble.
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    /// A connection to `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, received: Vec::with_capacity(4096) }
    }

    /// Sends a request and reads the whole answer. Whether it was a 200.
    pub async fn send(&mut self, request: &[u8]) -> bool {
        let answered = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        match answered {
            Ok(Ok(status)) => status == 200,
            Ok(Err(_)) | Err(_) => {
                self.stream = None;
                false
            }
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        stream.write_all(request).await?;
        self.received.clear();
        loop {
            if let Some((status, length)) = answer(&self.received)?
                && self.received.len() >= length
            {
                return Ok(status);
            }
            if stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Status and length of an answer whose head is there.
fn answer(received: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let Some(head) = received.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&received[..head]).map_err(io::Error::other)?;
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, head + 4 + length))),
        _ => Err(io::Error::other("an answer without status or length")),
    }
}
