//! A real S3 server in the test's own process: the `s3s` protocol implementation over a temporary folder, on a free port
//! of 127.0.0.1, signatures checked. It runs on threads of its own, so tests may block.
//!
//! In front of it stand faults that a test switches on: outages, cut and stalled bodies, denials, the wrong region, a
//! server that is gone. What was asked is recorded.
//!
//! Used by `#[path = "../servers/s3.rs"] mod s3;`. An object is a file: `server.folder("bucket").join(key)`.
#![allow(dead_code, reason = "each test binary uses what it needs")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as Listener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::StreamExt;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::{GetObjectInput, HeadObjectInput};
use s3s::path::S3Path;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3, S3Request, S3Result, s3_error};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

/// The region that clients are told.
pub const REGION: &str = "eu-central-1";
/// The only access key.
pub const ACCESS_KEY_ID: &str = "AKIDTRACKSCRIBE";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "s3-test-secret-KEY/42";

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Get,
    Head,
    Put,
    Delete,
    List,
    CreateUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    Other,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 503 SlowDown.
    Unavailable,
    /// 403 AccessDenied.
    Denied,
    /// The answer begins well; its connection breaks after so many bytes of the body.
    CutBody { after: u64 },
    /// The answer begins well; after so many bytes of the body nothing more comes.
    StallBody { after: u64 },
    /// No answer.
    Hang,
    /// The bucket is elsewhere: 400 AuthorizationHeaderMalformed, as AWS answers a request signed for another region.
    WrongRegion { right: String },
    /// This status and body.
    Answer { status: u16, body: String },
    /// 204, and that a marker was set: what a bucket that keeps old versions answers to a deletion.
    MarkedDeleted,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub operation: Operation,
    /// Path and query.
    pub target: String,
    /// The header `Range`.
    pub range: Option<String>,
}

/// The server. Dropping it ends it and deletes its folder.
pub struct S3Server {
    folder: TempDir,
    address: SocketAddr,
    front: Arc<Front>,
    listening: Mutex<Option<JoinHandle<()>>>,
    runtime: Option<Runtime>,
}

