//! How asking Daily, or a recorded folder, fails.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Cause, Failure, FailureClass, classify};

/// What went wrong, and with which file, field or key.
#[derive(Debug, thiserror::Error)]
pub enum DailyError {
    /// The folder or one of its files can't be read.
    #[error("{path}: {source}", path = path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// An answer is not JSON, or a field of it is missing or of the wrong type.
    #[error("{document}: {problem}")]
    Malformed {
        /// The file's name, or the request.
        document: String,
        /// The field's path and what is wrong with it, or the position of the syntax error.
        problem: String,
    },
    /// A folder without `recording.json` holds no file named as Daily names tracks.
    #[error("{path}: no recording.json, and no file named as Daily names its tracks", path = path.display())]
    NothingRecorded {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing by this id here.
    #[error("no {what} {id} here: it was deleted, or belongs to another account")]
    Unknown {
        /// `recording`, `meeting` or `webhook`.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// The recording lists an audio track whose file is not there.
    #[error("track {key} is listed in the recording, but its file is not there")]
    TrackMissing {
        /// The key as the recording lists it.
        key: String,
    },
    /// The recording has tracks, but nobody's microphone is among them.
    #[error("recording {id} has no cam-audio track: there is no speech to transcribe")]
    NoSpeechTrack {
        /// The recording.
        id: String,
    },
    /// The recording is not one file per participant.
    #[error("recording {id} is no raw-tracks recording: {why}")]
    NotRawTracks {
        /// The recording.
        id: String,
        /// What it is instead.
        why: &'static str,
    },
    /// Daily still records, or still works on what it recorded.
    #[error("recording {id} is not finished yet")]
    NotFinished {
        /// The recording.
        id: String,
    },
    /// Daily knows the recording, and lists neither tracks nor a file of it yet.
    #[error("recording {id} lists neither tracks nor a file yet")]
    NothingListed {
        /// The recording.
        id: String,
    },
    /// The address or key can't be used.
    #[error("{problem}")]
    Setting {
        /// Which, and what it should be.
        problem: String,
    },
    /// A setting is missing without which nothing can be asked. It may be there after the next start.
    #[error("{setting} is not set, so nothing can be asked of Daily")]
    Unset {
        /// Its name.
        setting: &'static str,
    },
    /// The key is not taken, or not for this.
    #[error("Daily refuses DAILY_API_KEY for {request} ({status}{dash}{said}): copy the key of this domain from Daily's dashboard, \
             Developers", dash = if .said.is_empty() { "" } else { ", " })]
    KeyRefused {
        /// Method and path.
        request: String,
        /// 401 or 403.
        status: u16,
        /// Daily's own words.
        said: String,
    },
    /// Any other answer that is no success.
    #[error("Daily answers {request} with {status}{dash}{said}", dash = if .said.is_empty() { "" } else { ": " })]
    Status {
        /// Method and path.
        request: String,
        /// The HTTP status.
        status: u16,
        /// Daily's own words.
        said: String,
    },
    /// An answer of 200 that can't be read.
    #[error("Daily's answer to {request} can't be read: {problem}")]
    Garbled {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No answer, or a part of one.
    #[error("Daily can't be reached for {request}: {problem}")]
    Unreachable {
        /// Method and path.
        request: String,
        /// The network's word.
        problem: String,
    },
    /// Daily, or our own limit of requests, made us wait for too long.
    #[error("Daily allows no more requests for now (429): {request} got no turn within {} s; try again later", .waited.as_secs())]
    Busy {
        /// Method and path.
        request: String,
        /// How long the operation could have taken.
        waited: Duration,
    },
}

impl DailyError {
    /// Whether whoever gave the folder should mend it before anything is tried (exit code 2), as opposed to a recording
    /// that was read and cannot be processed.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Malformed { .. } | Self::NothingRecorded { .. })
    }
}

impl Failure for DailyError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Unreadable { source, .. } => classify(Cause::Io(source.kind())),
            Self::Malformed { .. }
            | Self::NothingRecorded { .. }
            | Self::Unknown { .. }
            | Self::TrackMissing { .. }
            | Self::NoSpeechTrack { .. }
            | Self::NotRawTracks { .. }
            | Self::Setting { .. } => classify(Cause::BadInput),
            Self::NotFinished { .. } | Self::NothingListed { .. } | Self::Unset { .. } => classify(Cause::NotReady),
            // A redirect comes from a wrong address, which stays wrong.
            Self::Status { status: 300..=399, .. } => classify(Cause::BadInput),
            Self::KeyRefused { status, .. } | Self::Status { status, .. } => classify(Cause::HttpStatus(*status)),
            Self::Garbled { .. } => classify(Cause::GarbledAnswer),
            Self::Unreachable { .. } => classify(Cause::TimedOut),
            Self::Busy { .. } => classify(Cause::HttpStatus(429)),
        }
    }
}
