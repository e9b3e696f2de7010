//! The house that a replay runs in: a store and storage of its own under OUT, so that replays never disturb each other or
//! a service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::Args;
use super::identity::{IDENTITY, Identity};
use crate::cli::definitions::{definitions, speech_model};
use crate::cli::exit::Exit;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::daily::RecordedFolder;
use crate::engine::embedded::EmbeddedEngine;
use crate::engine::{Engine as _, EngineError, RunStatus, StartOptions};
use crate::failure::{Failure, FailureClass};
use crate::ids::{RunId, TranscriptId};
use crate::language::ExtractiveBackend;
use crate::pipeline::{
    CpuBudget, DIARIZATION_PIPELINE, PipelineHouse, PipelineInput, PipelineSettings, RecordedObjects, registry,
};
use crate::speech::{Recognizer as _, WhisperModel};
use crate::storage::{LocalFolder, StorageError};
use crate::store::runs::{RunFilter, RunStore, TaskStatus};
use crate::store::{Database, TranscriptWriter, consents, transcripts};
use crate::transcript::{Run, Status, StatusEvent};
use crate::workflow::{Definitions, TaskError};

/// How many runs of one folder are looked through for this input's.
const RUNS: u32 = 1000;

/// Everything a replay needs, before any work is done.
pub struct ReplayHouse {
    /// What is replayed.
    pub folder: RecordedFolder,
    /// What hears the words.
    pub model: Arc<WhisperModel>,
    /// The language asked for.
    pub language: String,
    /// What the workflows say.
    pub definitions: Definitions,
    hidden: PathBuf,
    cpu_threads: usize,
    speech_threads: usize,
    names: BTreeMap<String, String>,
}

/// A run that is under way, or over already.
pub struct Replay {
    /// What is replayed.
    pub folder: RecordedFolder,
    /// What hears the words.
    pub model: Arc<WhisperModel>,
    /// The store.
    pub database: Database,
    /// What was made of audio.
    pub storage: LocalFolder,
    /// Where exports are written before they get their names.
    pub unfinished_exports: PathBuf,
    /// What drives the run.
    pub engine: EmbeddedEngine,
    /// The transcript.
    pub transcript: TranscriptId,
    /// The run.
    pub run: RunId,
    /// How the run came to be.
    pub how: How,
}

/// How a run came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Started,
    /// It goes on where it stopped.
    Resumed,
    /// It was finished before.
    Finished,
}

impl How {
    /// For the first line that people see.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Started => "transcribing",
            Self::Resumed => "going on with",
            Self::Finished => "already finished, writing the files again:",
        }
    }
}

impl ReplayHouse {
    /// Checks whatever can be checked before any work: model, language, limits, OUT.
    pub async fn prepare(args: &Args, config: &Config, folder: RecordedFolder, out: &Path) -> Result<Self, Exit> {
        let bad = Exit::bad_input;
        let model = speech_model(args.model.as_deref(), config).await?;
        let language = args.language.clone().unwrap_or_else(|| config.speech_language.clone());
        model.accepts(&language).map_err(|error| bad(error.into()))?;

        let definitions = definitions(config)?;
        let hidden = out.join(".trackscribe");
        std::fs::create_dir_all(&hidden)
            .with_context(|| format!("{} can't be written: give another --out OUT", out.display()))
            .map_err(bad)?;
        Ok(Self {
            folder,
            model,
            language,
            definitions,
            hidden,
            cpu_threads: config.cpu_threads,
            speech_threads: config.speech_threads,
            names: args.names.iter().cloned().collect(),
        })
    }

