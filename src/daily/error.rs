//! How asking Daily, or a recorded folder, fails.

use std::io;
use std::path::PathBuf;

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
    #[error("no {what} {id} here")]
    Unknown {
        /// `recording` or `meeting`.
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
            | Self::NotRawTracks { .. } => classify(Cause::BadInput),
        }
    }
}
