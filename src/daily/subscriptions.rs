//! Our subscription to Daily's webhooks: made, listed, deleted, looked after. After three failed answers in a row Daily
//! marks a subscription FAILED and sends nothing more; an update with its own URL makes it active again, once the URL
//! answers a test delivery (Daily's REST reference, "Update a webhook").

use serde_json::{Value, json};
use url::Url;

use super::DailyError;
use super::client::{DailyClient, not_there};
use super::http::Call;
use super::rest::parse_json;
use super::webhook::{EVENT_TYPES, WebhookSecret};

/// Where the service takes deliveries.
pub const WEBHOOK_PATH: &str = "/v1/daily/webhook";

/// A subscription, as Daily lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Daily's `uuid`.
    pub id: String,
    /// Where deliveries go.
    pub url: String,
    /// Whether they do.
    pub state: SubscriptionState,
    /// Failed deliveries in a row.
    pub failed_count: u64,
    /// The types asked for.
    pub event_types: Vec<String>,
    /// What deliveries are signed with, where Daily tells.
    pub secret: Option<WebhookSecret>,
    /// When the last delivery went, as Daily writes it.
    pub last_pushed: Option<String>,
}

/// What Daily does with a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionState {
    /// It delivers.
    Active,
    /// It gave up.
    Failed,
    /// Something else, in Daily's word.
    Other(String),
}

impl std::fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Active => f.write_str("ACTIVE"),
            Self::Failed => f.write_str("FAILED"),
            Self::Other(word) => f.write_str(word),
        }
    }
}

impl Subscription {
    fn of(document: &str, entry: &Value) -> Result<Self, DailyError> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed = |name: &str| {
            text(name).ok_or_else(|| DailyError::Malformed {
                document: document.to_owned(),
                problem: format!("{name}: missing"),
            })
        };
        let types = entry.get("eventTypes").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        Ok(Self {
            id: needed("uuid")?,
            url: needed("url")?,
            state: match entry.get("state") {
                Some(Value::String(word)) if word.eq_ignore_ascii_case("active") => SubscriptionState::Active,
                Some(Value::String(word)) if word.eq_ignore_ascii_case("failed") => SubscriptionState::Failed,
                // The reference has had numbers as well: 0 failed, 1 active, 2 stopped.
                Some(Value::Number(number)) if number.as_u64() == Some(0) => SubscriptionState::Failed,
                Some(Value::Number(number)) if number.as_u64() == Some(1) => SubscriptionState::Active,
                Some(Value::String(word)) => SubscriptionState::Other(word.clone()),
                Some(Value::Number(number)) => SubscriptionState::Other(number.to_string()),
                _ => SubscriptionState::Other("unknown".to_owned()),
            },
            failed_count: entry.get("failedCount").and_then(Value::as_f64).map_or(0, |count| count as u64),
            event_types: types.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            secret: text("hmac").and_then(|hmac| hmac.parse().ok()),
            last_pushed: text("lastMomentPushed"),
        })
    }

    /// Types of ours that it does not ask for.
    pub fn missing_types(&self) -> Vec<&'static str> {
        EVENT_TYPES.into_iter().filter(|ours| !self.event_types.iter().any(|has| has == ours)).collect()
    }
}

impl DailyClient {
    /// `GET /webhooks`: all subscriptions of the domain.
    pub async fn webhooks(&self) -> Result<Vec<Subscription>, DailyError> {
        let read = |document: &str, body: &[u8]| {
            let mut value = parse_json(document, body)?;
            if let Some(data) = value.get_mut("data") {
                value = data.take();
            }
            match value {
                Value::Null => Ok(Vec::new()),
                Value::Array(entries) => entries.iter().map(|entry| Subscription::of(document, entry)).collect(),
                _ => {
                    Err(DailyError::Malformed { document: document.to_owned(), problem: "expected a list".to_owned() })
                }
            }
        };
        self.http.ask(&Call::get(&["webhooks"]), self.http.deadline(), read).await
    }

    /// `POST /webhooks`: subscribes `url` to our five types. Daily posts a test delivery to it first and refuses (400) a URL
    /// that does not answer 200. Without a `secret` Daily makes one up, and tells it in the answer.
    pub async fn create_webhook(&self, url: &Url, secret: Option<&WebhookSecret>) -> Result<Subscription, DailyError> {
        let call = Call::post(&["webhooks"], wish(url.as_str(), EVENT_TYPES.iter().copied(), secret));
        self.http.ask(&call, self.http.deadline(), one).await
    }

    /// `DELETE /webhooks/:uuid`.
    pub async fn delete_webhook(&self, id: &str) -> Result<(), DailyError> {
        let call = Call::delete(&["webhooks", id]);
        not_there(self.http.ask(&call, self.http.deadline(), |_, _| Ok(())).await, "webhook", id)
    }

    /// `POST /webhooks/:uuid` with all that the subscription has, which makes a failed one active again.
    async fn reactivate(
        &self,
        subscription: &Subscription,
        secret: Option<&WebhookSecret>,
    ) -> Result<Subscription, DailyError> {
        let types = subscription.event_types.iter().map(String::as_str).chain(subscription.missing_types());
        // The secret goes with it, so that Daily does not make up a new one.
        let secret = subscription.secret.as_ref().or(secret);
        let call = Call::post(&["webhooks", &subscription.id], wish(&subscription.url, types, secret)).repeatable();
        self.http.ask(&call, self.http.deadline(), one).await
    }
}

