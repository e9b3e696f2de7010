//! Recordings fetched into folders: whole or not at all, and with nobody in them where that was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use trackscribe::cli::recordings::fetch::{FetchError, Fetched, Step, Wish, fetch};
use trackscribe::cli::recordings::list::{Filter, list};
use trackscribe::daily::{Anonymiser, RecordedFolder, recording_start, recording_tracks};
use trackscribe::failure::{Failure, FailureClass};
use trackscribe::storage::{LocalFolder, ObjectKey, ObjectReader, Storage, StorageError};

use crate::stub::StubDaily;
use crate::support::{Account, fixture};

/// A fixture in Daily's account and its tracks in a bucket's stead.
pub struct Place {
    pub root: TempDir,
    pub recording: Value,
}

impl Place {
    pub fn of(stub: &StubDaily, name: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let recording = stub.add_folder(&fixture(name));
        for track in recording["tracks"].as_array().unwrap() {
            let key = track["s3Key"].as_str().unwrap();
            let source = fixture(name).join(key.rsplit('/').next().unwrap());
            let file = root.path().join("bucket").join(key);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            // A camera's track is listed in `wild`, and its file is not there.
            if source.exists() {
                fs::copy(source, file).unwrap();
            }
        }
        Self { root, recording }
    }

    pub fn id(&self) -> &str {
        self.recording["id"].as_str().unwrap()
    }

    pub fn bucket(&self) -> PathBuf {
        self.root.path().join("bucket")
    }

    pub fn storage(&self) -> LocalFolder {
        LocalFolder::open(self.bucket()).unwrap()
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("fetched")
    }

    /// Puts an events JSON beside the tracks. Gives its bytes.
    pub fn add_events(&self) -> Vec<u8> {
        let keys: Vec<&str> =
            self.recording["tracks"].as_array().unwrap().iter().map(|track| track["s3Key"].as_str().unwrap()).collect();
        let (folder, file) = keys[0].rsplit_once('/').unwrap();
        let (start, rest) = file.split_once('-').unwrap();
        let events = json!({"events": [
            {"ts": 1767603600.25, "type": "track-added", "participant_id": rest[..36],
                "data": {"trackSessionNum": 1, "kind": "audio", "trackType": "cam-audio", "displayName": "Alice", "paused": false}},
            {"ts": 1767603601, "type": "recording-media-started", "participant_id": rest[..36],
                "data": {"trackSessionNum": 1, "uri": keys[0], "mediaStartTime": 1767603601.37, "contentType": "audio/webm"}},
            {"ts": 1767603602, "type": "chat-message", "participant_id": rest[..36], "data": {"text": "Alice wrote this"}},
        ]});
        let bytes = events.to_string().into_bytes();
        fs::write(self.bucket().join(folder).join(format!("{start}.event.json")), &bytes).unwrap();
        bytes
    }

    fn wish(&self, anonymise: bool) -> Wish {
        let anonymiser = anonymise.then(|| Anonymiser::new(uuid::Uuid::from_u128(11)));
        Wish { recording: self.id().parse().unwrap(), dir: self.dir(), anonymiser, without_video: false }
    }

    async fn fetch(&self, account: &Account, anonymise: bool) -> Result<Fetched, FetchError> {
        account.run(fetch(&account.client, &self.storage(), self.wish(anonymise), |_| {})).await
    }
}

/// Everything below `root` but the bucket.
fn left_in(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "bucket").collect()
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[tokio::test]
async fn a_fetched_folder_is_the_folder_that_was_recorded() {
    for name in ["standup", "edge", "rejoin", "wild"] {
        let account = Account::start().await;
        let place = Place::of(&account.stub, name);
        let bytes = Arc::new(Mutex::new((0, 0)));
        let seen = bytes.clone();
        let step = move |step| match step {
            Step::Total { bytes } => seen.lock().unwrap().0 = bytes,
            Step::Bytes(more) => seen.lock().unwrap().1 += more,
            Step::File { .. } => {}
        };
        let fetched = account.run(fetch(&account.client, &place.storage(), place.wish(false), step)).await.unwrap();
        assert_eq!(*bytes.lock().unwrap(), (fetched.bytes, fetched.bytes), "{name}");
        let (ours, original) =
            (RecordedFolder::open(&place.dir()).unwrap(), RecordedFolder::open(&fixture(name)).unwrap());
        assert_eq!(ours.only_recording(), original.only_recording());
        assert_eq!(ours.names(), original.names());
        ours.require_speech_tracks().unwrap();
        let mut expected = contents(&fixture(name));
        for json in ["truth.json", "recording.json", "participants.json"] {
            expected.remove(json);
        }
        let mut found = contents(&place.dir());
        let body: Value = serde_json::from_slice(&found.remove("recording.json").unwrap()).unwrap();
        assert_eq!(body, place.recording, "the REST body, whole");
        found.remove("participants.json").unwrap();
        assert_eq!(found, expected);
        assert_eq!(left_in(place.root.path()), ["fetched"]);
    }
}

