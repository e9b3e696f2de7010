//! A small web server for the scripts to fetch from, with what goes wrong between them and a real one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As in `/model.bin`.
    pub path: String,
    /// The `Range` header, e.g. `bytes=5-`.
    pub range: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// E.g. 200.
    pub status: u16,
    /// More headers, each with its line end.
    pub headers: String,
    /// The length that is promised.
    pub length: usize,
    /// What is sent: less than promised is a connection that breaks.
    pub body: Vec<u8>,
}

impl Answer {
    /// Without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: String::new(), length: 0, body: Vec::new() }
    }

    /// All of it.
    pub fn whole(body: &[u8]) -> Self {
        Self { status: 200, headers: String::new(), length: body.len(), body: body.to_vec() }
    }

    /// From where the client asks, if it asks.
    pub fn part(body: &[u8], asked: &Asked) -> Self {
        let Some(from) =
            asked.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        else {
            return Self::whole(body);
        };
        let from: usize = from;
        if from >= body.len() {
            let headers = format!("Content-Range: bytes */{}\r\n", body.len());
            return Self { headers, ..Self::status(416) };
        }
        let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
        Self { status: 206, headers, ..Self::whole(&body[from..]) }
    }

    /// Breaks off after so many bytes.
    pub fn cut(mut self, after: usize) -> Self {
        self.body.truncate(after);
        self
    }
}

/// A server on a free port of 127.0.0.1, until the test ends.
pub struct Web {
    /// E.g. `http://127.0.0.1:4711`.
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Answers each request by `answer`, which is told how many there were before.
    pub fn new(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = respond(&connection, &answer, &seen);
            }
        });
        Self { address, asked }
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn respond(
    connection: &TcpStream,
    answer: &impl Fn(&Asked, usize) -> Answer,
    seen: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut range, mut authorization) = (None, None);
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => range = Some(value.to_owned()),
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let asked = Asked { path, range, authorization };
    let before = seen.lock().unwrap().len();
    seen.lock().unwrap().push(asked.clone());
    let Answer { status, headers, length, body } = answer(&asked, before);
    let mut connection = connection;
    write!(connection, "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n")?;
    connection.write_all(&body)
}
