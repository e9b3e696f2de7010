//! What will not get better by asking again: permanent errors that name bucket and key, and what is wrong.

use trackscribe::failure::{Failure, FailureClass};
use trackscribe::secret::Secret;
use trackscribe::storage::{S3Settings, S3Storage, Storage, StorageError};

use super::s3::{ACCESS_KEY_ID, Fault, Operation, REGION, S3Server, SECRET_ACCESS_KEY};
use super::support::{BUCKET, impatient, key, place, settings, storage};

/// Everything that can be asked of a place. What is asked by HEAD has to be said by other means.
async fn all_errors(storage: &S3Storage) -> Vec<StorageError> {
    let key = key("a/key");
    vec![
        storage.open(&key).await.err().unwrap(),
        storage.put_bytes(&key, b"x").await.unwrap_err(),
        storage.delete(&key).await.unwrap_err(),
        storage.list("a/").await.unwrap_err(),
        storage.check().await.unwrap_err(),
        storage.size(&key).await.unwrap_err(),
    ]
}

#[track_caller]
fn assert_permanent(error: &StorageError, bucket: &str, says: &str) {
    let text = error.to_string();
    assert_eq!(error.class(), FailureClass::Permanent, "{text}");
    assert!(text.starts_with(&format!("s3://{bucket}/")) && text.contains(says), "{text}");
    for hidden in ["X-Amz-", "Signature=", SECRET_ACCESS_KEY] {
        assert!(!format!("{error:?} {text}").contains(hidden), "{text}");
    }
}

async fn assert_all_permanent(storage: &S3Storage, says: &str) {
    for error in all_errors(storage).await {
        assert_permanent(&error, BUCKET, says);
    }
}

#[tokio::test]
async fn a_missing_key_and_a_missing_bucket_are_named() {
    let server = S3Server::start(&[BUCKET]);
    let missing = storage(&server, BUCKET).open(&key("a/key")).await.err().unwrap();
    assert_permanent(&missing, BUCKET, "s3://tracks/a/key: there is no such object");

    let nowhere = storage(&server, "nowhere");
    for error in [
        nowhere.open(&key("a/key")).await.err().unwrap(),
        nowhere.put_bytes(&key("a/key"), b"x").await.unwrap_err(),
        nowhere.delete(&key("a/key")).await.unwrap_err(),
        nowhere.list("a/").await.unwrap_err(),
        nowhere.check().await.unwrap_err(),
    ] {
        assert_permanent(&error, "nowhere", "no such bucket");
    }
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_key_are_named() {
    let server = S3Server::start(&[BUCKET]);
    let with = |id: &str, secret: &str| {
        let settings = S3Settings {
            access_key_id: Some(Secret::new(id)),
            secret_access_key: Some(Secret::new(secret)),
            ..settings(&server)
        };
        S3Storage::new(place("s3://tracks", settings), impatient())
    };
    assert_all_permanent(&with(ACCESS_KEY_ID, "wrong"), "SignatureDoesNotMatch").await;
    let unknown = with("AKIDNOBODY", SECRET_ACCESS_KEY).check().await.unwrap_err();
    assert_permanent(&unknown, BUCKET, "credentials");
}

#[tokio::test]
async fn expired_credentials_are_named() {
    let server = S3Server::start(&[BUCKET]);
    let body = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>".to_owned();
    server.break_until_healed(None, Fault::Answer { status: 400, body });
    assert_all_permanent(&storage(&server, BUCKET), "ExpiredToken: The provided token has expired.").await;
}

#[tokio::test]
async fn denied_access_is_named_and_says_what_may_be_missing() {
    let server = S3Server::start(&[BUCKET]);
    server.break_until_healed(None, Fault::Denied);
    let storage = storage(&server, BUCKET);
    assert_all_permanent(&storage, "access denied").await;
    let error = storage.open(&key("a/key")).await.err().unwrap();
    assert_permanent(&error, BUCKET, "without the right to list");
    // No tries were wasted on it.
    assert_eq!(server.count(Operation::Put), 1);
}

#[tokio::test]
async fn the_wrong_region_is_named_and_so_is_the_right_one() {
    let server = S3Server::start(&[BUCKET]);
    server.break_until_healed(None, Fault::WrongRegion { right: "eu-west-3".to_owned() });
    assert_all_permanent(&storage(&server, BUCKET), &format!("not in region {REGION} but in eu-west-3")).await;
}
