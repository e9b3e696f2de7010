//! What the service's commands open, as the settings say: database, storage, Daily, the engine, and the trigger that
//! joins them.

mod abandoned;
mod answering;
mod desks;
mod duties;
mod executor;
mod house;
mod ready;
mod required;
mod scratch;
mod unset;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use self::abandoned::abandoned;
pub use self::answering::http_state;
pub use self::duties::{Duties, room_policy};
pub use self::executor::{tell_if_nobody_executes, waiting};
pub use self::house::pipeline_house;
pub use self::ready::{ExecutorReady, HatchetReady, PlaceReady};
pub use self::required::Required;
pub use self::scratch::Scratch;
pub use self::unset::UnloadedModel;
use self::unset::{UnsetDaily, UnsetPlace, consequence};
use super::daily_account;
use super::database::migrated;
use super::definitions::definitions;
use super::exit::Exit;
use super::hatchet::Hatchet;
use super::object_places::{derived, tracks_if_set};
use super::threads;
use super::unusable::unusable;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, DailyApi, Provider, names};
use crate::consent::Consent;
use crate::daily::webhook::WebhookSecret;
use crate::daily::{DailyClient, DailySource};
use crate::engine::Engine;
use crate::engine::embedded::EmbeddedClient;
use crate::failure::with_causes;
use crate::secret::redacted;
use crate::storage::Storage;
use crate::store::Database;
use crate::trigger::{Trigger, TriggerParts};
use crate::workflow::Definitions;

/// What all commands that start or look after runs work with.
pub struct Service {
    /// The store, its schema up to date.
    pub database: Database,
    /// Time.
    pub clock: SharedClock,
    /// What we make.
    pub storage: Arc<dyn Storage>,
    /// The recordings' own files.
    pub originals: Arc<dyn Storage>,
    /// Who answers for Daily.
    pub daily: Arc<dyn DailySource>,
    /// Daily's REST API, where that answers.
    pub daily_client: Option<DailyClient>,
    /// Late denials.
    pub consent: Arc<Consent>,
    /// Runs the workflows.
    pub engine: Arc<dyn Engine>,
    /// Starts runs.
    pub trigger: Trigger,
    /// The way to Hatchet, where that is the engine.
    pub hatchet: Option<Hatchet>,
    /// What the workflows say.
    pub definitions: Definitions,
    /// Which engine that is.
    pub provider: Provider,
    /// Settings that are missing, without which not everything works.
    pub missing: Vec<&'static str>,
}

impl Service {
    /// Opens everything that `config` names. What belongs to Daily may be missing: then whoever needs it is told what to set.
    ///
    /// # Errors
    /// The way the program is to end: a setting that is missing or can't be used, a database that does not answer.
    pub async fn open(config: &Config) -> Result<Self, Exit> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        warn_of_one_host(config);
        let definitions = definitions(config)?;
        let clock: SharedClock = Arc::new(SystemClock);
        let mut missing = Vec::new();
        let storage = derived(&config.storage)?;
        let originals = tracks_if_set(&config.daily_storage)?.unwrap_or_else(|| {
            missing.push(names::DAILY_STORAGE_URL);
            Arc::new(UnsetPlace { setting: names::DAILY_STORAGE_URL })
        });
        let (daily, daily_client): (Arc<dyn DailySource>, _) = match &config.daily.api {
            DailyApi::Rest(_) if config.daily.api_key.is_none() => {
                missing.push(names::DAILY_API_KEY);
                (Arc::new(UnsetDaily), None)
            }
            DailyApi::Rest(_) => {
                let client = daily_account::client(&config.daily, Arc::clone(&clock))?;
                (Arc::new(client.clone()), Some(client))
            }
            DailyApi::Folders(_) => (recorded_folders(config, &clock).await?, None),
        };
        if config.daily.webhook_secret.is_none() && matches!(config.daily.api, DailyApi::Rest(_)) {
            missing.push(names::DAILY_WEBHOOK_SECRET);
        }
        let database = migrated(config).await?;
        let consent =
            Arc::new(Consent::new(database.clone(), Arc::clone(&clock), Arc::clone(&originals), Arc::clone(&storage)));
        let (engine, hatchet) = engine(config, &database, &definitions, &clock).await?;
        let trigger = Trigger::new(TriggerParts {
            database: database.clone(),
            engine: Arc::clone(&engine),
            provider: config.provider.as_str().to_owned(),
            consent: Arc::clone(&consent),
            clock: Arc::clone(&clock),
        });
        Ok(Self {
            database,
            clock,
            storage,
            originals,
            daily,
            daily_client,
            consent,
            engine,
            trigger,
            hatchet,
            definitions,
            provider: config.provider,
            missing,
        })
    }

    /// Tells the log what does not work for want of a setting, and what was given up.
    pub async fn warn(&self) {
        for setting in &self.missing {
            tracing::warn!("{setting} is not set: {}", consequence(setting));
        }
        match abandoned(&self.database).await {
            Ok(None) => {}
            Ok(Some(given_up)) => tracing::warn!("{given_up}"),
            Err(error) => tracing::warn!(error = redacted(&with_causes(&error)), "the outbox can't be read"),
        }
    }

    /// Ends a command that has to ask Daily and can't.
    ///
    /// # Errors
    /// A bad-input exit that names the setting.
    pub fn require_daily(&self) -> Result<(), Exit> {
        if self.can_ask_daily() {
            return Ok(());
        }
        Err(Exit::bad_input(anyhow!("{} is not set: copy it from Daily's dashboard, Developers", names::DAILY_API_KEY)))
    }

    /// Whether anything can be asked of Daily.
    pub fn can_ask_daily(&self) -> bool {
        !self.missing.contains(&names::DAILY_API_KEY)
    }
}