#[tokio::test]
async fn the_events_json_comes_along_where_there_is_one_and_tokens_never_do() {
    let account = Account::start().await;
    let place = Place::of(&account.stub, "standup");
    let mut recording = place.recording.clone();
    recording["share_token"] = json!("s3cr3t");
    recording["something_new"] = json!({"x": 1});
    account.stub.add_recording(recording);
    let events = place.add_events();
    let fetched = place.fetch(&account, false).await.unwrap();
    assert!(fetched.has_events);
    let found = contents(&place.dir());
    assert_eq!(found["1767603600250.event.json"], events);
    let body = String::from_utf8(found["recording.json"].clone()).unwrap();
    assert!(body.contains("something_new") && !body.contains("s3cr3t"), "{body}");
}

#[tokio::test]
async fn an_anonymised_folder_has_nobody_in_it_and_is_read_the_same() {
    for name in ["standup", "edge", "rejoin", "wild"] {
        let account = Account::start().await;
        let place = Place::of(&account.stub, name);
        if name == "standup" {
            place.add_events();
        }
        let fetched = place.fetch(&account, true).await.unwrap();
        let original = RecordedFolder::open(&fixture(name)).unwrap();
        let ours = RecordedFolder::open(&place.dir()).unwrap();
        ours.require_speech_tracks().unwrap();

        let recording = original.only_recording();
        let rows: Value = serde_json::from_slice(&fs::read(fixture(name).join("participants.json")).unwrap()).unwrap();
        let mut secrets: BTreeSet<String> = BTreeSet::new();
        for row in rows["data"].as_array().unwrap() {
            secrets.extend(
                ["user_id", "participant_id", "user_name"]
                    .iter()
                    .filter_map(|field| row[field].as_str().map(str::to_owned)),
            );
        }
        secrets.extend([recording.id.to_string(), recording.meeting_id.as_ref().unwrap().to_string()]);
        secrets.extend(["fixture".to_owned(), name.to_owned(), "wrote this".to_owned()]);
        let found = contents(&place.dir());
        for (file, bytes) in &found {
            let text = if file.ends_with(".json") { String::from_utf8(bytes.clone()).unwrap() } else { String::new() };
            for secret in &secrets {
                assert!(!file.contains(secret) && !text.contains(secret), "{name}: {secret} is in {file}: {text}");
            }
        }
        for file in ["recording.json", "participants.json"] {
            assert!(found.contains_key(file));
        }
        assert_eq!(fetched.has_events, name == "standup");
        assert_eq!(found.contains_key("recording.event.json"), fetched.has_events);

        let new = ours.only_recording();
        assert_eq!((recording_start(new), new.duration), (recording_start(recording), recording.duration));
        let (old_names, new_names) = (original.names(), ours.names());
        let (mut sessions, mut people) = (BTreeMap::new(), BTreeMap::new());
        for (old, new) in recording_tracks(recording).iter().zip(recording_tracks(new)) {
            assert_eq!((old.kind, old.offset, old.size), (new.kind, new.offset, new.size));
            let files = (original.locate(&old.key), ours.locate(&new.key));
            assert_eq!(files.0.map(|file| fs::read(file).unwrap()), files.1.map(|file| fs::read(file).unwrap()));
            let (old, new) =
                (old.participant.as_ref().unwrap().as_str(), new.participant.as_ref().unwrap().to_string());
            assert_eq!(*sessions.entry(old.to_owned()).or_insert(new.clone()), new, "one session stays one");
            let name = (old_names.get(old), new_names.get(new.as_str()));
            assert_eq!(name.0.is_some(), name.1.is_some());
            if let (Some(old), Some(new)) = name {
                assert_eq!(*people.entry((*old).to_owned()).or_insert((*new).to_owned()), *new);
                assert!(new.starts_with("Speaker "), "{new}");
            }
        }
        assert_eq!(people.values().collect::<BTreeSet<_>>().len(), people.len(), "two people stay two");
    }
}

#[tokio::test]
async fn a_folder_with_something_in_it_is_never_touched() {
    let account = Account::start().await;
    let place = Place::of(&account.stub, "standup");
    fs::create_dir(place.dir()).unwrap();
    fs::write(place.dir().join("mine"), "x").unwrap();
    let error = place.fetch(&account, false).await.unwrap_err();
    assert!(matches!(error, FetchError::NotEmpty(_)) && error.class() == FailureClass::Permanent, "{error}");
    assert_eq!(contents(&place.dir()).len(), 1);
    assert!(account.stub.asked().is_empty());

    fs::remove_file(place.dir().join("mine")).unwrap();
    place.fetch(&account, false).await.unwrap();
    assert_eq!(contents(&place.dir()).len(), 5, "an empty folder is filled");
}

/// A bucket one of whose objects ends early, or breaks off.
struct Broken {
    inner: LocalFolder,
    breaks: bool,
}

impl Broken {
    fn broken_off() -> std::io::Error {
        std::io::Error::from(std::io::ErrorKind::ConnectionReset)
    }
}

struct BreaksOff(Box<dyn std::io::Read + Send>);

