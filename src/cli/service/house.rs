//! What tasks work with, as the service's settings say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Service;
use crate::config::Config;
use crate::language::ExtractiveBackend;
use crate::pipeline::{CpuBudget, PipelineHouse, PipelineSettings};
use crate::speech::Recognizer;

/// The house that the pipeline's tasks run in.
pub fn pipeline_house(
    service: &Service,
    config: &Config,
    speech: Arc<dyn Recognizer>,
    scratch: PathBuf,
) -> PipelineHouse {
    PipelineHouse {
        database: service.database.clone(),
        storage: Arc::clone(&service.storage),
        originals: Arc::clone(&service.originals),
        daily: Arc::clone(&service.daily),
        speech,
        language: Arc::new(ExtractiveBackend),
        cpu: CpuBudget::new(config.cpu_threads),
        settings: Arc::new(PipelineSettings {
            speech_language: config.speech_language.clone(),
            speech_threads: config.speech_threads,
            names: BTreeMap::new(),
            scratch,
        }),
    }
}
