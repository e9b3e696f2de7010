//! Configuration from the environment and `.env`: one typed struct, read once at start. All that is malformed or
//! misspelt is named at once, with what it should be. [`SETTINGS`] is the one list of what can be set.

mod daily;
mod env_file;
mod error;
mod hatchet;
mod objects;
mod provider;
mod reader;
mod rooms;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod unknown;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use daily::{DailyApi, DailySettings};
pub use env_file::{ENV_FILE, EnvFile, load_env_file};
pub use error::{ConfigError, ConfigErrors};
pub use hatchet::{HatchetSettings, TlsSettings, TlsStrategy, TokenSource};
pub use objects::{ObjectSettings, S3Settings};
pub use provider::Provider;
pub use rooms::{NoPattern, Patterns, Rooms};
pub use settings::{SETTINGS, Setting, names};
pub use source::{Environment, Strings};

use self::reader::Reader;
use crate::secret::Secret;

/// Where requests are answered unless somebody says otherwise: nobody but this machine reaches it.
const DEFAULT_BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where a worker's own pages are unless somebody says otherwise.
const DEFAULT_WORKER_BIND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// How long a worker that is told to stop goes on with what it has, unless somebody says otherwise: below the 30 s after
/// which container engines kill.
const DEFAULT_GRACE: Duration = Duration::from_secs(25);
/// How often Daily is asked for recordings unless somebody says otherwise.
const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(60);

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where `serve` answers. See [`names::BIND`].
    pub bind: SocketAddr,
    /// See [`names::DATABASE_URL`]; it may hold a password.
    pub database_url: Option<Secret>,
    /// Where what we make is kept. See [`names::STORAGE_URL`].
    pub storage: ObjectSettings,
    /// Where the recordings' tracks are. See [`names::DAILY_STORAGE_URL`].
    pub daily_storage: ObjectSettings,
    /// How Daily is reached and how it reaches us.
    pub daily: DailySettings,
    /// Which rooms' recordings are processed; `None`: nobody said. See [`names::ROOMS`].
    pub rooms: Option<Rooms>,
    /// How often Daily is asked for recordings whose webhook was missed; `None`: never. See [`names::POLL_INTERVAL`].
    pub poll_interval: Option<Duration>,
    /// See [`names::DURABLE_WORKFLOW_PROVIDER`].
    pub provider: Provider,
    /// How Hatchet is reached, where it is the provider.
    pub hatchet: HatchetSettings,
    /// Where a worker's own pages are. See [`names::WORKER_BIND`].
    pub worker_bind: SocketAddr,
    /// How long a worker that is told to stop goes on with what it has. See [`names::SHUTDOWN_GRACE`].
    pub shutdown_grace: Duration,
    /// See [`names::SPEECH_MODEL`].
    pub speech_model: Option<PathBuf>,
    /// See [`names::SPEECH_THREADS`]; at least 1.
    pub speech_threads: usize,
    /// See [`names::CPU_THREADS`]; at least 1.
    pub cpu_threads: usize,
    /// See [`names::SPEECH_LANGUAGE`].
    pub speech_language: String,
    /// See [`names::WORKFLOW_OVERRIDES`].
    pub workflow_overrides: Option<PathBuf>,
    /// What does no harm but is probably not what somebody meant, one sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// All settings that can't be used, and all names that are ours but for a typing error.
    pub fn read(strings: &dyn Strings) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(strings);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu_threads = reader.threads(names::CPU_THREADS).unwrap_or(cores);
        let mut config = Self {
            bind: reader.parsed(names::BIND, "an address and a port, e.g. 0.0.0.0:8080").unwrap_or(DEFAULT_BIND),
            database_url: reader.database_url(names::DATABASE_URL),
            storage: ObjectSettings::read(&mut reader, "STORAGE_"),
            daily_storage: ObjectSettings::read(&mut reader, "DAILY_STORAGE_"),
            daily: DailySettings::read(&mut reader),
            rooms: reader.parsed(names::ROOMS, "all, configured or a pattern such as standup-*"),
            poll_interval: reader.interval(names::POLL_INTERVAL).unwrap_or(Some(DEFAULT_POLL_INTERVAL)),
            provider: reader
                .parsed(names::DURABLE_WORKFLOW_PROVIDER, "none (the built-in engine), hatchet or conductor")
                .unwrap_or_default(),
            hatchet: HatchetSettings::read(&mut reader),
            worker_bind: reader
                .parsed(names::WORKER_BIND, "an address and a port, e.g. 0.0.0.0:8081")
                .unwrap_or(DEFAULT_WORKER_BIND),
            shutdown_grace: reader.interval(names::SHUTDOWN_GRACE).map_or(DEFAULT_GRACE, Option::unwrap_or_default),
            speech_model: reader.text(names::SPEECH_MODEL).map(PathBuf::from),
            // One recognition per core beats one on all cores: see crates' notes in ARCHITECTURE.md.
            speech_threads: reader.threads(names::SPEECH_THREADS).unwrap_or(1).min(cpu_threads),
            cpu_threads,
            speech_language: reader.text(names::SPEECH_LANGUAGE).unwrap_or_else(|| "auto".to_owned()),
            workflow_overrides: reader.text(names::WORKFLOW_OVERRIDES).map(PathBuf::from),
            warnings: Vec::new(),
        };
        config.warnings.extend(config.provider.warning(&config.hatchet));
        config.warnings.extend(unknown::check(&mut reader));
        reader.finish()?;
        Ok(config)
    }
}
