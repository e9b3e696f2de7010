//! What every place that keeps objects promises.

use std::path::Path;

use trackscribe::storage::{LocalFolder, ObjectKey, Place, Storage, StorageError, open, open_source};

use super::s3::{ACCESS_KEY_ID, Operation, S3Server};
use super::support::{BUCKET, bytes, key, read_all, settings, storage};

/// Runs all promises on a place that is empty.
async fn keeps_its_promises(storage: &dyn Storage, scratch: &Path) {
    storage.check().await.unwrap();
    assert_eq!(storage.list("").await.unwrap(), []);
    objects_of_all_lengths_come_back(storage, scratch).await;
    keys_of_all_scripts_are_kept_apart(storage).await;
    an_object_is_replaced_and_deleted(storage, scratch).await;
    assert_eq!(storage.list("").await.unwrap(), []);
}

async fn objects_of_all_lengths_come_back(storage: &dyn Storage, scratch: &Path) {
    // The last two are sent to S3 in one go and in three parts.
    for length in [0, 1, 70_000, 16 << 20, (16 << 20) + 1] {
        let (key, whole) = (key("lengths/object"), bytes(length));
        let file = scratch.join("made");
        std::fs::write(&file, &whole).unwrap();
        storage.put_file(&key, &file).await.unwrap();
        assert_eq!(storage.size(&key).await.unwrap(), Some(length as u64));
        assert!(read_all(storage.open(&key).await.unwrap()).await.unwrap() == whole, "{length} bytes");
        storage.put_bytes(&key, &whole[..length.min(100)]).await.unwrap();
        assert_eq!(storage.read(&key, 100).await.unwrap(), &whole[..length.min(100)]);
        if length > 1 {
            let error = storage.read(&key, 1).await.unwrap_err();
            assert!(matches!(error, StorageError::TooLarge { limit: 1, .. }), "{error}");
        }
    }
    storage.delete(&key("lengths/object")).await.unwrap();
}

async fn keys_of_all_scripts_are_kept_apart(storage: &dyn Storage) {
    let names = [
        "a",
        "a b/ c",
        "ab",
        "mötley/crüe",
        "percent/%20",
        "plus/+ and & = ? #",
        "domain/room-20260101/1700000000000-0b9e-cam-audio-1700000001234",
        "会議/録音",
    ];
    let mut keys: Vec<ObjectKey> = names.map(key).to_vec();
    keys.sort_unstable();
    for key in &keys {
        storage.put_bytes(key, key.as_str().as_bytes()).await.unwrap();
    }
    assert_eq!(storage.list("").await.unwrap(), keys);
    assert_eq!(storage.list("a").await.unwrap(), [key("a"), key("a b/ c"), key("ab")]);
    assert_eq!(storage.list("mötley/").await.unwrap(), [key("mötley/crüe")]);
    assert_eq!(storage.list("nothing/").await.unwrap(), []);
    for key in &keys {
        assert_eq!(storage.read(key, 1000).await.unwrap(), key.as_str().as_bytes());
        storage.delete(key).await.unwrap();
    }
}

async fn an_object_is_replaced_and_deleted(storage: &dyn Storage, scratch: &Path) {
    let key = key("replaced/object");
    let missing = storage.open(&key).await.err().expect("it was never written");
    assert!(matches!(missing, StorageError::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains(key.as_str()), "{missing}");
    assert_eq!(storage.size(&key).await.unwrap(), None);

    storage.put_bytes(&key, b"the first one").await.unwrap();
    std::fs::write(scratch.join("second"), b"second").unwrap();
    storage.put_file(&key, &scratch.join("second")).await.unwrap();
    assert_eq!(storage.read(&key, 100).await.unwrap(), b"second");
    assert_eq!(storage.size(&key).await.unwrap(), Some(6));

    storage.delete(&key).await.unwrap();
    storage.delete(&key).await.unwrap();
    assert_eq!(storage.size(&key).await.unwrap(), None);
    let nothing = storage.put_file(&key, &scratch.join("nothing")).await.unwrap_err();
    assert!(matches!(nothing, StorageError::Io { .. }), "{nothing}");
}

#[tokio::test]
async fn a_local_folder_keeps_its_promises() {
    let root = tempfile::tempdir().unwrap();
    let folder = LocalFolder::open(root.path().join("objects")).unwrap();
    keeps_its_promises(&folder, &folder.scratch()).await;
}

#[tokio::test]
async fn a_bucket_keeps_its_promises() {
    let (server, scratch) = (S3Server::start(&[BUCKET]), tempfile::tempdir().unwrap());
    keeps_its_promises(&storage(&server, BUCKET), scratch.path()).await;
    assert_eq!(server.count(Operation::CreateUpload), 1);
    assert_eq!(server.count(Operation::UploadPart), 3);
    assert_eq!(server.unfinished_parts(), 0);
}

#[tokio::test]
async fn below_a_prefix_only_its_own_objects_are_seen() {
    let (server, scratch) = (S3Server::start(&[BUCKET]), tempfile::tempdir().unwrap());
    let whole = storage(&server, BUCKET);
    for beside in ["deep/pre/fixed", "deep/prefix", "deep/prefix2/a", "deep/prefix/"] {
        let file = server.folder(BUCKET).join(beside);
        if beside.ends_with('/') {
            std::fs::remove_file(server.folder(BUCKET).join("deep/prefix")).unwrap();
            std::fs::create_dir_all(file).unwrap();
        } else {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, b"x").unwrap();
        }
    }
    let part = storage(&server, &format!("{BUCKET}/deep/prefix"));
    keeps_its_promises(&part, scratch.path()).await;
    part.put_bytes(&key("in/it"), b"y").await.unwrap();
    assert_eq!(part.list("in").await.unwrap(), [key("in/it")]);
    assert_eq!(whole.read(&key("deep/prefix/in/it"), 1).await.unwrap(), b"y");
    assert_eq!(whole.list("deep/prefix").await.unwrap(), [key("deep/prefix/in/it"), key("deep/prefix2/a")]);
}

