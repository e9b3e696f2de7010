//! What `/readyz` looks at, beside the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::abandoned::abandoned;
use crate::daily::subscriptions::SubscriptionHealth;
use crate::daily::{DailySource, RecordingQuery};
use crate::engine::embedded::ExecutorState;
use crate::engine::hatchet::HatchetEngine;
use crate::http::ReadyCheck;
use crate::storage::Storage;
use crate::store::Database;

/// How long what was found of Daily counts: looking takes from the two requests a second that its account has.
const DAILY_FRESH: Duration = Duration::from_secs(60);

/// A place of objects.
pub struct PlaceReady {
    /// What it is called.
    pub name: &'static str,
    /// The place.
    pub place: Arc<dyn Storage>,
}

#[async_trait]
impl ReadyCheck for PlaceReady {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn check(&self) -> Result<String, String> {
        self.place.check().await.map(|()| "answers".to_owned()).map_err(|error| error.to_string())
    }
}

/// Daily's API.
pub struct DailyReady {
    /// Who answers.
    pub daily: Arc<dyn DailySource>,
    /// Settings without which not everything works.
    pub missing: Vec<&'static str>,
}

#[async_trait]
impl ReadyCheck for DailyReady {
    fn name(&self) -> &'static str {
        "daily"
    }

    fn fresh_for(&self) -> Duration {
        DAILY_FRESH
    }

    async fn check(&self) -> Result<String, String> {
        if !self.missing.is_empty() {
            return Err(format!("not set: {}", self.missing.join(", ")));
        }
        let one = RecordingQuery { limit: Some(1), ..RecordingQuery::default() };
        self.daily.list(&one).await.map(|_| "answers".to_owned()).map_err(|error| error.to_string())
    }
}

/// The subscription to Daily's webhooks, as it was last found.
pub struct SubscriptionReady(pub watch::Receiver<Option<SubscriptionHealth>>);

#[async_trait]
impl ReadyCheck for SubscriptionReady {
    fn name(&self) -> &'static str {
        "webhook"
    }

    async fn check(&self) -> Result<String, String> {
        match &*self.0.borrow() {
            None => Ok("not looked at yet".to_owned()),
            Some(health) if health.is_active() => Ok(health.to_string()),
            Some(health) => Err(health.to_string()),
        }
    }
}

/// Whether this process executes runs. Standing by is as good: another one does.
pub struct ExecutorReady(pub watch::Receiver<ExecutorState>);

#[async_trait]
impl ReadyCheck for ExecutorReady {
    fn name(&self) -> &'static str {
        "engine"
    }

    async fn check(&self) -> Result<String, String> {
        match &*self.0.borrow() {
            ExecutorState::Executes(_) => Ok("this process executes the runs".to_owned()),
            ExecutorState::StandsBy(why) => Ok(format!("this process stands by: {why}")),
        }
    }
}

/// Whether Hatchet can be asked for runs.
pub struct HatchetReady(pub Arc<HatchetEngine>);

#[async_trait]
impl ReadyCheck for HatchetReady {
    fn name(&self) -> &'static str {
        "engine"
    }

    async fn check(&self) -> Result<String, String> {
        self.0.check().await
    }
}

/// Whether outward effects were given up.
pub struct OutboxReady(pub Database);

#[async_trait]
impl ReadyCheck for OutboxReady {
    fn name(&self) -> &'static str {
        "outbox"
    }

    async fn check(&self) -> Result<String, String> {
        match abandoned(&self.0).await {
            Ok(None) => Ok("nothing was given up".to_owned()),
            Ok(Some(given_up)) => Err(given_up.to_string()),
            Err(_) => Err("the database does not answer".to_owned()),
        }
    }
}
