//! What a command can't work without, looked for before anything is opened or migrated: all that is missing is told at once.

use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::{database, object_places};
use crate::config::{Config, ConfigError, ConfigErrors, names};

/// Where models come from.
const A_MODEL: &str =
    "download one, for example ggml-large-v3-turbo.bin from https://huggingface.co/ggerganov/whisper.cpp, and name it";

/// What is missing.
pub struct Required<'a> {
    config: &'a Config,
    problems: Vec<ConfigError>,
}

impl<'a> Required<'a> {
    /// Looks for what every command of the service needs.
    pub fn of(config: &'a Config) -> Self {
        let needed = [
            (names::DATABASE_URL, config.database_url.is_some(), database::UNSET),
            (names::STORAGE_URL, config.storage.url.is_some(), object_places::UNSET),
        ];
        let missing = needed.into_iter().filter(|(_, is_set, _)| !is_set);
        Self { config, problems: missing.map(|(name, _, problem)| ConfigError::new(name, problem)).collect() }
    }

    /// Looks for a speech model: `given` on the command line, or as the settings say.
    #[must_use]
    pub fn with_model(mut self, given: Option<&Path>) -> Self {
        let (name, path) = match given {
            Some(path) => ("--model", Some(path)),
            None => (names::SPEECH_MODEL, self.config.speech_model.as_deref()),
        };
        let problem = match path {
            None => format!("is not set, and there is no speech model: {A_MODEL} here, or with --model PATH"),
            Some(path) if !path.exists() => {
                format!("is wrong: there is no speech model at {}. Else {A_MODEL}", path.display())
            }
            Some(_) => return self,
        };
        self.problems.push(ConfigError::new(name, problem));
        self
    }

    /// Ends the command when something is missing.
    ///
    /// # Errors
    /// A bad-input exit that names all of it.
    pub fn check(self) -> Result<(), Exit> {
        if self.problems.is_empty() { Ok(()) } else { Err(Exit::bad_input(ConfigErrors(self.problems).into())) }
    }
}
