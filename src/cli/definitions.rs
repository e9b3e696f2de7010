//! The workflows with the limits that settings give them, and the speech model: for whatever command runs them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::exit::Exit;
use crate::config::{Config, names};
use crate::speech::WhisperModel;
use crate::workflow::{Definitions, default_pool_sizes};

/// The workflows, with `WORKFLOW_OVERRIDES` where that is set.
///
/// # Errors
/// The way the program is to end.
pub fn definitions(config: &Config) -> Result<Definitions, Exit> {
    let pools = default_pool_sizes(config.cpu_threads, config.speech_threads);
    let definitions = Definitions::embedded(pools).map_err(|error| Exit::Failed(error.into()))?;
    let Some(file) = &config.workflow_overrides else { return Ok(definitions) };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| name.clone()).map_err(Exit::bad_input)?;
    definitions.with_overrides(&name, &text).map_err(|error| Exit::bad_input(error.into()))
}

/// Loads the speech model: `given` on the command line, or as the settings say.
///
/// # Errors
/// The way the program is to end.
pub async fn speech_model(given: Option<&Path>, config: &Config) -> Result<Arc<WhisperModel>, Exit> {
    let model = given.or(config.speech_model.as_deref()).ok_or_else(|| {
        Exit::bad_input(anyhow!(
            "no speech model: download one, for example ggml-large-v3-turbo.bin from \
             https://huggingface.co/ggerganov/whisper.cpp, and name it with --model PATH or {}=PATH",
            names::SPEECH_MODEL
        ))
    })?;
    let (model, threads) = (model.to_owned(), config.speech_threads);
    let loaded = tokio::task::spawn_blocking(move || WhisperModel::load(&model, threads)).await;
    let loaded = loaded.context("loading the speech model").map_err(Exit::bad_input)?;
    loaded.map(Arc::new).map_err(|error| Exit::bad_input(error.into()))
}
