//! Hatchet's REST API: what people see on its dashboard, and what its gRPC calls can't do: look for runs, cancel, replay,
//! pause workers, list what is registered. Its read side is up to seconds behind the engine's core.

mod runs;
mod workers;
mod workflows;

use std::sync::Once;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, RequestBuilder, StatusCode, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use runs::{LogEntry, RunPage, RunQuery, RunSummary, TaskEvent, TaskState, TaskSummary};
pub use workers::RegisteredWorker;

use super::account::Account;
use super::error::HatchetError;
use super::settings::{SettingsError, named};
use super::tls;
use crate::secret::{Secret, redacted};

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(20);
/// Lists of runs with all their payloads are the longest.
const LARGEST: usize = 64 << 20;
/// How much of the server's own words about an error is shown.
const LONGEST_TOLD: usize = 300;

/// The API of one tenant. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rest {
    client: Client,
    base: String,
    tenant: String,
    token: Secret,
}

/// Rows, as all lists have them.
#[derive(Deserialize)]
struct Rows<T> {
    rows: Option<Vec<T>>,
}

/// What came of a request that was understood.
enum Answer {
    Is(Vec<u8>),
    NotThere,
}

impl Rest {
    /// Gets ready to ask; nothing is sent yet.
    ///
    /// # Errors
    /// Certificates that can't be used.
    pub async fn prepare(account: &Account) -> Result<Self, SettingsError> {
        install_tls();
        let mut builder = Client::builder()
            .user_agent(concat!("trackscribe/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .pool_idle_timeout(Duration::from_secs(30))
            // The token goes to nobody else.
            .redirect(redirect::Policy::none());
        if let Some(root) = tls::root(&account.tls).await? {
            let root = Certificate::from_pem(&root)
                .map_err(|error| SettingsError::new(named::TLS_ROOT, format!("can't be used: {error}")))?;
            builder = builder.add_root_certificate(root);
        }
        let client = builder.build();
        let client =
            client.map_err(|error| SettingsError::new(named::SERVER_URL, format!("can't be used: {error}")))?;
        let (tenant, token) = (account.tenant.clone(), account.token.clone());
        Ok(Self { client, base: account.rest.clone(), tenant, token })
    }

    /// A path of this tenant in the API's older half.
    fn tenant(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}/{rest}", self.tenant)
    }

    /// A path of this tenant in the newer half, which knows runs and tasks.
    fn stable_tenant(&self, rest: &str) -> String {
        format!("/api/v1/stable/tenants/{}/{rest}", self.tenant)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(self.token.reveal())
    }

    /// What is at a path; `None` when nothing is.
    async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Option<T>, HatchetError> {
        match answer(what, self.request(Method::GET, path).query(query)).await? {
            Answer::Is(body) => read(what, &body).map(Some),
            Answer::NotThere => Ok(None),
        }
    }

    async fn send(&self, what: &'static str, method: Method, path: &str, body: &Value) -> Result<(), HatchetError> {
        match answer(what, self.request(method, path).json(body)).await? {
            Answer::Is(_) => Ok(()),
            Answer::NotThere => Err(HatchetError::Unknown { call: what, why: "404".to_owned() }),
        }
    }
}

fn read<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, HatchetError> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body)).map_err(|error| {
        // Half a document or a proxy's page.
        HatchetError::Away { call: what, why: format!("the answer can't be read: {error}") }
    })
}

async fn answer(call: &'static str, request: RequestBuilder) -> Result<Answer, HatchetError> {
    let away = |error: reqwest::Error| HatchetError::Away { call, why: chain(&error) };
    let mut response = request.send().await.map_err(away)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(away)? {
        if body.len() + piece.len() > LARGEST {
            return Err(HatchetError::Rejected { call, why: format!("the answer is over {} MiB", LARGEST >> 20) });
        }
        body.extend_from_slice(&piece);
    }
    if status.is_success() {
        return Ok(Answer::Is(body));
    }
    let why = format!("HTTP {}{}", status.as_u16(), said(&body));
    match status {
        StatusCode::NOT_FOUND => Ok(Answer::NotThere),
        // An id that is no UUID can't be anything's.
        StatusCode::BAD_REQUEST => Err(HatchetError::Rejected { call, why }),
        // Which of the two it is, nobody can tell within one call.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let why = format!("{why}; it does not take the token, or has no database just now");
            Err(HatchetError::Away { call, why })
        }
        _ => Err(HatchetError::Away { call, why }),
    }
}

/// `{"errors":[{"description":…}]}`.
fn said(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = said.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let words: Vec<&str> = errors.iter().filter_map(|error| error.get("description")?.as_str()).collect();
    if words.is_empty() {
        return String::new();
    }
    let words = redacted(&words.join("; "));
    format!(": {}", words.chars().filter(|letter| !letter.is_control()).take(LONGEST_TOLD).collect::<String>())
}

/// An error with what lay under it, addresses without their queries.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    redacted(&text)
}

/// TLS clients of this process use ring. Whoever comes first installs it; the second finds it done.
fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
