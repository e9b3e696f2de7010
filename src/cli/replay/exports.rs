//! The files that people take away: each written whole or not at all.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::house::Replay;
use crate::notify::Deletions;
use crate::pipeline::RecordedObjects;
use crate::results::{OriginalsLeft, read, transcript_document};
use crate::storage::ObjectKey;
use crate::store::transcripts;
use crate::transcript::{FORMATS, TranscriptDocument};

const AUDIO: &str = "audio.mp3";
const WAVEFORM: &str = "waveform.json";

/// What was written.
pub struct Exported {
    /// The transcript.
    pub document: TranscriptDocument,
    /// The files, in order.
    pub files: Vec<PathBuf>,
    /// Files of the recorded folder that consent says should not exist and that replay may not delete.
    pub originals_left: Vec<String>,
    /// Deletions that did not work yet.
    pub deletions_waiting: usize,
}

/// Writes all files of the finished transcript to `out`. Audio that consent took away is taken from `out` too.
///
/// # Errors
/// A file that can't be written; files written before that stay.
pub async fn write_exports(replay: &Replay, out: &Path) -> anyhow::Result<Exported> {
    let shown = transcript_document(&replay.database, &replay.transcript).await?;
    let row = transcripts::read(&replay.database, &replay.transcript).await?;
    let run = row.as_ref().and_then(|row| row.visible_run()).cloned().unwrap_or_else(|| replay.run.clone());
    let left = read::<OriginalsLeft>(&replay.database, &run).await?.map(|left| left.keys).unwrap_or_default();
    let document = shown.document;

    let scratch = &replay.unfinished_exports;
    let mut files = Vec::new();
    for (ending, write) in FORMATS {
        let path = out.join(format!("transcript.{ending}"));
        put(scratch, &path, write(&document).as_bytes())?;
        files.push(path);
    }
    match (&document.audio, &shown.waveform) {
        (Some(audio), Some(waveform)) => {
            let key: ObjectKey = format!("transcripts/{}/{}", replay.transcript, audio.key).parse()?;
            let path = out.join(AUDIO);
            copy(scratch, &replay.storage.path(&key), &path)?;
            files.push(path);
            let path = out.join(WAVEFORM);
            put(scratch, &path, serde_json::to_string(waveform)?.as_bytes())?;
            files.push(path);
        }
        _ => {
            for name in [AUDIO, WAVEFORM] {
                remove(&out.join(name))?;
            }
        }
    }
    let originals = RecordedObjects::new(replay.folder.clone());
    let deletions = Deletions { database: &replay.database, originals: &originals, derived: &replay.storage };
    let deletions_waiting = deletions.try_again(&replay.transcript).await?;
    Ok(Exported { document, files, originals_left: left, deletions_waiting })
}

fn put(scratch: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = unfinished(scratch)?;
    file.write_all(bytes).with_context(|| path.display().to_string())?;
    publish(file, path)
}

fn copy(scratch: &Path, from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut source = fs::File::open(from).with_context(|| from.display().to_string())?;
    let mut file = unfinished(scratch)?;
    std::io::copy(&mut source, &mut file).with_context(|| to.display().to_string())?;
    publish(file, to)
}

/// In a folder that is swept at each start, on the exports' own file system: a killed process leaves nothing for long, and
/// nothing beside the transcript.
fn unfinished(scratch: &Path) -> anyhow::Result<NamedTempFile> {
    let mut options = tempfile::Builder::new();
    // Temporary files are private; these are for whoever may read the folder.
    #[cfg(unix)]
    options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    options.prefix("export-").tempfile_in(scratch).with_context(|| scratch.display().to_string())
}

fn publish(file: NamedTempFile, path: &Path) -> anyhow::Result<()> {
    file.persist(path).map_err(|refused| refused.error).with_context(|| path.display().to_string())?;
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}
