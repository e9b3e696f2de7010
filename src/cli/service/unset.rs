//! What stands where a setting of Daily's is missing: the service starts, takes webhooks, and says what to set. What has to
//! wait for the setting is trouble that passes: a run that could not read its recording is started again, so that no
//! recording is lost because somebody was not done with setting up.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::config::names;
use crate::daily::{DailyError, DailySource, ParticipantRow, Recording, RecordingPage, RecordingQuery};
use crate::ids::{MeetingId, RecordingId};
use crate::speech::{DetectedLanguage, Recognition, Recognizer, SpeechError, WhisperModel};
use crate::storage::{ObjectKey, ObjectReader, Storage, StorageError};

/// In place of Daily's API.
pub(super) struct UnsetDaily;

/// What does not work while one of these settings is missing, and what to set.
pub(super) fn consequence(setting: &str) -> &'static str {
    match setting {
        names::DAILY_API_KEY => {
            "nothing is asked of Daily: recordings wait, and missed webhooks are not made up for. Copy the key from Daily's \
             dashboard, Developers"
        }
        names::DAILY_STORAGE_URL => {
            "no recording can be read, and all wait. Name the bucket that Daily records into, s3://bucket"
        }
        names::DAILY_WEBHOOK_SECRET => {
            "no webhook is taken, and recordings are found by asking Daily alone. `trackscribe daily webhook create` prints it"
        }
        _ => "not everything works",
    }
}

fn no_key() -> DailyError {
    DailyError::Unset { setting: names::DAILY_API_KEY }
}

#[async_trait]
impl DailySource for UnsetDaily {
    async fn recording(&self, _: &RecordingId) -> Result<Recording, DailyError> {
        Err(no_key())
    }

    async fn participants(&self, _: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
        Err(no_key())
    }

    async fn list(&self, _: &RecordingQuery) -> Result<RecordingPage, DailyError> {
        Err(no_key())
    }
}

/// In place of storage.
pub(super) struct UnsetPlace {
    pub(super) setting: &'static str,
}

impl UnsetPlace {
    fn refusal(&self, object: &str) -> StorageError {
        StorageError::Unavailable { object: object.to_owned(), why: format!("{} is not set", self.setting) }
    }
}

#[async_trait]
impl Storage for UnsetPlace {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        Err(self.refusal(key.as_str()))
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        Err(self.refusal(key.as_str()))
    }

    async fn put_file(&self, key: &ObjectKey, _: &Path) -> Result<(), StorageError> {
        Err(self.refusal(key.as_str()))
    }

    async fn put_bytes(&self, key: &ObjectKey, _: &[u8]) -> Result<(), StorageError> {
        Err(self.refusal(key.as_str()))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        Err(self.refusal(prefix))
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        Err(self.refusal(key.as_str()))
    }

    async fn check(&self) -> Result<(), StorageError> {
        Err(self.refusal("the recordings"))
    }
}

/// In place of a speech model, in a process that recognises nothing and still has to say which model others use.
pub struct UnloadedModel(PathBuf);

impl UnloadedModel {
    /// Stands for the model of this file, which need not be there.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn refusal(&self) -> SpeechError {
        SpeechError::ModelMissing { path: self.0.clone() }
    }
}

impl Recognizer for UnloadedModel {
    fn name(&self) -> String {
        WhisperModel::name_of(&self.0)
    }

    fn identity(&self) -> String {
        self.name()
    }

    fn accepts(&self, _: &str) -> Result<(), SpeechError> {
        Err(self.refusal())
    }

    fn detect_language(&self, _: &[f32], _: &CancellationToken) -> Result<DetectedLanguage, SpeechError> {
        Err(self.refusal())
    }

    fn recognize(&self, _: &[f32], _: &str, _: &CancellationToken) -> Result<Recognition, SpeechError> {
        Err(self.refusal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure as _, FailureClass};

    #[tokio::test]
    async fn what_waits_for_a_setting_is_tried_again_and_told_by_its_name() {
        let daily = UnsetDaily.recording(&"r".parse().unwrap()).await.unwrap_err();
        assert_eq!(daily.class(), FailureClass::Retryable);
        assert!(daily.to_string().starts_with("DAILY_API_KEY is not set"), "{daily}");
        let place = UnsetPlace { setting: names::DAILY_STORAGE_URL };
        let storage = place.open(&"a/b".parse().unwrap()).await.err().unwrap();
        assert_eq!(storage.class(), FailureClass::Retryable);
        assert!(storage.to_string().contains("DAILY_STORAGE_URL is not set"), "{storage}");
        for setting in [names::DAILY_API_KEY, names::DAILY_STORAGE_URL, names::DAILY_WEBHOOK_SECRET] {
            assert_ne!(consequence(setting), consequence("other"));
        }
    }
}
