//! What a task is given: opened for each attempt, closed on every path.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::NamedTempFile;

use super::cpu::CpuBudget;
use crate::daily::DailySource;
use crate::ids::TranscriptId;
use crate::language::LanguageBackend;
use crate::results::{Place, TrackObject, object_prefix};
use crate::speech::Recognizer;
use crate::storage::{ObjectKey, ObjectReader, Storage, StorageError};
use crate::store::{Database, TranscriptWriter};
use crate::workflow::{House, TaskContext, TaskError};

/// Everything the pipeline's tasks work with, shared by the process. One is made at start, in one place.
#[derive(Clone)]
pub struct PipelineHouse {
    /// The database; each attempt gets a fresh pool on it.
    pub database: Database,
    /// What we make.
    pub storage: Arc<dyn Storage>,
    /// The recording's own files.
    pub originals: Arc<dyn Storage>,
    /// Who answers for Daily.
    pub daily: Arc<dyn DailySource>,
    /// Words out of audio.
    pub speech: Arc<dyn Recognizer>,
    /// Topics, title, summary, action items out of text.
    pub language: Arc<dyn LanguageBackend>,
    /// The cores.
    pub cpu: CpuBudget,
    /// What does not change while the process lives.
    pub settings: Arc<PipelineSettings>,
}

/// Settings of the pipeline.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// ISO 639-1, or `auto`.
    pub speech_language: String,
    /// Threads that one recognition uses.
    pub speech_threads: usize,
    /// Names given by hand, by session or user id.
    pub names: BTreeMap<String, String>,
    /// Where files are made before they become objects.
    pub scratch: PathBuf,
}

impl PipelineHouse {
    /// What all keys of a transcript's objects begin with.
    pub fn prefix(&self, transcript: &TranscriptId) -> String {
        object_prefix(transcript)
    }

    /// The key of an object that is kept with a transcript.
    ///
    /// # Errors
    /// When `relative` is no key.
    pub fn key(&self, transcript: &TranscriptId, relative: &str) -> Result<ObjectKey, StorageError> {
        format!("{}{relative}", self.prefix(transcript)).parse()
    }

    /// Opens an aligned track, wherever it is.
    ///
    /// # Errors
    /// When it is not there or can't be read.
    pub async fn open_track(
        &self,
        transcript: &TranscriptId,
        object: &TrackObject,
    ) -> Result<ObjectReader, StorageError> {
        match object.place {
            Place::Original => self.originals.open(&object.key.parse()?).await,
            Place::Derived => self.storage.open(&self.key(transcript, &object.key)?).await,
        }
    }
}

#[async_trait]
impl House for PipelineHouse {
    type Services = Services;

    async fn open(&self, ctx: &TaskContext) -> Result<Services, TaskError> {
        Ok(Services { house: self.clone(), database: self.database.fresh(ctx.identity().generation) })
    }

    async fn close(&self, services: &Services) {
        services.database.close().await;
    }
}

/// What one attempt of a task works with.
pub struct Services {
    house: PipelineHouse,
    /// Hides the house's: tasks use no pool but their own, whose writes are fenced by the executor's generation.
    database: Database,
}

impl std::ops::Deref for Services {
    type Target = PipelineHouse;

    fn deref(&self) -> &PipelineHouse {
        &self.house
    }
}

impl Services {
    /// This attempt's own pool.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The house, for threads that outlive a borrow.
    pub fn house(&self) -> &PipelineHouse {
        &self.house
    }

    /// Writes results in the name of this attempt's outermost run.
    pub fn writer(&self, ctx: &TaskContext, transcript: &TranscriptId) -> TranscriptWriter {
        TranscriptWriter::new(self.database.clone(), transcript.clone(), ctx.identity().root_run.clone())
    }

    /// A file that vanishes unless it becomes an object.
    ///
    /// # Errors
    /// When the scratch folder can't be written: full or not writable.
    pub fn scratch_file(&self) -> Result<NamedTempFile, StorageError> {
        let folder = &self.house.settings.scratch;
        let io = |source| StorageError::Io { key: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        NamedTempFile::new_in(folder).map_err(io)
    }
}
