//! One request to Daily's REST API and what it takes to get an answer: turns, time-outs, waiting as Daily asks, trying
//! again, and errors that say what to do next.

use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, Response, StatusCode, redirect};
use serde_json::Value;
use url::{Host, Url};

use super::rate_limit::RateLimiter;
use super::{DailyError, retry_after};
use crate::clock::Timestamp;
use crate::secret::{Secret, redacted};

/// How often a request is made that meets trouble other than 429.
const TRIES: u32 = 4;
/// The wait before the second try; doubled for each later one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A hundred recordings with a hundred tracks each are about 2 MB.
const LARGEST_BODY: usize = 32 << 20;
/// How much of Daily's own words about an error is shown.
const LONGEST_TOLD: usize = 300;

/// How long to wait for Daily. All of it together stays far below what a task may stand still.
#[derive(Debug, Clone, Copy)]
pub struct DailyTimeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes.
    pub read: Duration,
    /// For one request and its whole answer.
    pub request: Duration,
    /// For one operation, on the injected clock: after so long no request is made any more, and none is waited for whose
    /// turn would come later.
    pub operation: Duration,
}

impl Default for DailyTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(20),
            request: Duration::from_secs(40),
            operation: Duration::from_secs(120),
        }
    }
}

/// Connections to one account.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    base: Url,
    key: Secret,
    limiter: Arc<RateLimiter>,
    operation: Duration,
}

/// A request, before it is made.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// Whether it may be made again when nobody knows what came of it.
    repeatable: bool,
}

impl Call {
    pub(super) fn get(path: &[&str]) -> Self {
        Self::of(Method::GET, path)
    }

    pub(super) fn post(path: &[&str], body: Value) -> Self {
        Self { body: Some(body), ..Self::of(Method::POST, path) }
    }

    pub(super) fn delete(path: &[&str]) -> Self {
        Self::of(Method::DELETE, path)
    }

    fn of(method: Method, path: &[&str]) -> Self {
        let repeatable = method != Method::POST;
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { method, path, query: Vec::new(), body: None, repeatable }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Making it twice is as good as once.
    pub(super) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }
}

/// As errors name it: without its query.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /{}", self.method, self.path.join("/"))
    }
}

/// Why one try brought nothing.
struct Trouble {
    error: DailyError,
    again: Again,
}

enum Again {
    /// It won't get better.
    No,
    /// A few times, with growing waits.
    Soon,
    /// As long as the operation may last.
    After(Option<Duration>),
}

impl Http {
    pub(super) fn new(
        base: &Url,
        key: Secret,
        limiter: Arc<RateLimiter>,
        timeouts: DailyTimeouts,
    ) -> Result<Self, DailyError> {
        install_tls();
        let setting = |problem: &str| DailyError::Setting { problem: problem.to_owned() };
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(setting("DAILY_API_URL must begin with https://, e.g. https://api.daily.co/v1"));
        }
        if key.reveal().is_empty() || !key.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(setting("DAILY_API_KEY has characters that no API key has: copy it again"));
        }
        let mut builder = Client::builder()
            .user_agent(concat!("trackscribe/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.read)
            .timeout(timeouts.request)
            .pool_idle_timeout(Duration::from_secs(30))
            // The key goes to nobody else.
            .redirect(redirect::Policy::none());
        if is_loopback(base) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| DailyError::Setting { problem: told(&error) })?;
        Ok(Self { client, base: base.clone(), key, limiter, operation: timeouts.operation })
    }

    /// When an operation that begins now must be over.
    pub(super) fn deadline(&self) -> Timestamp {
        self.limiter.clock().now().plus(self.operation)
    }

    /// Makes the call and reads its answer, until that works, can't work, or `deadline` comes.
    pub(super) async fn ask<T>(
        &self,
        call: &Call,
        deadline: Timestamp,
        read: impl Fn(&str, &[u8]) -> Result<T, DailyError>,
    ) -> Result<T, DailyError> {
        let clock = self.limiter.clock();
        let request = call.to_string();
        if call.path.iter().any(|part| matches!(part.as_str(), "" | "." | "..")) {
            // An address has no place for such an id: it would name the folder above.
            return Err(DailyError::Status { request, status: 404, said: "no such id".to_owned() });
        }
        let (mut tries, mut backoff) = (0, FIRST_WAIT);
        loop {
            tokio::select! {
                biased;
                () = self.limiter.turn() => {}
                () = clock.sleep_until(deadline) => return Err(DailyError::Busy { request, waited: self.operation }),
            }
            let answered = self.once(call, &request).await.and_then(|body| {
                read(&request, &body).map_err(|error| Trouble {
                    error: garbled(&request, error),
                    again: if call.repeatable { Again::Soon } else { Again::No },
                })
            });
            let trouble = match answered {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let wait = match trouble.again {
                Again::No => return Err(trouble.error),
                Again::Soon => {
                    tries += 1;
                    if tries >= TRIES {
                        return Err(trouble.error);
                    }
                    backoff
                }
                Again::After(asked) => {
                    // Never at once: a server that says 0 and means it is asked every second.
                    let wait = asked.unwrap_or_default().max(backoff);
                    self.limiter.pause_until(clock.now().plus(wait));
                    wait
                }
            };
            backoff = (backoff * 2).min(LONGEST_WAIT);
            let next = clock.now().plus(wait);
            if next >= deadline {
                return Err(trouble.error);
            }
            tracing::debug!(%request, error = %trouble.error, ?wait, "asking Daily again");
            clock.sleep_until(next).await;
        }
    }

    async fn once(&self, call: &Call, request: &str) -> Result<Vec<u8>, Trouble> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut making = self.client.request(call.method.clone(), url).bearer_auth(self.key.reveal());
        if let Some(body) = &call.body {
            making = making.json(body);
        }
        let response = making.send().await.map_err(|error| unreachable(call, request, &error))?;
        let status = response.status();
        if status.is_success() {
            return whole_body(call, request, response).await;
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|header| header.to_str().ok());
        let retry_after = retry_after.and_then(|header| retry_after::wait(header, self.limiter.clock().now()));
        // An error's body that can't be read says nothing, and the status says enough.
        let said =
            whole_body(call, request, response).await.map_or_else(|_| String::new(), |body| what_daily_says(&body));
        Err(refused(call, request, status, said, retry_after, self.operation))
    }
}

