//! Deletes a transcript's audio: all tracks of whatever kind that the recording has, its event JSON, and everything under
//! the transcript's prefix. What can't be deleted now goes to the outbox and holds nobody up.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::daily::TrackName;
use crate::failure::{Failure, FailureClass};
use crate::ids::{RecordingId, TranscriptId};
use crate::notify::{Deletion, Target};
use crate::results::{self, Mixdown, Waveform, object_prefix};
use crate::secret::redacted;
use crate::storage::{ObjectKey, Storage, StorageError};
use crate::store::{Database, StoreError, recordings};

/// Why audio could not even be looked for, or its deletion not be noted.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Failure for ConsentError {
    fn class(&self) -> FailureClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Storage(error) => error.class(),
        }
    }
}

/// What was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Objects of the recording that are gone.
    pub originals: usize,
    /// Objects derived from audio that are gone.
    pub derived: usize,
    /// Objects of the recording in a read-only place.
    pub left: Vec<String>,
    /// Objects whose deletion is tried again, and why.
    pub waiting: Vec<String>,
}

/// The places that audio is deleted in.
pub struct AudioDeletion<'a> {
    /// The store; its fence, where it has one, keeps a replaced executor from deleting.
    pub database: &'a Database,
    /// The recording's own files.
    pub originals: &'a dyn Storage,
    /// What we made.
    pub derived: &'a dyn Storage,
}

impl AudioDeletion<'_> {
    /// Deletes what there is. Readers stop seeing the audio before it goes. Doing it again does the rest.
    ///
    /// # Errors
    /// When the database fails or a place can't be asked what it has. An object that can't be deleted is no error.
    pub async fn make(
        &self,
        transcript: &TranscriptId,
        recording: &RecordingId,
        now: Timestamp,
    ) -> Result<Deleted, ConsentError> {
        results::forget::<Mixdown>(self.database, transcript).await?;
        results::forget::<Waveform>(self.database, transcript).await?;
        let mut deleted = Deleted::default();
        for key in self.original_keys(transcript, recording).await? {
            deleted.originals += usize::from(self.delete(Target::Original, &key, transcript, &mut deleted, now).await?);
        }
        for key in self.derived.list_ever(&object_prefix(transcript)).await? {
            deleted.derived += usize::from(self.delete(Target::Derived, &key, transcript, &mut deleted, now).await?);
        }
        Ok(deleted)
    }

    /// What Daily keeps of the recording: the tracks that any run found, what lies beside them under the recording's own
    /// key (U3: screens, cameras, event JSON), and the event JSON by its documented name.
    async fn original_keys(
        &self,
        transcript: &TranscriptId,
        recording: &RecordingId,
    ) -> Result<BTreeSet<ObjectKey>, ConsentError> {
        let tracks = recordings::source_keys(self.database, transcript).await?;
        let s3_key = recordings::read(self.database, recording).await?.and_then(|row| row.s3_key);
        let prefixes = tracks.iter().filter_map(|key| recording_prefix(key)).chain(s3_key.clone());
        let mut keys = BTreeSet::new();
        for prefix in prefixes.collect::<BTreeSet<_>>() {
            match self.originals.list_ever(&prefix).await {
                Ok(found) => keys.extend(found.into_iter().filter(|key| is_of_recording(key.as_str(), &prefix))),
                // Credentials that may delete but not list: the known keys have to do.
                Err(error) if error.class() == FailureClass::Permanent => {
                    tracing::warn!(prefix, error = redacted(&error.to_string()), "can't be listed");
                }
                Err(error) => return Err(error.into()),
            }
        }
        for key in tracks.into_iter().chain(s3_key.map(|key| format!("{key}.event.json"))) {
            match key.parse() {
                Ok(key) => {
                    keys.insert(key);
                }
                // No object can be there.
                Err(error) => tracing::warn!(%error, "not a key of the recording's"),
            }
        }
        Ok(keys)
    }

    /// Whether the object was there and is gone.
    async fn delete(
        &self,
        target: Target,
        key: &ObjectKey,
        transcript: &TranscriptId,
        deleted: &mut Deleted,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let place = match target {
            Target::Original => self.originals,
            Target::Derived => self.derived,
        };
        // Only to be told: an object that is not there may have older versions, and a bucket that is not there has to be
        // complained of. Both are `delete`'s.
        let was_there = !matches!(place.size(key).await, Ok(None));
        match place.delete(key).await {
            Ok(()) => Ok(was_there),
            Err(StorageError::ReadOnly { .. }) if !was_there => Ok(false),
            Err(StorageError::ReadOnly { .. }) => {
                deleted.left.push(key.to_string());
                Ok(false)
            }
            Err(error) => {
                let deletion = Deletion { target, key: key.to_string() };
                deletion.put_off(self.database, transcript, &error, now).await?;
                deleted.waiting.push(redacted(&error.to_string()));
                Ok(false)
            }
        }
    }
}

/// What the keys of everything that belongs to a track's recording begin with, where the track's name says so.
fn recording_prefix(track: &str) -> Option<String> {
    let name = TrackName::from_key(track).ok()?;
    let folder = track.rfind('/').map_or("", |slash| &track[..=slash]);
    Some(format!("{folder}{}", name.recording_start_ms))
}

/// Whether an object belongs to the recording of this key, which Daily calls `s3_key`.
fn is_of_recording(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u3_a_recordings_own_files_share_its_folder_and_start() {
        let track = "team/standup/1767603600000-bd299753-1111-4222-8333-444444444444-cam-audio-1767603600100";
        let prefix = recording_prefix(track).unwrap();
        assert_eq!(prefix, "team/standup/1767603600000");
        for (key, is) in [
            (track, true),
            ("team/standup/1767603600000.event.json", true),
            ("team/standup/1767603600000-bd299753-1111-4222-8333-444444444444-screen-video-1767603609999", true),
            ("team/standup/17676036000001-x", false),
            ("team/standup/1767603600001.event.json", false),
            ("team/standup2/1767603600000-x", false),
        ] {
            assert_eq!(is_of_recording(key, &prefix), is, "{key}");
        }
        assert_eq!(recording_prefix("team/standup/alice.webm"), None);
    }
}
