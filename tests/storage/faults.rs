//! A server that fails for a while: what is bridged, and what becomes an error that may pass.

use std::io;
use std::time::Duration;

use trackscribe::failure::{Cause, Failure, FailureClass, classify};
use trackscribe::storage::{ObjectReader, S3Storage, Storage, StorageError};

use super::s3::{Fault, Operation, S3Server};
use super::support::{BUCKET, bytes, key, read_all, storage, until};

const MIB: usize = 1 << 20;

/// A bucket with one object, `track`.
async fn with_track(length: usize) -> (S3Server, S3Storage, Vec<u8>) {
    let server = S3Server::start(&[BUCKET]);
    let storage = storage(&server, BUCKET);
    let whole = bytes(length);
    storage.put_bytes(&key("track"), &whole).await.unwrap();
    server.forget();
    (server, storage, whole)
}

async fn opened(storage: &S3Storage) -> ObjectReader {
    storage.open(&key("track")).await.unwrap()
}

fn storage_error(error: &io::Error) -> &StorageError {
    error.get_ref().and_then(|error| error.downcast_ref()).expect("made by storage")
}

/// An error that the engine may try again, with a name in it.
#[track_caller]
fn assert_may_pass(error: &io::Error) {
    assert_eq!(classify(Cause::Io(error.kind())), FailureClass::Retryable, "{error}");
    assert!(error.to_string().starts_with("s3://tracks/track: "), "{error}");
}

#[tokio::test]
async fn s3_answers_503_for_a_while_and_then_cuts_a_body_in_the_middle() {
    let (server, storage, whole) = with_track(3 * MIB).await;
    server.break_next(2, Some(Operation::Get), Fault::Unavailable);
    server.break_next(1, Some(Operation::Get), Fault::CutBody { after: 1_000_000 });
    server.break_next(1, Some(Operation::Get), Fault::Unavailable);
    assert!(read_all(opened(&storage).await).await.unwrap() == whole);
    let ranges: Vec<_> = server.requests().into_iter().map(|seen| seen.range).collect();
    let rest = Some("bytes=1000000-".to_owned());
    assert_eq!(ranges, [None, None, None, rest.clone(), rest]);
}

#[tokio::test]
async fn a_body_cut_again_and_again_is_read_whole_while_bytes_come() {
    let (server, storage, whole) = with_track(MIB).await;
    server.break_next(20, Some(Operation::Get), Fault::CutBody { after: 50_000 });
    assert!(read_all(opened(&storage).await).await.unwrap() == whole);
    assert_eq!(server.count(Operation::Get), 21);
}

#[tokio::test]
async fn a_body_that_never_goes_on_is_an_error_that_may_pass() {
    let (server, storage, _) = with_track(MIB).await;
    server.break_next(1, None, Fault::CutBody { after: 300_000 });
    server.break_until_healed(None, Fault::CutBody { after: 0 });
    let error = read_all(opened(&storage).await).await.unwrap_err();
    assert_may_pass(&error);
    assert!(error.to_string().contains("at byte 300000 of 1048576"), "{error}");
    assert_eq!(server.count(Operation::Get), 1 + 3);
}

#[tokio::test]
async fn a_stalled_body_is_taken_up_again() {
    let (server, storage, whole) = with_track(MIB).await;
    server.break_next(1, None, Fault::StallBody { after: 300_000 });
    assert!(read_all(opened(&storage).await).await.unwrap() == whole);
    assert_eq!(server.requests()[1].range.as_deref(), Some("bytes=300000-"));
}

#[tokio::test]
async fn a_slow_reader_is_no_stalled_body() {
    let (server, storage, whole) = with_track(12 * MIB).await;
    let reader = opened(&storage).await;
    // Longer than a stall: channel and sockets are full, and the network has to wait.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(read_all(reader).await.unwrap() == whole);
    assert_eq!(server.count(Operation::Get), 1);
}

