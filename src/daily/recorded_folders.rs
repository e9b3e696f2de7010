//! Many recorded folders that answer as one account would: `DAILY_API_URL=file://DIR`.

use std::fs;
use std::path::Path;

use async_trait::async_trait;

use crate::ids::{MeetingId, RecordingId};

use super::{DailyError, DailySource, ParticipantRow, RecordedFolder, Recording};

/// All recorded folders right under one folder.
#[derive(Debug, Clone, Default)]
pub struct RecordedFolders {
    folders: Vec<RecordedFolder>,
    notes: Vec<String>,
}

impl RecordedFolders {
    /// Opens each folder under `dir` that holds a recording, by name; or `dir` itself, if it is one. A folder that can't be
    /// read as a recording is noted with its error and left out. Blocks while it reads.
    ///
    /// # Errors
    /// `dir` can't be listed.
    pub fn open(dir: &Path) -> Result<Self, DailyError> {
        let unreadable = |source| DailyError::Unreadable { path: dir.to_owned(), source };
        let mut below = Vec::new();
        for entry in fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                below.push(path);
            }
        }
        below.sort_unstable();
        let mut all = Self::default();
        match RecordedFolder::open(dir) {
            Ok(folder) => all.folders.push(folder),
            Err(DailyError::NothingRecorded { .. }) => {}
            Err(error) => all.notes.push(error.to_string()),
        }
        for path in below {
            match RecordedFolder::open(&path) {
                Ok(folder) => all.folders.push(folder),
                Err(DailyError::NothingRecorded { .. }) => {}
                Err(error) => all.notes.push(format!("{}: {error}", path.display())),
            }
        }
        Ok(all)
    }

    /// The folder of a recording.
    ///
    /// # Errors
    /// [`DailyError::Unknown`].
    pub fn folder(&self, id: &RecordingId) -> Result<&RecordedFolder, DailyError> {
        let found = self.folders.iter().find(|folder| folder.only_recording().id == *id);
        found.ok_or_else(|| DailyError::Unknown { what: "recording", id: id.to_string() })
    }

    /// All folders, by path.
    pub fn folders(&self) -> &[RecordedFolder] {
        &self.folders
    }

    /// Which folders were left out, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[async_trait]
impl DailySource for RecordedFolders {
    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError> {
        self.folder(id)?.recording(id).await
    }

    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
        // A meeting whose recording was stopped and started again has several folders; each has everybody.
        let found = self.folders.iter().find(|folder| folder.only_recording().meeting_id.as_ref() == Some(meeting));
        match found {
            Some(folder) => folder.participants(meeting).await,
            None => Err(DailyError::Unknown { what: "meeting", id: meeting.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_fixtures_answer_as_one_account_and_broken_folders_are_noted() {
        let meetings = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings");
        let all = RecordedFolders::open(&meetings).unwrap();
        assert_eq!((all.folders().len(), all.notes().len()), (4, 0));
        for folder in all.folders() {
            let recording = all.recording(&folder.only_recording().id).await.unwrap();
            assert!(!all.participants(recording.meeting_id.as_ref().unwrap()).await.unwrap().is_empty());
        }
        assert!(all.recording(&"nobody".parse().unwrap()).await.is_err());

        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("broken")).unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        fs::write(dir.path().join("broken/recording.json"), "{").unwrap();
        let all = RecordedFolders::open(dir.path()).unwrap();
        assert!(all.folders().is_empty());
        assert!(all.notes().len() == 1 && all.notes()[0].contains("broken"), "{:?}", all.notes());
    }

    #[test]
    fn one_recorded_folder_is_an_account_of_one_recording() {
        let standup = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings/standup");
        assert_eq!(RecordedFolders::open(&standup).unwrap().folders().len(), 1);
    }
}
