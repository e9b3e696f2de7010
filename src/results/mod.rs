//! What runs make, as typed documents: written by the pipeline, read back by whoever shows a transcript. Stands between
//! the store, which knows no transcript, and the transcript, which knows no store.

mod document;
mod kinds;
mod segments;

pub use document::{Shown, transcript_document};
pub use kinds::{
    ActionItemsResult, Mixdown, OriginalsLeft, Place, SpeechResult, SummaryResult, TitleResult, TopicsResult,
    TrackObject, TrackUse, TracksResult, Waveform,
};
pub use segments::{put_words, read_segments, read_words};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::{RunId, TranscriptId};
use crate::store::{self, Database, StoreError, TranscriptWriter};

/// What all keys of a transcript's objects begin with.
pub fn object_prefix(transcript: &TranscriptId) -> String {
    format!("transcripts/{transcript}/")
}

/// A kind of result: a run has at most one document of each.
pub trait ResultKind: Serialize + DeserializeOwned + Send + Sync {
    /// The word it is stored under.
    const KIND: &'static str;
}

/// Stores a result of the writer's run, replacing an earlier try's.
///
/// # Errors
/// When the database can't be written, or a newer run has begun.
pub async fn put<K: ResultKind>(writer: &TranscriptWriter, result: &K) -> Result<(), StoreError> {
    store::results::put(writer, K::KIND, result).await
}

/// A result of a run; `None` when it is not there (yet).
///
/// # Errors
/// When the database can't be read.
pub async fn read<K: ResultKind>(database: &Database, run: &RunId) -> Result<Option<K>, StoreError> {
    store::results::read(database, run, K::KIND).await
}

/// A result of a run that an earlier task has stored.
///
/// # Errors
/// [`StoreError::Garbled`] when it is not there.
pub async fn require<K: ResultKind>(database: &Database, run: &RunId) -> Result<K, StoreError> {
    read(database, run).await?.ok_or_else(|| StoreError::garbled(K::KIND, "it was never stored"))
}

/// Forgets one kind of result of all of a transcript's runs, whichever of them readers see.
///
/// # Errors
/// When the database can't be written.
pub async fn forget<K: ResultKind>(database: &Database, transcript: &TranscriptId) -> Result<(), StoreError> {
    store::results::forget(database, transcript, K::KIND).await
}
