//! Where settings are looked up.

use super::{ConfigError, EnvFile};

/// Where names are looked up. Tests give a map instead of the process's environment.
pub trait Strings {
    /// The value of `name`; `None` when it is not set or empty.
    ///
    /// # Errors
    /// When the value is no text.
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError>;

    /// All names that are set, in any order.
    fn names(&self) -> Vec<String>;

    /// Whether somebody wrote this name into a file for this program, rather than into an environment that others
    /// share.
    fn is_ours(&self, name: &str) -> bool;
}

/// The process's environment, which [`super::load_env_file`] has filled up.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    file: EnvFile,
}

impl Environment {
    /// The process's environment; `file` says which names stand in `.env`.
    pub fn new(file: EnvFile) -> Self {
        Self { file }
    }
}

impl Strings for Environment {
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError> {
        match std::env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::new(name, "is not UTF-8")),
        }
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
    }

    fn is_ours(&self, name: &str) -> bool {
        self.file.has(name)
    }
}