#[tokio::test]
async fn long_lists_come_whole() {
    let server = S3Server::start(&[BUCKET]);
    let folder = server.folder(BUCKET).join("many");
    std::fs::create_dir(&folder).unwrap();
    for number in 0..2_100 {
        std::fs::write(folder.join(format!("{number:05}")), b"").unwrap();
    }
    let keys = storage(&server, BUCKET).list("many/").await.unwrap();
    assert_eq!((keys.len(), keys.last()), (2_100, Some(&key("many/02099"))));
    assert!(keys.is_sorted());
    assert_eq!(server.count(Operation::List), 3);
}

#[tokio::test]
async fn places_open_by_their_addresses() {
    let (server, root) = (S3Server::start(&[BUCKET]), tempfile::tempdir().unwrap());
    let bucket = Place::parse(&format!("s3://{BUCKET}/x").parse().unwrap(), settings(&server)).unwrap();
    let folder = url::Url::from_file_path(root.path().join("made")).unwrap();
    let folder = Place::parse(&folder, settings(&server)).unwrap();
    assert!(matches!(open_source(&folder), Err(StorageError::MissingFolder { .. })));
    for place in [&bucket, &folder] {
        let storage = open(place).unwrap();
        storage.put_bytes(&key("recording/track"), b"sound").await.unwrap();
        let source = open_source(place).unwrap();
        source.check().await.unwrap();
        assert_eq!(source.read(&key("recording/track"), 10).await.unwrap(), b"sound");
    }
}

#[tokio::test]
async fn a_presigned_address_is_read_without_credentials_and_does_not_print_itself() {
    // A process with one provider takes it of itself; whoever installed it first did the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (server, root) = (S3Server::start(&[BUCKET]), tempfile::tempdir().unwrap());
    let storage = storage(&server, &format!("{BUCKET}/pre fix"));
    let hour = std::time::Duration::from_secs(3600);
    for name in ["a/track", "ö/ä b?c#d%20+"] {
        storage.put_bytes(&key(name), name.as_bytes()).await.unwrap();
        let address = storage.presign(&key(name), hour).await.unwrap().expect("S3 has them");
        assert!(!format!("{address:?}").contains("X-Amz"));
        let got = reqwest::get(address.reveal()).await.unwrap().error_for_status().unwrap();
        assert_eq!(got.bytes().await.unwrap(), name.as_bytes());
        let unsigned = address.reveal().split_once('?').unwrap().0;
        assert_eq!(reqwest::get(unsigned).await.unwrap().status(), 403);
    }
    let too_long = storage.presign(&key("a/track"), 24 * 30 * hour).await.unwrap_err();
    assert!(too_long.to_string().contains("week"), "{too_long}");
    let folder = LocalFolder::open(root.path()).unwrap();
    assert_eq!(folder.presign(&key("a"), hour).await.unwrap(), None);
}

#[tokio::test]
async fn u25_a_presigned_address_in_an_error_is_redacted() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = S3Server::start(&[BUCKET]);
    let storage = storage(&server, BUCKET);
    let address = storage.presign(&key("a/track"), std::time::Duration::from_secs(60)).await.unwrap().unwrap();
    // Missing, and then out of reach: both errors quote what was asked.
    let mut errors = vec![reqwest::get(address.reveal()).await.unwrap().error_for_status().unwrap_err()];
    server.down();
    errors.push(reqwest::get(address.reveal()).await.unwrap_err());
    for error in errors {
        assert!(error.to_string().contains("X-Amz-Signature="), "{error}");
        for told in [error.to_string(), format!("{error:?}")] {
            let shown = trackscribe::secret::redacted(&told);
            assert!(!shown.contains("X-Amz-") && !shown.contains(ACCESS_KEY_ID), "{shown}");
        }
        let shown = trackscribe::secret::redacted(&error.to_string());
        assert!(shown.contains("/tracks/a/track?…"), "{shown}");
    }
}