impl std::io::Read for BreaksOff {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(Broken::broken_off()),
            read => Ok(read),
        }
    }
}

#[async_trait]
impl Storage for Broken {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        let short = self.inner.open(key).await?.take(200_000);
        Ok(if self.breaks { Box::new(BreaksOff(Box::new(short))) } else { Box::new(short) })
    }
    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        self.inner.size(key).await
    }
    async fn put_file(&self, key: &ObjectKey, from: &Path) -> Result<(), StorageError> {
        self.inner.put_file(key, from).await
    }
    async fn put_bytes(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), StorageError> {
        self.inner.put_bytes(key, bytes).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        self.inner.list(prefix).await
    }
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.inner.delete(key).await
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_leaves_nothing_that_looks_whole() {
    for breaks in [false, true] {
        let account = Account::start().await;
        let place = Place::of(&account.stub, "standup");
        let objects = Broken { inner: place.storage(), breaks };
        let error = account.run(fetch(&account.client, &objects, place.wish(false), |_| {})).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Retryable, "{error}");
        assert_eq!(left_in(place.root.path()), [] as [String; 0]);
    }
}

#[tokio::test]
async fn stopping_in_the_middle_leaves_nothing() {
    let account = Account::start().await;
    let place = Place::of(&account.stub, "standup");
    let storage = place.storage();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let step = move |step| {
        if matches!(step, Step::Bytes(_)) {
            let _ = tell.send(());
        }
    };
    let stopped = account.run(async {
        tokio::select! {
            biased;
            _ = told.recv() => true,
            _ = fetch(&account.client, &storage, place.wish(false), step) => false,
        }
    });
    assert!(stopped.await);
    assert_eq!(left_in(place.root.path()), [] as [String; 0]);
}

#[tokio::test]
async fn what_can_not_be_fetched_is_refused_with_its_reason() {
    let account = Account::start().await;
    let place = Place::of(&account.stub, "standup");

    account.stub.not_finished_for(place.id(), 1);
    let error = place.fetch(&account, false).await.unwrap_err();
    assert!(error.class() == FailureClass::Retryable && error.to_string().contains("not finished"), "{error}");

    let key = place.recording["tracks"][1]["s3Key"].as_str().unwrap();
    let file = place.bucket().join(key);
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let error = place.fetch(&account, false).await.unwrap_err();
    assert!(error.class() == FailureClass::Permanent && error.to_string().contains(key), "{error}");
    fs::write(&file, bytes).unwrap();

    let mut odd = place.recording.clone();
    for (name, says) in [
        ("a/recording.json", "another file of the folder"),
        ("a/.hidden", "dot"),
        ("a/..", "dot"),
        (&format!("other/{}", key.rsplit('/').next().unwrap()), "same name"),
    ] {
        odd["tracks"][0]["s3Key"] = json!(name);
        account.stub.add_recording(odd.clone());
        let error = place.fetch(&account, false).await.unwrap_err();
        assert!(error.class() == FailureClass::Permanent && error.to_string().contains(says), "{name}: {error}");
    }
    odd["tracks"] = json!([]);
    odd["s3key"] = json!("a/cloud.mp4");
    account.stub.add_recording(odd);
    let error = place.fetch(&account, false).await.unwrap_err();
    assert!(error.to_string().contains("cloud recording"), "{error}");
    account.stub.remove_recording(place.id());
    let error = place.fetch(&account, false).await.unwrap_err();
    assert!(error.to_string().contains("no recording"), "{error}");
    assert_eq!(left_in(place.root.path()), [] as [String; 0]);
}

#[tokio::test]
async fn recordings_are_listed_by_room_and_time_as_far_as_needed() {
    let account = Account::start().await;
    let start = 1_767_000_000;
    let weekly = account.stub.add_made_up(230, start, "weekly-20251229092000");
    account.stub.add_folder(&fixture("standup"));
    let at = |seconds: u64| jiff::Timestamp::from_second(seconds as i64).ok();
    let find = async |filter: Filter| account.run(list(&account.client, &filter)).await.unwrap();

    let all = find(Filter { limit: 1000, ..Filter::default() }).await;
    assert_eq!((all.items.len(), all.more), (231, false));
    let first = &all.items[0];
    assert_eq!((first.kind, first.tracks, first.room_name.as_deref()), ("raw-tracks", 3, Some("fixture-standup")));
    assert_eq!(first.started_at.as_deref(), Some("2026-01-05T09:00:00Z"));

    let before = account.stub.times_asked("/recordings");
    let some = find(Filter { room: Some("weekly".into()), limit: 5, ..Filter::default() }).await;
    assert_eq!(some.items.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), weekly[..5]);
    assert!(some.more);
    let window = Filter { since: at(start - 300), until: at(start - 60), limit: 50, ..Filter::default() };
    let found = find(window).await;
    assert_eq!(found.items.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), weekly[2..=5]);
    assert_eq!(account.stub.times_asked("/recordings") - before, 2, "no page more than needed");
    assert_eq!(find(Filter { room: Some("week".into()), limit: 5, ..Filter::default() }).await.items, []);
}
