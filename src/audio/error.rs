//! What can go wrong with audio, and whether it is the media, the machine or the caller.

use std::io;

use thiserror::Error;

use crate::failure::{Cause, Failure, FailureClass, classify};

/// A failure of the audio room.
#[derive(Debug, Error)]
pub enum AudioError {
    /// Zero bytes.
    #[error("the file is empty")]
    Empty,
    /// The bytes are not a container this program reads.
    #[error("not a WebM or Ogg file: {0}")]
    NotMedia(&'static str),
    /// A readable container without a track of sound.
    #[error("the file has no audio stream")]
    NoAudioStream,
    /// Sound, but not Opus with one or two channels.
    #[error("unsupported audio: {0}")]
    UnsupportedCodec(String),
    /// The source could not be read; says nothing about the media.
    #[error("cannot read audio: {0}")]
    Read(#[source] io::Error),
    /// The result could not be written.
    #[error("cannot write audio: {0}")]
    Write(#[source] io::Error),
    /// libopus refused to work.
    #[error("Opus decoder: {0}")]
    Opus(#[source] opus::Error),
    /// LAME refused to work.
    #[error("MP3 encoder: {0}")]
    Encoder(String),
    /// Stored peaks that this program did not write, or that were damaged since.
    #[error("not a peak envelope: {0}")]
    BadEnvelope(&'static str),
    /// The caller's token was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl AudioError {
    /// Whether the media itself is at fault: such a track is noted as incomplete and the others go on.
    pub fn is_unreadable_media(&self) -> bool {
        matches!(self, Self::Empty | Self::NotMedia(_) | Self::NoAudioStream | Self::UnsupportedCodec(_))
    }
}

impl Failure for AudioError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Read(error) | Self::Write(error) => classify(Cause::Io(error.kind())),
            Self::Cancelled => FailureClass::Cancelled,
            _ => classify(Cause::BadInput),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_faults_are_permanent_and_machine_faults_may_pass() {
        let table = [
            (AudioError::Empty, FailureClass::Permanent, true),
            (AudioError::NotMedia("text"), FailureClass::Permanent, true),
            (AudioError::NoAudioStream, FailureClass::Permanent, true),
            (AudioError::UnsupportedCodec("A_VORBIS".into()), FailureClass::Permanent, true),
            (AudioError::Read(io::ErrorKind::ConnectionReset.into()), FailureClass::Retryable, false),
            (AudioError::Write(io::ErrorKind::StorageFull.into()), FailureClass::Retryable, false),
            (AudioError::Cancelled, FailureClass::Cancelled, false),
        ];
        for (error, class, media) in table {
            assert_eq!((error.class(), error.is_unreadable_media()), (class, media), "{error}");
        }
    }
}
