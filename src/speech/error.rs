//! What can go wrong between audio and words.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::failure::{Cause, Failure, FailureClass, classify};

/// Where people get a model; named in the errors that ask for one.
const MODELS_PAGE: &str = "https://huggingface.co/ggerganov/whisper.cpp";

/// An error of speech recognition.
#[derive(Debug, Error)]
pub enum SpeechError {
    /// There is no file where the model should be.
    #[error(
        "there is no speech model at {}. Download one, for example ggml-large-v3-turbo.bin from {MODELS_PAGE}, \
         and name it with --model PATH or SPEECH_MODEL=PATH", path.display()
    )]
    ModelMissing {
        /// As it was given.
        path: PathBuf,
    },
    /// The model's file is there and can't be read.
    #[error("the speech model {} can't be read: {source}", path.display())]
    ModelUnreadable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no whisper.cpp model, or not a whole one.
    #[error(
        "{} is not a whisper.cpp speech model: {reason}. Download one, for example ggml-large-v3-turbo.bin from \
         {MODELS_PAGE}, and name it with --model PATH or SPEECH_MODEL=PATH", path.display()
    )]
    NotAModel {
        /// As it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An English-only model was asked for another language.
    #[error(
        "the speech model {model} only knows English, but the language is {language:?}: use a multilingual model (one \
         without .en in its name), or set the language to en or auto"
    )]
    EnglishOnly {
        /// The model's file name.
        model: String,
        /// As it was given.
        language: String,
    },
    /// Not a language that whisper knows.
    #[error("unknown language {language:?}: give an ISO 639-1 code such as en, de or fr, or auto")]
    UnknownLanguage {
        /// As it was given.
        language: String,
    },
    /// The recogniser failed on audio that it should have taken.
    #[error("speech recognition failed: {0}")]
    Recognition(String),
    /// The track could not be read.
    #[error("{source}")]
    Audio {
        /// What the audio says about trying again.
        class: FailureClass,
        /// The audio's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Finished windows could not be kept or read back.
    #[error("finished speech windows can't be kept: {source}")]
    Keeping {
        /// What the keeper says about trying again.
        class: FailureClass,
        /// The keeper's own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Somebody asked for the work to stop.
    #[error("speech recognition was cancelled")]
    Cancelled,
}

impl SpeechError {
    /// Wraps an error of the audio that is read.
    pub fn audio(error: impl Failure) -> Self {
        Self::Audio { class: error.class(), source: Box::new(error) }
    }

    /// Wraps an error of whoever keeps finished windows.
    pub fn keeping(error: impl Failure) -> Self {
        Self::Keeping { class: error.class(), source: Box::new(error) }
    }
}

impl Failure for SpeechError {
    fn class(&self) -> FailureClass {
        match self {
            Self::ModelMissing { .. }
            | Self::NotAModel { .. }
            | Self::EnglishOnly { .. }
            | Self::UnknownLanguage { .. } => classify(Cause::BadInput),
            Self::ModelUnreadable { source, .. } => classify(Cause::Io(source.kind())),
            // whisper.cpp fails on good audio when it gets no memory: that may pass.
            Self::Recognition(_) => FailureClass::Retryable,
            Self::Audio { class, .. } | Self::Keeping { class, .. } => *class,
            Self::Cancelled => FailureClass::Cancelled,
        }
    }
}