#[tokio::test]
async fn an_object_replaced_while_it_is_read_is_an_error_and_no_mix() {
    let (server, storage, _) = with_track(3 * MIB).await;
    server.break_next(1, Some(Operation::Get), Fault::CutBody { after: 1_000_000 });
    let reader = opened(&storage).await;
    storage.put_bytes(&key("track"), &vec![7; 3 * MIB]).await.unwrap();
    let error = read_all(reader).await.unwrap_err();
    assert!(matches!(storage_error(&error), StorageError::Replaced { .. }), "{error}");
    assert_may_pass(&error);
    assert!(read_all(opened(&storage).await).await.unwrap() == vec![7; 3 * MIB]);
}

#[tokio::test]
async fn an_object_deleted_while_it_is_read_is_missing_for_good() {
    let (server, storage, _) = with_track(3 * MIB).await;
    server.break_next(1, Some(Operation::Get), Fault::CutBody { after: 1_000_000 });
    let reader = opened(&storage).await;
    storage.delete(&key("track")).await.unwrap();
    let error = read_all(reader).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_error_that_may_pass_and_passes() {
    let (server, storage, whole) = with_track(12 * MIB).await;
    let reader = opened(&storage).await;
    server.down();
    assert_may_pass(&read_all(reader).await.unwrap_err());
    for error in [
        storage.open(&key("track")).await.err().unwrap(),
        storage.size(&key("track")).await.unwrap_err(),
        storage.put_bytes(&key("track"), b"x").await.unwrap_err(),
        storage.delete(&key("track")).await.unwrap_err(),
        storage.list("").await.unwrap_err(),
        storage.check().await.unwrap_err(),
    ] {
        assert_eq!(error.class(), FailureClass::Retryable, "{error}");
        assert!(error.to_string().starts_with("s3://tracks/"), "{error}");
    }
    server.up();
    assert!(read_all(opened(&storage).await).await.unwrap() == whole);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_an_error_that_may_pass() {
    let (server, _, _) = with_track(10).await;
    let patience =
        trackscribe::storage::Patience { first_byte: Duration::from_millis(50), ..super::support::impatient() };
    let place = super::support::place(&format!("s3://{BUCKET}"), super::support::settings(&server));
    let storage = S3Storage::new(place, patience);
    server.break_until_healed(None, Fault::Hang);
    let error = storage.open(&key("track")).await.err().unwrap();
    assert_eq!(error.class(), FailureClass::Retryable, "{error}");
    assert_eq!(server.count(Operation::Get), 3);
}

#[tokio::test]
async fn a_dropped_reader_stops_what_feeds_it() {
    let (server, storage, _) = with_track(12 * MIB).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    for fault in [None, Some(Fault::StallBody { after: 1_000 }), Some(Fault::CutBody { after: 1_000 })] {
        let before = metrics.num_alive_tasks();
        if let Some(fault) = fault {
            server.break_until_healed(Some(Operation::Get), fault);
        }
        drop(opened(&storage).await);
        until(|| metrics.num_alive_tasks() <= before).await;
        server.heal();
    }
}

#[tokio::test]
async fn writing_survives_503_for_a_while() {
    let (server, storage, _) = with_track(1).await;
    let (scratch, whole) = (tempfile::NamedTempFile::new().unwrap(), bytes(20 * MIB));
    std::fs::write(scratch.path(), &whole).unwrap();
    for operation in [Operation::CreateUpload, Operation::UploadPart, Operation::CompleteUpload, Operation::Put] {
        server.break_next(2, Some(operation), Fault::Unavailable);
    }
    storage.put_file(&key("made"), scratch.path()).await.unwrap();
    storage.put_bytes(&key("small"), b"small").await.unwrap();
    assert!(read_all(storage.open(&key("made")).await.unwrap()).await.unwrap() == whole);
    assert_eq!(server.count(Operation::AbortUpload), 0);
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted_and_leaves_the_old_object() {
    let (server, storage, whole) = with_track(MIB).await;
    let scratch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(scratch.path(), bytes(20 * MIB)).unwrap();
    for (operation, fault, class) in [
        (Operation::UploadPart, Fault::Unavailable, FailureClass::Retryable),
        (Operation::CompleteUpload, Fault::Unavailable, FailureClass::Retryable),
        (Operation::UploadPart, Fault::Denied, FailureClass::Permanent),
    ] {
        server.forget();
        server.break_until_healed(Some(operation), fault);
        let error = storage.put_file(&key("track"), scratch.path()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert_eq!((server.count(Operation::AbortUpload), server.unfinished_parts()), (1, 0));
        server.heal();
        assert!(read_all(opened(&storage).await).await.unwrap() == whole);
    }
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_aborted() {
    let (server, storage, _) = with_track(1).await;
    let scratch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(scratch.path(), bytes(20 * MIB)).unwrap();
    server.break_until_healed(Some(Operation::UploadPart), Fault::Hang);
    let (path, writer) = (scratch.path().to_owned(), storage.clone());
    let upload = tokio::spawn(async move { writer.put_file(&key("made"), &path).await });
    until(|| server.count(Operation::UploadPart) == 1).await;
    upload.abort();
    until(|| server.count(Operation::AbortUpload) == 1).await;
    assert_eq!(storage.size(&key("made")).await.unwrap(), None);
}

#[tokio::test]
async fn in_a_bucket_that_keeps_old_versions_all_of_them_are_deleted() {
    let (server, storage, _) = with_track(1).await;
    let page = |more: &str, entries: &str| {
        let body = format!("<ListVersionsResult>{more}{entries}</ListVersionsResult>");
        server.break_next(1, Some(Operation::Other), Fault::Answer { status: 200, body });
    };
    let entry =
        |kind: &str, key: &str, id: &str| format!("<{kind}><Key>{key}</Key><VersionId>{id}</VersionId></{kind}>");
    server.break_next(1, Some(Operation::Delete), Fault::MarkedDeleted);
    page(
        "<IsTruncated>true</IsTruncated><NextKeyMarker>track</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>",
        &[entry("DeleteMarker", "track", "marker"), entry("Version", "track", "v2")].concat(),
    );
    page("", &[entry("Version", "track", "v1"), entry("Version", "track2", "not-ours")].concat());
    storage.delete(&key("track")).await.unwrap();
    let deleted: Vec<_> = server.requests().into_iter().filter(|seen| seen.operation == Operation::Delete).collect();
    let ids = deleted.iter().filter_map(|seen| seen.target.split_once("versionId="));
    let ids: Vec<_> = ids.map(|(_, rest)| rest.split('&').next().unwrap()).collect();
    assert_eq!(ids, ["v2", "marker", "v1"]);
    assert_eq!(deleted.len(), 4);

    server.break_next(1, Some(Operation::Delete), Fault::MarkedDeleted);
    server.break_next(1, Some(Operation::Other), Fault::Denied);
    let error = storage.delete(&key("track")).await.unwrap_err();
    assert!(matches!(error, StorageError::Denied { .. }), "what may still be there is not called deleted: {error}");
}

#[tokio::test]
async fn keys_of_which_only_older_versions_are_left_are_listed_where_that_is_asked_for() {
    let (server, storage, _) = with_track(1).await;
    let versions = |ids: &[&str]| {
        let entry = |id: &&str| format!("<Version><Key>{id}</Key><VersionId>v</VersionId></Version>");
        let body = format!("<ListVersionsResult>{}</ListVersionsResult>", ids.iter().map(entry).collect::<String>());
        server.break_next(1, Some(Operation::Other), Fault::Answer { status: 200, body });
    };
    versions(&["gone", "track"]);
    assert_eq!(storage.list_ever("").await.unwrap(), [key("gone"), key("track")]);
    assert_eq!(storage.list("").await.unwrap(), [key("track")]);
    // Whoever may not ask, or asks a service that keeps none, sees what there is.
    server.break_next(1, Some(Operation::Other), Fault::Denied);
    assert_eq!(storage.list_ever("").await.unwrap(), [key("track")]);
    assert_eq!(storage.list_ever("").await.unwrap(), [key("track")], "501");
}