/// Opens what `config` names for a command that ends by itself, and closes it again. Ctrl-C ends the command, not the runs
/// that it asked for.
///
/// # Errors
/// The way the program is to end.
pub fn with_service(config: &Config, command: impl AsyncFnOnce(&Service) -> Result<(), Exit>) -> Result<(), Exit> {
    Required::of(config).check()?;
    threads::one()?.block_on(async {
        let service = Service::open(config).await?;
        let done = tokio::select! {
            done = command(&service) => done,
            _ = tokio::signal::ctrl_c() => Err(Exit::Interrupted),
        };
        service.database.close().await;
        done
    })
}

/// A server's database may be meant for processes on several hosts; a folder is for one.
fn warn_of_one_host(config: &Config) {
    let is_server = config.database_url.as_ref().is_some_and(|url| !url.reveal().starts_with("sqlite:"));
    let places = [(names::STORAGE_URL, &config.storage), (names::DAILY_STORAGE_URL, &config.daily_storage)];
    for (name, _) in places.iter().filter(|(_, place)| place.url.as_ref().is_some_and(|url| url.scheme() == "file")) {
        if is_server {
            tracing::warn!(
                "{name} is a folder: all processes of this database have to run on this host. More need s3://"
            );
        }
    }
}

/// What Daily signs with; `None` when it is not set.
fn webhook_secret(config: &Config) -> Result<Option<WebhookSecret>, Exit> {
    let secret = config.daily.webhook_secret.as_ref().map(|secret| secret.reveal().parse());
    secret.transpose().map_err(|error| unusable(names::DAILY_WEBHOOK_SECRET, error))
}

async fn recorded_folders(config: &Config, clock: &SharedClock) -> Result<Arc<dyn DailySource>, Exit> {
    let (settings, clock) = (config.daily.clone(), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || daily_account::source(&settings, clock)).await;
    opened.context("reading recorded folders").map_err(Exit::Failed)?
}

/// Whoever runs the workflows. With the embedded engine every process asks by the database, also the one that executes.
async fn engine(
    config: &Config,
    database: &Database,
    definitions: &Definitions,
    clock: &SharedClock,
) -> Result<(Arc<dyn Engine>, Option<Hatchet>), Exit> {
    match config.provider {
        Provider::None => {
            let client = EmbeddedClient::new(database.clone(), definitions.clone(), Arc::clone(clock));
            Ok((Arc::new(client), None))
        }
        Provider::Hatchet => {
            let hatchet = Hatchet::open(config, definitions, clock).await?;
            Ok((Arc::clone(&hatchet.engine) as Arc<dyn Engine>, Some(hatchet)))
        }
        Provider::Conductor => Err(Exit::bad_input(anyhow!(
            "{name}=conductor is not there yet: this version has {name}=none and {name}=hatchet",
            name = names::DURABLE_WORKFLOW_PROVIDER,
        ))),
    }
}