    /// Opens store and engine, and starts the run or takes it up again.
    pub async fn open(self, identity: &Identity, again: bool) -> Result<Replay, Exit> {
        let failed = |error: anyhow::Error| Exit::Failed(error);
        let out = self.hidden.parent().unwrap_or(&self.hidden);
        let database = Database::open_file(&self.hidden.join("store.db")).await.map_err(|e| unusable(out, e))?;
        database.migrate().await.map_err(|error| unusable(out, error))?;
        let storage = LocalFolder::open(self.hidden.join("objects")).map_err(|error| unusable(out, error))?;
        let unfinished_exports = self.hidden.join("unfinished");
        // Listed before the engine takes runs up: what is there now is of killed processes, what comes later is not.
        let leftovers = files_in([&storage.scratch(), &unfinished_exports]).map_err(|error| unusable(out, error))?;
        let house = PipelineHouse {
            database: database.clone(),
            storage: Arc::new(storage.clone()),
            originals: Arc::new(RecordedObjects::new(self.folder.clone())),
            daily: Arc::new(self.folder.clone()),
            speech: self.model.clone(),
            language: Arc::new(ExtractiveBackend),
            cpu: CpuBudget::new(self.cpu_threads),
            settings: Arc::new(PipelineSettings {
                speech_language: self.language.clone(),
                speech_threads: self.speech_threads,
                names: self.names.clone(),
                scratch: storage.scratch(),
            }),
        };
        let registry = registry(house, self.definitions.clone()).map_err(|error| failed(error.into()))?;
        let engine = match EmbeddedEngine::open(&database, registry, Arc::new(SystemClock)).await {
            Err(EngineError::AlreadyRunning { .. }) => {
                let problem = "another replay works on this folder: wait for it, or give another --out OUT";
                return Err(Exit::bad_input(anyhow!("{}: {problem}", out.display())));
            }
            opened => opened.map_err(|error| failed(error.into()))?,
        };
        // Only the holder of the engine's lock may.
        remove_all(leftovers).map_err(|error| unusable(out, error))?;
        let begun = self.begin(&database, &engine, identity, again).await;
        let (transcript, run, how) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                engine.shutdown().await;
                return Err(Exit::Failed(error));
            }
        };
        let Self { folder, model, .. } = self;
        Ok(Replay { folder, model, database, storage, unfinished_exports, engine, transcript, run, how })
    }

    async fn begin(
        &self,
        database: &Database,
        engine: &EmbeddedEngine,
        identity: &Identity,
        again: bool,
    ) -> anyhow::Result<(TranscriptId, RunId, How)> {
        let recording = &self.folder.only_recording().id;
        let now = SystemClock.now();
        let transcript = match transcripts::of_recording(database, recording).await?.pop() {
            Some(row) => row.id,
            None => {
                let id = TranscriptId::generate();
                transcripts::create(database, &id, recording, now).await?;
                id
            }
        };
        consents::put(database, recording, self.folder.consent().answers(), now).await?;

        let mut earlier = None;
        let store = RunStore::new(database.clone());
        let runs = RunFilter { workflow: Some(DIARIZATION_PIPELINE.to_owned()), ..RunFilter::default() };
        for run in store.list(&runs, RUNS).await? {
            let is_this = store.metadata(&run.id).await?.get(IDENTITY).is_some_and(|found| found == identity.as_str());
            if is_this && !again && earlier.is_none() {
                earlier = Some(run.id);
            } else if engine.status(&run.id).await?.is_active() {
                // Its input is gone: nobody waits for it any more.
                engine.cancel(&run.id).await?;
            }
        }
        if let Some(run) = earlier {
            if engine.status(&run).await?.is_active() && has_failed(&store, &run).await? {
                // Its process died while the run did. Its tasks get new attempts once it is over.
                engine.wait(&run).await?;
            }
            let how = match engine.status(&run).await? {
                RunStatus::Completed => How::Finished,
                _ => How::Resumed,
            };
            take_over(database, &transcript, &run, how).await?;
            engine.resume(&run).await?;
            return Ok((transcript, run, how));
        }
        let room = self.folder.only_recording().room_name.clone();
        let input = PipelineInput::new(transcript.clone(), recording.clone(), room.clone());
        let mut metadata = BTreeMap::from([
            (IDENTITY.to_owned(), identity.as_str().to_owned()),
            ("transcript".to_owned(), transcript.to_string()),
            ("recording".to_owned(), recording.to_string()),
        ]);
        metadata.extend(room.map(|room| ("room".to_owned(), room)));
        let options = StartOptions { metadata, ..StartOptions::default() };
        let run = engine.start(DIARIZATION_PIPELINE, serde_json::to_value(input)?, options).await?;
        Ok((transcript, run, How::Started))
    }
}

/// A store or storage that can't be opened. A full disk may pass, a file where a folder should be does not.
fn unusable(out: &Path, error: impl Failure) -> Exit {
    let told = TaskError::from(error);
    let error = anyhow!("{} can't be used: mend that, or give another --out OUT: {}", out.display(), told.message);
    match told.class {
        FailureClass::Permanent => Exit::BadInput(error),
        FailureClass::Retryable | FailureClass::Cancelled => Exit::Failed(error),
    }
}

/// The files right in these folders, which are made where they are missing.
fn files_in<'a>(folders: impl IntoIterator<Item = &'a PathBuf>) -> Result<Vec<PathBuf>, StorageError> {
    let mut files = Vec::new();
    for folder in folders {
        let io = |source| StorageError::Io { key: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        for entry in std::fs::read_dir(folder).map_err(io)? {
            files.push(entry.map_err(io)?.path());
        }
    }
    Ok(files)
}

fn remove_all(files: Vec<PathBuf>) -> Result<(), StorageError> {
    for file in files {
        match std::fs::remove_file(&file) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StorageError::Io { key: file.display().to_string(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn has_failed(store: &RunStore, run: &RunId) -> anyhow::Result<bool> {
    Ok(store.task_runs(run).await?.iter().any(|task| task.status == TaskStatus::Failed))
}

/// Makes an earlier run the one whose results count, although others may have begun since.
async fn take_over(database: &Database, transcript: &TranscriptId, run: &RunId, how: How) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let writer = TranscriptWriter::new(database.clone(), transcript.clone(), run.clone());
    let before = transcripts::read(database, transcript).await?;
    // A run that was never begun claims the transcript by itself.
    let Some(before) = before.filter(|row| row.current_run.is_some()) else { return Ok(()) };
    writer.take_over(now).await?;
    if how == How::Finished {
        return Ok(writer.publish(now).await?);
    }
    let status: Status = before.status.parse()?;
    let which = if before.current_run.as_ref() == Some(run) { Run::Current } else { Run::Other };
    if let Some(after) = status.after(StatusEvent::RunStarted(which)) {
        writer.change_status(status.as_str(), after.as_str(), None, now).await?;
    }
    Ok(())
}

impl Replay {
    /// Stops the engine and gives its lock back.
    pub async fn close(&self) {
        self.engine.shutdown().await;
        self.database.close().await;
    }
}
