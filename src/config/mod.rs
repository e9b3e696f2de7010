//! Configuration from the environment: one typed struct, read once at start. Every name is a constant; whatever is
//! malformed is named with what it should be.

use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

/// The database, e.g. `sqlite:///var/lib/trackscribe/store.db`. A missing file is created.
pub const DATABASE_URL: &str = "DATABASE_URL";
/// Where what we make is kept, e.g. `file:///var/lib/trackscribe/objects`. A missing folder is created.
pub const STORAGE_URL: &str = "STORAGE_URL";
/// Who answers for Daily: `file://DIR` for recorded folders.
pub const DAILY_API_URL: &str = "DAILY_API_URL";
/// Which engine runs the workflows.
pub const DURABLE_WORKFLOW_PROVIDER: &str = "DURABLE_WORKFLOW_PROVIDER";
/// A whisper.cpp model file.
pub const SPEECH_MODEL: &str = "SPEECH_MODEL";
/// Threads that one recognition uses.
pub const SPEECH_THREADS: &str = "SPEECH_THREADS";
/// Threads that may work at once.
pub const CPU_THREADS: &str = "CPU_THREADS";
/// ISO 639-1, or `auto`.
pub const SPEECH_LANGUAGE: &str = "SPEECH_LANGUAGE";
/// A TOML file that changes limits of the workflows.
pub const WORKFLOW_OVERRIDES: &str = "WORKFLOW_OVERRIDES";

/// Where names are looked up. Tests give a map instead of the process's environment.
pub trait Strings {
    /// The value of `name`; `None` when it is not set or empty.
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError>;
}

/// The process's environment.
#[derive(Debug, Clone, Copy)]
pub struct Environment;

impl Strings for Environment {
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError> {
        match std::env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(ConfigError { name: name.to_owned(), problem: "is not UTF-8".to_owned() })
            }
        }
    }
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {problem}")]
pub struct ConfigError {
    /// The setting.
    pub name: String,
    /// What is wrong with it and what it should be.
    pub problem: String,
}

/// Which engine runs the workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provider {
    /// The embedded engine.
    #[default]
    None,
    /// Hatchet.
    Hatchet,
    /// Conductor.
    Conductor,
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "hatchet" => Ok(Self::Hatchet),
            "conductor" => Ok(Self::Conductor),
            _ => Err("must be none (the embedded engine), hatchet or conductor".to_owned()),
        }
    }
}

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// See [`DATABASE_URL`].
    pub database_url: Option<Url>,
    /// See [`STORAGE_URL`].
    pub storage_url: Option<Url>,
    /// See [`DAILY_API_URL`].
    pub daily_api_url: Option<Url>,
    /// See [`DURABLE_WORKFLOW_PROVIDER`].
    pub provider: Provider,
    /// See [`SPEECH_MODEL`].
    pub speech_model: Option<PathBuf>,
    /// See [`SPEECH_THREADS`]; at least 1.
    pub speech_threads: usize,
    /// See [`CPU_THREADS`]; at least 1.
    pub cpu_threads: usize,
    /// See [`SPEECH_LANGUAGE`].
    pub speech_language: String,
    /// See [`WORKFLOW_OVERRIDES`].
    pub workflow_overrides: Option<PathBuf>,
}

impl Config {
    /// Reads and checks all settings.
    ///
    /// # Errors
    /// The first setting that can't be used.
    pub fn read(strings: &dyn Strings) -> Result<Self, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu_threads = threads(strings, CPU_THREADS)?.unwrap_or(cores);
        Ok(Self {
            database_url: address(strings, DATABASE_URL, &["sqlite"])?,
            storage_url: address(strings, STORAGE_URL, &["file"])?,
            daily_api_url: address(strings, DAILY_API_URL, &["file"])?,
            provider: parsed(strings, DURABLE_WORKFLOW_PROVIDER)?.unwrap_or_default(),
            speech_model: strings.get(SPEECH_MODEL)?.map(PathBuf::from),
            // One recognition per core beats one on all cores: see crates' notes in ARCHITECTURE.md.
            speech_threads: threads(strings, SPEECH_THREADS)?.unwrap_or(1).min(cpu_threads),
            cpu_threads,
            speech_language: strings.get(SPEECH_LANGUAGE)?.unwrap_or_else(|| "auto".to_owned()),
            workflow_overrides: strings.get(WORKFLOW_OVERRIDES)?.map(PathBuf::from),
        })
    }
}

fn parsed<T: FromStr>(strings: &dyn Strings, name: &str) -> Result<Option<T>, ConfigError>
where
    T::Err: std::fmt::Display,
{
    let Some(text) = strings.get(name)? else { return Ok(None) };
    match text.trim().parse() {
        Ok(value) => Ok(Some(value)),
        Err(problem) => Err(ConfigError { name: name.to_owned(), problem: format!("is {text:?}: {problem}") }),
    }
}

fn threads(strings: &dyn Strings, name: &str) -> Result<Option<usize>, ConfigError> {
    let threads: Option<usize> = parsed(strings, name)?;
    match threads {
        Some(0) | Some(1025..) => {
            Err(ConfigError { name: name.to_owned(), problem: "must be a number of threads from 1 to 1024".to_owned() })
        }
        threads => Ok(threads),
    }
}

fn address(strings: &dyn Strings, name: &str, schemes: &[&str]) -> Result<Option<Url>, ConfigError> {
    let url: Option<Url> = parsed(strings, name)?;
    match url {
        Some(url) if !schemes.contains(&url.scheme()) => Err(ConfigError {
            name: name.to_owned(),
            problem: format!("begins with {}://, but must begin with {}://", url.scheme(), schemes.join(":// or ")),
        }),
        url => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Strings for BTreeMap<&str, &str> {
        fn get(&self, name: &str) -> Result<Option<String>, ConfigError> {
            Ok(BTreeMap::get(self, name).map(|value| (*value).to_owned()))
        }
    }

    #[test]
    fn nothing_set_gives_defaults() {
        let config = Config::read(&BTreeMap::new()).unwrap();
        assert_eq!((config.provider, config.speech_threads), (Provider::None, 1));
        assert_eq!(config.speech_language, "auto");
        assert!(config.cpu_threads >= 1);
    }

    #[test]
    fn what_is_malformed_is_named() {
        for (name, value, says) in [
            (DURABLE_WORKFLOW_PROVIDER, "celery", "hatchet"),
            (SPEECH_THREADS, "0", "from 1"),
            (CPU_THREADS, "many", "CPU_THREADS"),
            (STORAGE_URL, "ftp://x/y", "file://"),
            (DATABASE_URL, "not a url", "DATABASE_URL"),
        ] {
            let error = Config::read(&BTreeMap::from([(name, value)])).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
    }
}