fn wish<'a>(url: &str, types: impl Iterator<Item = &'a str>, secret: Option<&WebhookSecret>) -> Value {
    let mut wish = json!({"url": url, "eventTypes": types.collect::<Vec<_>>()});
    if let Some(secret) = secret {
        wish["hmac"] = json!(secret.to_base64().reveal());
    }
    wish
}

fn one(document: &str, body: &[u8]) -> Result<Subscription, DailyError> {
    let value = parse_json(document, body)?;
    Subscription::of(document, value.get("data").unwrap_or(&value))
}

/// How a service knows its own subscription among the domain's.
#[derive(Debug, Clone, Default)]
pub struct OwnSubscription {
    /// Its public address, where it is configured.
    pub url: Option<Url>,
    /// Its `DAILY_WEBHOOK_SECRET`.
    pub secret: Option<WebhookSecret>,
}

impl OwnSubscription {
    /// By the address where that is known, else by the secret where Daily tells it, else by the path.
    fn is(&self, subscription: &Subscription) -> bool {
        let url = Url::parse(&subscription.url).ok();
        match (&self.url, &self.secret, &subscription.secret) {
            (Some(own), ..) => url.as_ref() == Some(own),
            (None, Some(own), Some(theirs)) => own == theirs,
            _ => url.is_some_and(|url| url.path().ends_with(WEBHOOK_PATH)),
        }
    }

    fn has_other_secret(&self, subscription: &Subscription) -> bool {
        self.secret.is_some() && subscription.secret.is_some() && self.secret != subscription.secret
    }
}

/// How it stands with a service's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionHealth {
    /// Daily delivers.
    Active {
        /// Where to.
        url: String,
    },
    /// Daily had given up; it delivers again.
    Repaired {
        /// Where to.
        url: String,
    },
    /// Daily delivers nothing.
    Failed {
        /// Where it should go.
        url: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// Daily signs with another secret than ours, so that we refuse what it delivers.
    OtherSecret {
        /// Where to.
        url: String,
    },
    /// There is no subscription.
    Missing,
}

impl SubscriptionHealth {
    /// Whether webhooks come. Where they don't, the poller still finds all recordings, only later.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Active { .. } | Self::Repaired { .. })
    }
}

impl std::fmt::Display for SubscriptionHealth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Active { url } => write!(f, "Daily delivers to {url}"),
            Self::Repaired { url } => write!(f, "Daily had given up on {url} and delivers again"),
            Self::Failed { url, why } => write!(
                f,
                "Daily delivers nothing to {url}: {why}. See that Daily reaches this address and gets 200; where \
                 DAILY_WEBHOOK_URL names it, the subscription is made active again by itself, else delete it and create it \
                 anew: `trackscribe daily webhook`"
            ),
            Self::OtherSecret { url } => write!(
                f,
                "Daily signs what it delivers to {url} with another secret than DAILY_WEBHOOK_SECRET: set the one that \
                 `trackscribe daily webhook create` printed, or delete the subscription and create it anew"
            ),
            Self::Missing => {
                f.write_str("Daily has no webhook for this service: `trackscribe daily webhook create --url …`")
            }
        }
    }
}

/// Looks at the service's subscription, tells the log when it does not deliver, and makes it active again where
/// `repair` allows.
///
/// # Errors
/// When Daily can't be asked. A repair that fails is no error but [`SubscriptionHealth::Failed`].
pub async fn check_and_repair(
    client: &DailyClient,
    own: &OwnSubscription,
    repair: bool,
) -> Result<SubscriptionHealth, DailyError> {
    let found: Vec<Subscription> = client.webhooks().await?.into_iter().filter(|one| own.is(one)).collect();
    let (active, idle): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|one| one.state == SubscriptionState::Active && !own.has_other_secret(one));
    let health = match (active.into_iter().next(), idle.into_iter().next()) {
        (Some(active), _) => {
            let missing = active.missing_types();
            if !missing.is_empty() {
                tracing::warn!(url = %active.url, ?missing, "Daily's webhook does not ask for all events");
            }
            SubscriptionHealth::Active { url: active.url }
        }
        (None, None) => SubscriptionHealth::Missing,
        (None, Some(idle)) if own.has_other_secret(&idle) => SubscriptionHealth::OtherSecret { url: idle.url },
        (None, Some(idle)) => revive(client, own, idle, repair).await,
    };
    if !health.is_active() {
        tracing::warn!("{health}");
    }
    Ok(health)
}

async fn revive(client: &DailyClient, own: &OwnSubscription, idle: Subscription, repair: bool) -> SubscriptionHealth {
    let given_up = format!("its state is {} after {} failed deliveries", idle.state, idle.failed_count);
    if !repair {
        return SubscriptionHealth::Failed { url: idle.url, why: given_up };
    }
    match client.reactivate(&idle, own.secret.as_ref()).await {
        Ok(now) if now.state == SubscriptionState::Active => {
            tracing::info!(url = %idle.url, "{given_up}; it was made active again");
            SubscriptionHealth::Repaired { url: idle.url }
        }
        Ok(now) => SubscriptionHealth::Failed { url: idle.url, why: format!("{given_up}, and stays {}", now.state) },
        Err(error) => {
            SubscriptionHealth::Failed { url: idle.url, why: format!("{given_up}; making it active: {error}") }
        }
    }
}
