//! One recording into a folder that `replay` takes: the REST bodies, the tracks, and the events JSON where there is one.
//! The folder appears when it is whole. Until then all of it is in a hidden folder beside it, which goes when the work
//! stops for whatever reason but a kill.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::daily::{
    Anonymiser, DailyError, DailySource, ParticipantRow, Recording, RecordingTrack, TrackName, recording_tracks,
};
use crate::failure::{Failure, FailureClass};
use crate::ids::{InvalidId, RecordingId};
use crate::storage::{ObjectKey, ObjectReader, Storage, StorageError};

/// Daily's own limit is 50 MB.
const LARGEST_EVENTS: u64 = 64 << 20;
const PIECE: usize = 128 << 10;
/// Names of a recorded folder's own files, which no track may have.
const RESERVED: [&str; 3] = ["recording.json", "participants.json", "consent.json"];

/// What to fetch, and how.
#[derive(Debug)]
pub struct Wish {
    /// Which.
    pub recording: RecordingId,
    /// Where to: nothing, or an empty folder.
    pub dir: PathBuf,
    /// Swaps whoever was there for others.
    pub anonymiser: Option<Anonymiser>,
    /// Leaves pictures out; replay needs none.
    pub without_video: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Track files written.
    pub tracks: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Whether there was an events JSON.
    pub has_events: bool,
    /// What people should know.
    pub notes: Vec<String>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All that is to come, before the first byte.
    Total {
        /// Of all tracks.
        bytes: u64,
    },
    /// The next file begins.
    File {
        /// As it will be called.
        name: String,
    },
    /// More of it is there.
    Bytes(u64),
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is something where the recording should go.
    #[error("{path} is not empty: name a new or empty folder", path = .0.display())]
    NotEmpty(PathBuf),
    /// A key whose name no file of a recorded folder can have.
    #[error("track {key} can't be kept in a folder: {why}")]
    BadName {
        /// The key.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The object ended before its end.
    #[error("{key}: {got} of {size} bytes came")]
    Short {
        /// The object.
        key: String,
        /// Bytes that came.
        got: u64,
        /// Bytes there should be.
        size: u64,
    },
    /// Somebody asked to stop.
    #[error("fetching was stopped")]
    Stopped,
    /// The folder can't be written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// Daily's answer.
    #[error(transparent)]
    Daily(#[from] DailyError),
    /// The bucket's answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An id that is none.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

impl Failure for FetchError {
    fn class(&self) -> FailureClass {
        match self {
            Self::NotEmpty(_) | Self::BadName { .. } | Self::Id(_) => FailureClass::Permanent,
            Self::Short { .. } => FailureClass::Retryable,
            Self::Stopped => FailureClass::Cancelled,
            Self::Io { source, .. } => crate::failure::classify(crate::failure::Cause::Io(source.kind())),
            Self::Daily(error) => error.class(),
            Self::Storage(error) => error.class(),
        }
    }
}

/// A file to fetch.
struct Planned {
    key: ObjectKey,
    name: String,
    size: u64,
}

/// Fetches a finished raw-tracks recording.
///
/// # Errors
/// See [`FetchError`]. Whatever it is, [`Wish::dir`] is as it was before.
pub async fn fetch(
    daily: &dyn DailySource,
    objects: &dyn Storage,
    mut wish: Wish,
    step: impl Fn(Step) + Send + Sync + 'static,
) -> Result<Fetched, FetchError> {
    let folder = Folder::beside(&wish.dir)?;
    let recording = daily.recording(&wish.recording).await?;
    recording.require_finished()?;
    recording.require_raw_tracks()?;
    let mut notes = Vec::new();

    let rows = match &recording.meeting_id {
        Some(meeting) => daily.participants(meeting).await?,
        None => Vec::new(),
    };
    if rows.is_empty() {
        notes.push("Daily tells nobody's name for this recording".to_owned());
    }
    match &mut wish.anonymiser {
        Some(anonymiser) => write_anonymised(&folder, anonymiser, &recording, &rows)?,
        None => write_bodies(&folder, daily, &recording).await?,
    }

    let planned = plan(objects, &recording, &mut wish, &mut notes).await?;
    step(Step::Total { bytes: planned.iter().map(|file| file.size).sum() });
    let step = Arc::new(step);
    let mut bytes = 0;
    for file in &planned {
        step(Step::File { name: file.name.clone() });
        folder.stream(objects.open(&file.key).await?, file, step.clone()).await?;
        bytes += file.size;
    }
    let has_events = fetch_events(&folder, objects, &recording, wish.anonymiser.as_mut(), &mut notes).await?;
    folder.appear(&wish.dir)?;
    Ok(Fetched { tracks: planned.len(), bytes, has_events, notes })
}

fn write_anonymised(
    folder: &Folder,
    anonymiser: &mut Anonymiser,
    recording: &Recording,
    rows: &[ParticipantRow],
) -> Result<(), FetchError> {
    let rows = anonymiser.participants(rows)?;
    let recording = anonymiser.recording(recording)?;
    folder.json("recording.json", &json!(recording))?;
    folder.json("participants.json", &json!({ "data": rows }))
}

async fn write_bodies(folder: &Folder, daily: &dyn DailySource, recording: &Recording) -> Result<(), FetchError> {
    folder.json("recording.json", &daily.recording_body(&recording.id).await?)?;
    let rows = match &recording.meeting_id {
        Some(meeting) => daily.participant_bodies(meeting).await?,
        None => Vec::new(),
    };
    folder.json("participants.json", &json!({ "data": rows }))
}

/// Each track once, with its size. A microphone whose file is gone is an error: it would be a voice that silently is not
/// there.
async fn plan(
    objects: &dyn Storage,
    recording: &Recording,
    wish: &mut Wish,
    notes: &mut Vec<String>,
) -> Result<Vec<Planned>, FetchError> {
    let (mut named, mut taken) = (Vec::new(), HashSet::new());
    for track in recording_tracks(recording) {
        if wish.without_video && !has_sound(&track) {
            continue;
        }
        let kept_as = wish.anonymiser.as_mut().map_or_else(|| track.key.clone(), |swap| swap.key(&track.key));
        let name = file_name(&kept_as)?;
        if !taken.insert(name.to_lowercase()) {
            return Err(FetchError::BadName { key: kept_as, why: "another track's file has the same name" });
        }
        named.push((track, kept_as, name));
    }
    let mut planned = Vec::new();
    for (track, kept_as, name) in named {
        let key: ObjectKey = track.key.parse()?;
        match objects.size(&key).await? {
            Some(size) => planned.push(Planned { key, name, size }),
            None if track.kind.is_speech() => return Err(DailyError::TrackMissing { key: track.key }.into()),
            None => notes.push(format!("{kept_as} is listed, but its file is not there")),
        }
    }
    Ok(planned)
}

fn has_sound(track: &RecordingTrack) -> bool {
    track.kind.as_str().ends_with("audio")
}

/// The last part of a key, as a file beside `recording.json`.
fn file_name(key: &str) -> Result<String, FetchError> {
    let name = key.rsplit('/').next().unwrap_or(key);
    let why = if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) || name.ends_with(".event.json") {
        "its name is that of another file of the folder"
    } else if name.starts_with('.') {
        "its name begins with a dot"
    } else {
        return Ok(name.to_owned());
    };
    Err(FetchError::BadName { key: key.to_owned(), why })
}

/// The events lie under the recording's own key, which REST tells in one of two places or not at all; then it is what the
/// tracks' keys begin with.
fn events_keys(recording: &Recording) -> Vec<String> {
    let told = [recording.s3key.clone(), recording.s3.as_ref().and_then(|place| place.key.clone())];
    let derived = recording.tracks.iter().find_map(|track| {
        let name = TrackName::from_key(&track.s3_key).ok()?;
        let (folder, _) = track.s3_key.rsplit_once('/')?;
        Some(format!("{folder}/{}", name.recording_start_ms))
    });
    let mut keys: Vec<String> = Vec::new();
    for key in told.into_iter().flatten().filter(|key| !key.is_empty()).chain(derived) {
        let key = format!("{key}.event.json");
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

async fn fetch_events(
    folder: &Folder,
    objects: &dyn Storage,
    recording: &Recording,
    anonymiser: Option<&mut Anonymiser>,
    notes: &mut Vec<String>,
) -> Result<bool, FetchError> {
    for key in events_keys(recording) {
        let Ok(object) = key.parse::<ObjectKey>() else { continue };
        if objects.size(&object).await?.is_none() {
            continue;
        }
        let body = objects.read(&object, LARGEST_EVENTS).await?;
        let Some(anonymiser) = anonymiser else {
            let name = key.rsplit('/').next().unwrap_or(&key);
            folder.file(name, &body)?;
            return Ok(true);
        };
        // What can't be read can't be swapped.
        let swapped = serde_json::from_slice(&body).ok().and_then(|events: Value| anonymiser.events(&events));
        let Some(swapped) = swapped else {
            notes.push("the events JSON can't be read, so it was left out".to_owned());
            return Ok(false);
        };
        folder.json("recording.event.json", &swapped)?;
        return Ok(true);
    }
    Ok(false)
}

/// The folder in the making.
struct Folder {
    hidden: tempfile::TempDir,
    /// Stops the thread that writes when nobody waits for it any more.
    stop: CancellationToken,
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Folder {
    fn beside(dir: &Path) -> Result<Self, FetchError> {
        require_empty(dir)?;
        let absolute = std::path::absolute(dir).map_err(|source| io_at(dir, source))?;
        let parent = absolute.parent().unwrap_or(&absolute);
        fs::create_dir_all(parent).map_err(|source| io_at(parent, source))?;
        let hidden = tempfile::Builder::new().prefix(".unfinished-recording-").tempdir_in(parent);
        Ok(Self { hidden: hidden.map_err(|source| io_at(parent, source))?, stop: CancellationToken::new() })
    }

    fn file(&self, name: &str, body: &[u8]) -> Result<(), FetchError> {
        let path = self.hidden.path().join(name);
        fs::write(&path, body).map_err(|source| io_at(&path, source))
    }

    fn json(&self, name: &str, body: &Value) -> Result<(), FetchError> {
        self.file(name, format!("{body:#}\n").as_bytes())
    }

    async fn stream(
        &self,
        from: ObjectReader,
        file: &Planned,
        step: Arc<impl Fn(Step) + Send + Sync + 'static>,
    ) -> Result<(), FetchError> {
        let (path, stop) = (self.hidden.path().join(&file.name), self.stop.clone());
        let (key, size) = (file.key.to_string(), file.size);
        let copied = tokio::task::spawn_blocking(move || {
            let got = copy(from, &path, &key, &stop, &*step)?;
            if got == size { Ok(()) } else { Err(FetchError::Short { key, got, size }) }
        });
        copied.await.unwrap_or(Err(FetchError::Stopped))
    }

    /// Gives the folder its name. What is on the disk by then is whole.
    fn appear(self, dir: &Path) -> Result<(), FetchError> {
        require_empty(dir)?;
        if dir.exists() {
            fs::remove_dir(dir).map_err(|source| io_at(dir, source))?;
        }
        // Folders for one process's eyes are made 0700.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let readable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(self.hidden.path(), readable).map_err(|source| io_at(dir, source))?;
        }
        fs::rename(self.hidden.path(), dir).map_err(|source| io_at(dir, source))
    }
}

fn copy(
    mut from: ObjectReader,
    path: &Path,
    key: &str,
    stop: &CancellationToken,
    step: &(impl Fn(Step) + ?Sized),
) -> Result<u64, FetchError> {
    let mut file = File::create_new(path).map_err(|source| io_at(path, source))?;
    let (mut piece, mut got) = (vec![0; PIECE], 0);
    loop {
        if stop.is_cancelled() {
            return Err(FetchError::Stopped);
        }
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(StorageError::Io { key: key.to_owned(), source }.into()),
        };
        file.write_all(&piece[..read]).map_err(|source| io_at(path, source))?;
        got += read as u64;
        step(Step::Bytes(read as u64));
    }
    file.sync_all().map_err(|source| io_at(path, source))?;
    Ok(got)
}

fn require_empty(dir: &Path) -> Result<(), FetchError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(FetchError::NotEmpty(dir.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(FetchError::NotEmpty(dir.to_owned())),
        Err(source) => Err(io_at(dir, source)),
    }
}

fn io_at(path: &Path, source: io::Error) -> FetchError {
    FetchError::Io { path: path.to_owned(), source }
}
