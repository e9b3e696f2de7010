//! Many recorded folders that answer as one account would: `DAILY_API_URL=file://DIR`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::ids::{MeetingId, RecordingId};

use super::listing::page_of;
use super::{DailyError, DailySource, ParticipantRow, RecordedFolder, Recording, RecordingPage, RecordingQuery};

/// All recorded folders right under one folder. Asked as a [`DailySource`] it looks again each time, so that folders may
/// come, change and go as recordings do.
#[derive(Debug, Clone)]
pub struct RecordedFolders {
    dir: PathBuf,
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
        let mut all = Self { dir: dir.to_owned(), folders: Vec::new(), notes: Vec::new() };
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

impl RecordedFolders {
    /// The same folder as it is now.
    async fn now(&self) -> Result<Self, DailyError> {
        let dir = self.dir.clone();
        let opened = tokio::task::spawn_blocking(move || Self::open(&dir)).await;
        opened.unwrap_or_else(|_| {
            Err(DailyError::Unreadable { path: self.dir.clone(), source: io::Error::other("reading was interrupted") })
        })
    }
}

#[async_trait]
impl DailySource for RecordedFolders {
    fn lists_later(&self) -> bool {
        false
    }

    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError> {
        self.now().await?.folder(id)?.recording(id).await
    }

    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
        let now = self.now().await?;
        // A meeting whose recording was stopped and started again has several folders; each has everybody.
        let found = now.folders.iter().find(|folder| folder.only_recording().meeting_id.as_ref() == Some(meeting));
        match found {
            Some(folder) => folder.participants(meeting).await,
            None => Err(DailyError::Unknown { what: "meeting", id: meeting.to_string() }),
        }
    }

    async fn list(&self, query: &RecordingQuery) -> Result<RecordingPage, DailyError> {
        let now = self.now().await?;
        let recordings = now.folders.iter().map(|folder| folder.only_recording().clone()).collect();
        Ok(RecordingPage { notes: now.notes, ..page_of(recordings, query)? })
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

    #[tokio::test]
    async fn folders_are_listed_newest_first_page_by_page_and_new_ones_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let add = |name: &str, start: u64| {
            fs::create_dir(dir.path().join(name)).unwrap();
            let body = format!(r#"{{"id":"{name}","room_name":"room-{}","start_ts":{start}}}"#, start % 2);
            fs::write(dir.path().join(name).join("recording.json"), body).unwrap();
        };
        (1..=4).for_each(|nth| add(&format!("r{nth}"), nth));
        let all = RecordedFolders::open(dir.path()).unwrap();
        add("r5", 5);
        let mut query = Some(RecordingQuery { limit: Some(2), ..RecordingQuery::default() });
        let mut found = Vec::new();
        while let Some(asked) = query {
            let page = all.list(&asked).await.unwrap();
            assert_eq!(page.total_count, Some(5));
            found.extend(page.recordings.iter().map(|recording| recording.id.to_string()));
            query = page.next(&asked);
        }
        assert_eq!(found, ["r5", "r4", "r3", "r2", "r1"]);
        let odd = RecordingQuery { room_name: Some("room-1".into()), ..RecordingQuery::default() };
        assert_eq!(all.list(&odd).await.unwrap().recordings.len(), 3);
        let newer = RecordingQuery { ending_before: "r3".parse().ok(), limit: Some(1), ..RecordingQuery::default() };
        assert_eq!(all.list(&newer).await.unwrap().last.unwrap().as_str(), "r4");
        let gone = RecordingQuery { starting_after: "r9".parse().ok(), ..RecordingQuery::default() };
        assert!(matches!(all.list(&gone).await, Err(DailyError::Unknown { .. })));
        assert_eq!(all.recording(&"r5".parse().unwrap()).await.unwrap().start_ts, Some(5.0));
    }

    #[test]
    fn one_recorded_folder_is_an_account_of_one_recording() {
        let standup = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings/standup");
        assert_eq!(RecordedFolders::open(&standup).unwrap().folders().len(), 1);
    }
}
