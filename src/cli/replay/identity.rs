//! What makes a run the same run: everything that goes into it.

use std::time::UNIX_EPOCH;

use anyhow::Context as _;

use super::Args;
use super::house::ReplayHouse;
use crate::speech::Recognizer as _;

/// The run metadata that holds it.
pub const IDENTITY: &str = "replay_identity";

/// A hash of a replay's input: the JSON files' bytes, each track's name, size and time, the model, the language, given
/// names and the workflows' shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    /// The identity of what `house` is about to run.
    ///
    /// # Errors
    /// A file that can't be read.
    pub async fn of(house: &ReplayHouse, args: &Args) -> anyhow::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for file in house.folder.files() {
            let name = file.file_name().unwrap_or_default();
            part(name.as_encoded_bytes());
            if file.extension().is_some_and(|ending| ending == "json") {
                part(&std::fs::read(&file).with_context(|| file.display().to_string())?);
                continue;
            }
            let found = std::fs::metadata(&file).with_context(|| file.display().to_string())?;
            let changed =
                found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            part(&found.len().to_le_bytes());
            part(&changed.as_nanos().to_le_bytes());
        }
        part(house.model.identity().as_bytes());
        part(house.language.as_bytes());
        let mut names = args.names.clone();
        names.sort();
        for (id, name) in &names {
            part(id.as_bytes());
            part(name.as_bytes());
        }
        for workflow in house.definitions.workflows() {
            part(workflow.shape_hash().as_bytes());
        }
        Ok(Self(hasher.finalize().to_hex().to_string()))
    }

    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