/// An answer that came whole and can't be read: a proxy's page, half a document, a bug that is mended soon (U12).
fn garbled(request: &str, error: DailyError) -> DailyError {
    let problem = match error {
        DailyError::Malformed { problem, .. } => problem,
        other => other.to_string(),
    };
    DailyError::Garbled { request: request.to_owned(), problem: shown(&problem) }
}

/// Classes an answer that is no success.
fn refused(
    call: &Call,
    request: &str,
    status: StatusCode,
    said: String,
    retry_after: Option<Duration>,
    operation: Duration,
) -> Trouble {
    let request = request.to_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS => {
            Trouble { error: DailyError::Busy { request, waited: operation }, again: Again::After(retry_after) }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Trouble { error: DailyError::KeyRefused { request, status: status.as_u16(), said }, again: Again::No }
        }
        _ => {
            let again = if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
                if call.repeatable { Again::Soon } else { Again::No }
            } else {
                Again::No
            };
            Trouble { error: DailyError::Status { request, status: status.as_u16(), said }, again }
        }
    }
}

async fn whole_body(call: &Call, request: &str, mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| unreachable(call, request, &error))? {
        if body.len() + piece.len() > LARGEST_BODY {
            return Err(Trouble {
                error: DailyError::Garbled {
                    request: request.to_owned(),
                    problem: format!("the answer is longer than {} MiB", LARGEST_BODY >> 20),
                },
                again: Again::No,
            });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// No answer, or only a part of one. What never reached Daily may be sent again whatever it is.
fn unreachable(call: &Call, request: &str, error: &reqwest::Error) -> Trouble {
    let again = if call.repeatable || error.is_connect() { Again::Soon } else { Again::No };
    Trouble { error: DailyError::Unreachable { request: request.to_owned(), problem: told(error) }, again }
}

/// An HTTP client's error with its causes, without addresses' secrets.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let deeper_text = deeper.to_string();
        if !text.contains(&deeper_text) {
            text.push_str(": ");
            text.push_str(&deeper_text);
        }
        cause = deeper.source();
    }
    shown(&text)
}

/// Daily's `{"error","info"}`.
fn what_daily_says(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| said.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let said: Vec<&str> = [field("error"), field("info")].into_iter().flatten().collect();
    shown(&said.join(": "))
}

/// Text from outside as people may see it.
fn shown(text: &str) -> String {
    redacted(text).chars().filter(|c| !c.is_control()).take(LONGEST_TOLD).collect()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// TLS clients of this process use ring. Whoever comes first installs it; the second finds it done.
fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Fails when another part of the process has installed one: that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
