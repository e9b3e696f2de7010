//! Deletions that consent demands and that did not work at once.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::outbox::{Deliver, NotDelivered};
use crate::clock::Timestamp;
use crate::ids::TranscriptId;
use crate::secret::redacted;
use crate::storage::{ObjectKey, Storage, StorageError};
use crate::store::outbox::{self, OutboxRow};
use crate::store::{Database, StoreError};

/// The outbox's word for these.
pub const DELETE_OBJECT: &str = "delete_object";

/// Whose object it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The recording's own.
    Original,
    /// Derived from its audio.
    Derived,
}

/// One object that has to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Where it is.
    pub target: Target,
    /// Its whole key there.
    pub key: String,
}

impl Deletion {
    /// Writes the intent; `error` says why it did not work at once.
    ///
    /// # Errors
    /// When the database can't be written.
    pub async fn put_off(
        &self,
        database: &Database,
        transcript: &TranscriptId,
        error: &StorageError,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let payload = serde_json::to_string(self).map_err(|error| StoreError::garbled("deletion", error))?;
        let row = OutboxRow {
            id: blake3::hash(format!("{transcript}\n{DELETE_OBJECT}\n{payload}").as_bytes()).to_hex().to_string(),
            transcript: transcript.clone(),
            kind: DELETE_OBJECT.to_owned(),
            payload,
            tries: 1,
            last_error: Some(redacted(&error.to_string())),
        };
        outbox::put(database, &row, now.plus(outbox::FIRST_RETRY), now).await
    }

    /// Deletes the object; one that is not there is deleted already.
    ///
    /// # Errors
    /// When it is still there.
    pub async fn make(&self, originals: &dyn Storage, derived: &dyn Storage) -> Result<(), StorageError> {
        let key: ObjectKey = self.key.parse()?;
        match self.target {
            Target::Original => originals.delete(&key).await,
            Target::Derived => derived.delete(&key).await,
        }
    }
}

/// The places that deletions are made in.
pub struct Deletions<'a> {
    /// The outbox.
    pub database: &'a Database,
    /// The recording's own files.
    pub originals: &'a dyn Storage,
    /// What we made.
    pub derived: &'a dyn Storage,
}

impl Deletions<'_> {
    /// Tries a transcript's waiting deletions once more; says how many still wait.
    ///
    /// # Errors
    /// When the outbox can't be read or written. A deletion that fails again is none: it waits on.
    pub async fn try_again(&self, transcript: &TranscriptId) -> Result<usize, StoreError> {
        let mut waiting = 0;
        for row in outbox::waiting(self.database, transcript).await? {
            if row.kind != DELETE_OBJECT {
                continue;
            }
            let deletion: Deletion =
                serde_json::from_str(&row.payload).map_err(|error| StoreError::garbled("deletion", error))?;
            match deletion.make(self.originals, self.derived).await {
                Ok(()) => outbox::done(self.database, &row.id).await?,
                Err(error) => {
                    tracing::warn!(key = deletion.key, %error, "not deleted yet");
                    waiting += 1;
                }
            }
        }
        Ok(waiting)
    }
}

/// Makes them for the outbox.
pub struct ObjectDeletions {
    /// The recording's own files.
    pub originals: Arc<dyn Storage>,
    /// What we made.
    pub derived: Arc<dyn Storage>,
}

#[async_trait]
impl Deliver for ObjectDeletions {
    fn must_happen(&self) -> bool {
        true
    }

    async fn deliver(&self, row: &OutboxRow) -> Result<(), NotDelivered> {
        let deletion: Deletion =
            serde_json::from_str(&row.payload).map_err(|error| NotDelivered::Never(error.to_string()))?;
        let made = deletion.make(self.originals.as_ref(), self.derived.as_ref()).await;
        made.map_err(|error| match error {
            StorageError::BadKey { .. } => NotDelivered::Never(error.to_string()),
            // Denied access too: who forbids it may be asked to allow it.
            error => NotDelivered::Again(error.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::LocalFolder;

    #[tokio::test]
    async fn u3_a_deletion_that_failed_is_made_later_and_only_once() {
        let root = tempfile::tempdir().unwrap();
        let database = Database::open_file(&root.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        let (originals, derived) =
            (LocalFolder::open(root.path().join("o")).unwrap(), LocalFolder::open(root.path().join("d")).unwrap());
        let key: ObjectKey = "transcripts/t/mix/a.mp3".parse().unwrap();
        derived.put_bytes(&key, b"x").await.unwrap();

        let transcript: TranscriptId = "t".parse().unwrap();
        let deletion = Deletion { target: Target::Derived, key: key.to_string() };
        let (error, now) = (StorageError::Interrupted, Timestamp::from_micros(1));
        deletion.put_off(&database, &transcript, &error, now).await.unwrap();
        deletion.put_off(&database, &transcript, &error, now).await.unwrap();
        assert_eq!(outbox::waiting(&database, &transcript).await.unwrap().len(), 1);

        let deletions = Deletions { database: &database, originals: &originals, derived: &derived };
        assert_eq!(deletions.try_again(&transcript).await.unwrap(), 0);
        assert_eq!(derived.size(&key).await.unwrap(), None);
        assert!(outbox::waiting(&database, &transcript).await.unwrap().is_empty());
    }
}