impl S3Server {
    /// A server with these empty buckets.
    pub fn start(buckets: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for bucket in buckets {
            std::fs::create_dir(folder.path().join(bucket)).unwrap();
        }
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        builder.set_access(Stricter(FileSystem::new(folder.path()).unwrap(), folder.path().to_owned()));
        let front = Arc::new(Front { s3: builder.build(), rules: Mutex::default(), seen: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { folder, address, front, listening: Mutex::default(), runtime: Some(runtime) };
        server.listen(listener);
        server
    }

    /// The server's address, for `ENDPOINT`. It needs path-style requests.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Settings by which a process finds this server, each name after `prefix`: `STORAGE_` or `DAILY_STORAGE_`.
    pub fn settings(&self, prefix: &str) -> BTreeMap<String, String> {
        [
            ("ENDPOINT", self.endpoint()),
            ("REGION", REGION.to_owned()),
            ("ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("PATH_STYLE", "true".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value))
        .collect()
    }

    /// Where a bucket's objects lie as files.
    pub fn folder(&self, bucket: &str) -> PathBuf {
        self.folder.path().join(bucket)
    }

    /// Parts of uploads that were neither completed nor aborted.
    pub fn unfinished_parts(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".upload_id-")).count()
    }

    /// The next so many requests (for `operation`, or for anything) go wrong.
    pub fn break_next(&self, times: u64, operation: Option<Operation>, fault: Fault) {
        self.front.rules.lock().unwrap().push(Rule { operation, left: times, fault });
    }

    /// Each request (for `operation`, or for anything) goes wrong until [`Self::heal`].
    pub fn break_until_healed(&self, operation: Option<Operation>, fault: Fault) {
        self.break_next(u64::MAX, operation, fault);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.front.rules.lock().unwrap().clear();
    }

    /// The process is gone: open connections break, new ones are refused.
    pub fn down(&self) {
        if let Some(listening) = self.listening.lock().unwrap().take() {
            listening.abort();
            // The port is free when the task has dropped its listener.
            while !listening.is_finished() {
                std::thread::yield_now();
            }
        }
    }

    /// The process is back, at the same address and with the same objects.
    pub fn up(&self) {
        if self.listening.lock().unwrap().is_some() {
            return;
        }
        self.listen(Listener::bind(self.address).expect("somebody took the port"));
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Seen> {
        self.front.seen.lock().unwrap().clone()
    }

    /// How many requests so far were for `operation`.
    pub fn count(&self, operation: Operation) -> usize {
        self.front.seen.lock().unwrap().iter().filter(|seen| seen.operation == operation).count()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.front.seen.lock().unwrap().clear();
    }

    fn listen(&self, listener: Listener) {
        let runtime = self.runtime.as_ref().expect("taken only when dropped");
        listener.set_nonblocking(true).unwrap();
        let front = self.front.clone();
        let task = runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut connections = JoinSet::new(); // Aborted with this task.
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { continue };
                        connections.spawn(serve(front.clone(), stream));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        *self.listening.lock().unwrap() = Some(task);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(front: Arc<Front>, stream: tokio::net::TcpStream) {
    let service = service_fn(move |request| {
        let front = front.clone();
        async move { front.answer(request).await }
    });
    // Its errors are clients that went away, and the faults.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A fault that is switched on.
struct Rule {
    operation: Option<Operation>,
    left: u64,
    fault: Fault,
}

struct Front {
    s3: S3Service,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Faulty>, HttpError> {
        let seen = Seen {
            operation: operation(request.method(), request.uri().path(), request.uri().query().unwrap_or_default()),
            target: request.uri().to_string(),
            range: request.headers().get("range").map(|range| range.to_str().unwrap().to_owned()),
        };
        let fault = self.fault(seen.operation);
        self.seen.lock().unwrap().push(seen);
        let (whole, end) = match fault {
            None => (None, End::Whole),
            Some(Fault::CutBody { after }) => (None, End::Cut(after)),
            Some(Fault::StallBody { after }) => (None, End::Stall(after)),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Unavailable) => {
                (Some(error(503, "SlowDown", "Please reduce your request rate.", "")), End::Whole)
            }
            Some(Fault::Denied) => (Some(error(403, "AccessDenied", "Access Denied", "")), End::Whole),
            Some(Fault::WrongRegion { right }) => {
                let says = format!("The authorization header is malformed; the region is wrong; expecting '{right}'");
                let region = format!("<Region>{right}</Region>");
                let mut answer = error(400, "AuthorizationHeaderMalformed", &says, &region);
                answer.headers_mut().insert("x-amz-bucket-region", right.parse().unwrap());
                (Some(answer), End::Whole)
            }
            Some(Fault::MarkedDeleted) => {
                let answer = Response::builder().status(204).header("x-amz-delete-marker", "true");
                (Some(answer.body(Body::empty()).unwrap()), End::Whole)
            }
            Some(Fault::Answer { status, body }) => {
                (Some(Response::builder().status(status).body(Body::from(body)).unwrap()), End::Whole)
            }
        };
        let is_head = request.method() == Method::HEAD;
        let mut request = request.map(Body::from);
        let answer = match whole {
            Some(answer) => {
                // Who answers before the request is read makes its sender see a broken connection, perhaps.
                while let Some(Ok(_)) = request.body_mut().next().await {}
                if is_head { answer.map(|_| Body::empty()) } else { answer }
            }
            None => self.s3.call(request).await?,
        };
        Ok(answer.map(|body| Faulty { body, end }))
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule =
            rules.iter_mut().find(|rule| rule.left > 0 && rule.operation.is_none_or(|only| only == operation))?;
        if rule.left != u64::MAX {
            rule.left -= 1;
        }
        Some(rule.fault.clone())
    }
}

fn error(status: u16, code: &str, message: &str, more: &str) -> Response<Body> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    );
    let status = StatusCode::from_u16(status).unwrap();
    Response::builder().status(status).header(CONTENT_TYPE, "application/xml").body(Body::from(body)).unwrap()
}

fn operation(method: &Method, path: &str, query: &str) -> Operation {
    let has_key = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let upload = query.contains("uploadId=");
    match (method.as_str(), has_key) {
        ("GET", true) => Operation::Get,
        ("GET", false) if query.contains("list-type=2") => Operation::List,
        ("HEAD", true) => Operation::Head,
        ("PUT", true) if upload => Operation::UploadPart,
        ("PUT", true) => Operation::Put,
        ("POST", true) if upload => Operation::CompleteUpload,
        ("POST", true) if query.contains("uploads") => Operation::CreateUpload,
        ("DELETE", true) if upload => Operation::AbortUpload,
        ("DELETE", true) => Operation::Delete,
        _ => Operation::Other,
    }
}

/// How a body ends.
enum End {
    Whole,
    Cut(u64),
    /// Cut as soon as what came before it has left.
    CutNow,
    Stall(u64),
}

/// A body that may break.
struct Faulty {
    body: Body,
    end: End,
}

impl HttpBody for Faulty {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.end {
            End::Cut(0) => {
                // The server sends what it holds when a body makes it wait.
                self.end = End::CutNow;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            End::CutNow => return Poll::Ready(Some(Err("cut, as the test wants it".into()))),
            End::Stall(0) => return Poll::Pending,
            _ => {}
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let (End::Cut(left) | End::Stall(left)) = &mut self.end else { return polled };
        polled.map_ok(|frame| match frame.into_data() {
            Ok(mut data) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                Frame::data(data)
            }
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, End::Whole) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What `s3s-fs` leaves out: a bucket has to be there, unless it is being made, and a GET may want the object to be still the same.
struct Stricter(FileSystem, PathBuf);

#[async_trait::async_trait]
impl S3Access for Stricter {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied));
        }
        match context.s3_path() {
            S3Path::Bucket { .. } if context.s3_op().name() == "CreateBucket" => Ok(()),
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } if !self.1.join(&**bucket).is_dir() => {
                Err(s3_error!(NoSuchBucket))
            }
            _ => Ok(()),
        }
    }

    async fn get_object(&self, request: &mut S3Request<GetObjectInput>) -> S3Result<()> {
        let Some(wanted) = request.input.if_match.as_ref().and_then(|condition| condition.as_etag()) else {
            return Ok(());
        };
        let mut input = HeadObjectInput::builder();
        input.set_bucket(request.input.bucket.clone());
        input.set_key(request.input.key.clone());
        let head = S3Request {
            input: input.build().map_err(|error| s3_error!(error, InternalError))?,
            method: request.method.clone(),
            uri: request.uri.clone(),
            headers: request.headers.clone(),
            extensions: Default::default(),
            credentials: request.credentials.clone(),
            region: request.region.clone(),
            service: request.service.clone(),
            trailing_headers: None,
        };
        let found = self.0.head_object(head).await?;
        match &found.output.e_tag {
            Some(etag) if etag.strong_cmp(wanted) => Ok(()),
            _ => Err(s3_error!(PreconditionFailed)),
        }
    }
}
