//! Credentials that are not set: the standard chain, and a role. Its environment is a process's own, so each test runs
//! itself again in a process with the environment it is about.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use trackscribe::failure::{Failure, FailureClass};
use trackscribe::storage::{S3Settings, S3Storage, Storage, StorageError};

use super::s3::{ACCESS_KEY_ID, Fault, Operation, REGION, S3Server, SECRET_ACCESS_KEY};
use super::support::{BUCKET, impatient, key, place};

/// Set in the process that a test starts: the server's address.
const ENDPOINT: &str = "TRACKSCRIBE_TEST_ENDPOINT";

/// Runs the test of that name in a process that has nothing of AWS's in its environment but `set`.
fn in_a_process(test: &str, server: &S3Server, set: &[(&str, &str)]) {
    let home = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        process.env_remove(name);
    }
    process.args(["--exact", test, "--nocapture"]).env(ENDPOINT, server.endpoint()).env("HOME", home.path());
    // There is no machine to ask for a role in a test.
    process.env("AWS_EC2_METADATA_DISABLED", "true").envs(set.iter().copied());
    let output = process.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// In that process: the bucket of that name on AWS itself, with no settings at all.
fn bucket_of_aws() -> Option<S3Storage> {
    std::env::var(ENDPOINT).ok()?;
    Some(S3Storage::new(place(&format!("s3://{BUCKET}"), S3Settings::default()), impatient()))
}

/// In that process: the bucket, with no settings but these.
fn bucket(settings: S3Settings) -> Option<S3Storage> {
    let endpoint = std::env::var(ENDPOINT).ok()?;
    let settings = S3Settings { endpoint: Some(endpoint.parse().unwrap()), ..settings };
    Some(S3Storage::new(place(&format!("s3://{BUCKET}"), settings), impatient()))
}

#[tokio::test]
async fn credentials_and_region_come_from_the_environment() {
    let Some(storage) = bucket(S3Settings::default()) else {
        let server = S3Server::start(&[BUCKET]);
        let set = [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_REGION", REGION),
        ];
        return in_a_process("chain::credentials_and_region_come_from_the_environment", &server, &set);
    };
    storage.put_bytes(&key("a"), b"x").await.unwrap();
    let address = storage.presign(&key("a"), std::time::Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(address.reveal().contains(REGION), "the region is not the environment's");
}

#[tokio::test]
async fn credentials_and_region_come_from_a_profile() {
    let Some(storage) = bucket(S3Settings::default()) else {
        let (server, folder) = (S3Server::start(&[BUCKET]), tempfile::tempdir().unwrap());
        let (config, credentials) = (folder.path().join("config"), folder.path().join("credentials"));
        std::fs::write(&config, format!("[profile meetings]\nregion = {REGION}\n")).unwrap();
        let keys = format!("aws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n");
        std::fs::write(&credentials, format!("[meetings]\n{keys}")).unwrap();
        let set = [
            ("AWS_PROFILE", "meetings"),
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ];
        return in_a_process("chain::credentials_and_region_come_from_a_profile", &server, &set);
    };
    storage.check().await.unwrap();
}

#[tokio::test]
async fn credentials_come_from_the_container() {
    let Some(storage) = bucket(S3Settings::default()) else {
        let server = S3Server::start(&[BUCKET]);
        let keys = serde_json::json!({
            "AccessKeyId": ACCESS_KEY_ID, "SecretAccessKey": SECRET_ACCESS_KEY,
            "Token": "token", "Expiration": "2099-01-01T00:00:00Z",
        });
        server.break_next(1, Some(Operation::Other), Fault::Answer { status: 200, body: keys.to_string() });
        let address = format!("{}/role", server.endpoint());
        let set = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str())];
        return in_a_process("chain::credentials_come_from_the_container", &server, &set);
    };
    storage.check().await.unwrap();
}

#[tokio::test]
async fn the_region_of_a_bucket_of_aws_comes_from_the_environment() {
    let Some(storage) = bucket_of_aws() else {
        let server = S3Server::start(&[]);
        let set = [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_REGION", "eu-north-1"),
        ];
        return in_a_process("chain::the_region_of_a_bucket_of_aws_comes_from_the_environment", &server, &set);
    };
    // Signed here; nobody is asked.
    let address = storage.presign(&key("a"), Duration::from_secs(60)).await.unwrap().unwrap();
    let expected = "https://tracks.s3.eu-north-1.amazonaws.com/a?";
    assert!(address.reveal().starts_with(expected), "{:?}", address.reveal().split_once('?'));
}

/// Answers as the metadata service of a machine of AWS's does, for which a token is got first. Ends with the test.
fn metadata_service(region: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = BufReader::new(connection.unwrap());
            let mut head = String::new();
            while connection.read_line(&mut head).unwrap() > 2 {}
            let body = if head.starts_with("PUT /latest/api/token ") {
                "token"
            } else {
                assert!(head.starts_with("GET /latest/meta-data/placement/region "), "{head}");
                region
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\n\
                 content-length: {length}\r\n\r\n{body}"
            );
            connection.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

#[tokio::test]
async fn the_region_of_a_bucket_of_aws_comes_from_the_machine() {
    let Some(storage) = bucket_of_aws() else {
        let (server, metadata) = (S3Server::start(&[]), metadata_service("ap-south-1"));
        let set = [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_EC2_METADATA_DISABLED", "false"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str()),
        ];
        return in_a_process("chain::the_region_of_a_bucket_of_aws_comes_from_the_machine", &server, &set);
    };
    let address = storage.presign(&key("a"), Duration::from_secs(60)).await.unwrap().unwrap();
    let expected = "https://tracks.s3.ap-south-1.amazonaws.com/a?";
    assert!(address.reveal().starts_with(expected), "{:?}", address.reveal().split_once('?'));
}

#[tokio::test]
async fn no_region_at_all_is_a_permanent_error_that_names_the_setting() {
    let Some(storage) = bucket_of_aws() else {
        let server = S3Server::start(&[]);
        let set = [("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)];
        return in_a_process("chain::no_region_at_all_is_a_permanent_error_that_names_the_setting", &server, &set);
    };
    for error in [storage.check().await.unwrap_err(), storage.open(&key("a")).await.err().unwrap()] {
        assert_eq!(error.class(), FailureClass::Permanent, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("s3://tracks/") && text.contains("STORAGE_REGION"), "{text}");
    }
}

fn role() -> S3Settings {
    S3Settings { role_arn: Some("arn:aws:iam::123456789012:role/tracks".to_owned()), ..S3Settings::default() }
}

/// What the security token service answers, and how to reach the one that stands in for it.
fn sts(server: &S3Server) -> [(&'static str, String); 4] {
    [
        ("AWS_ACCESS_KEY_ID", "AKIDBASE".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "base".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ENDPOINT_URL_STS", server.endpoint()),
    ]
}

#[tokio::test]
async fn a_role_is_assumed() {
    let Some(storage) = bucket(role()) else {
        let server = S3Server::start(&[BUCKET]);
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>{ACCESS_KEY_ID}</AccessKeyId><SecretAccessKey>{SECRET_ACCESS_KEY}</SecretAccessKey>\
             <SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
             </Credentials></AssumeRoleResult></AssumeRoleResponse>"
        );
        server.break_next(1, Some(Operation::Other), Fault::Answer { status: 200, body });
        let set = sts(&server);
        let set: Vec<_> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
        in_a_process("chain::a_role_is_assumed", &server, &set);
        // Once for both requests.
        assert_eq!((server.count(Operation::Other), server.count(Operation::List)), (1, 2));
        return;
    };
    storage.check().await.unwrap();
    storage.check().await.unwrap();
}

#[tokio::test]
async fn a_role_that_is_refused_is_a_permanent_error() {
    let Some(storage) = bucket(role()) else {
        let server = S3Server::start(&[BUCKET]);
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error>\
                    </ErrorResponse>";
        server.break_until_healed(Some(Operation::Other), Fault::Answer { status: 403, body: body.to_owned() });
        let set = sts(&server);
        let set: Vec<_> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
        return in_a_process("chain::a_role_that_is_refused_is_a_permanent_error", &server, &set);
    };
    let error = storage.check().await.unwrap_err();
    assert!(matches!(error, StorageError::BadCredentials { .. }), "{error}");
    assert_eq!(error.class(), FailureClass::Permanent);
}

#[tokio::test]
async fn a_role_without_credentials_to_assume_it_with_is_a_permanent_error() {
    let Some(storage) = bucket(role()) else {
        let server = S3Server::start(&[BUCKET]);
        let sts = server.endpoint();
        let set = [("AWS_REGION", REGION), ("AWS_ENDPOINT_URL_STS", sts.as_str())];
        return in_a_process("chain::a_role_without_credentials_to_assume_it_with_is_a_permanent_error", &server, &set);
    };
    let error = storage.check().await.unwrap_err();
    assert!(matches!(error, StorageError::BadCredentials { .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("s3://tracks/") && text.contains("none to assume the role with"), "{text}");
    assert!(text.contains("ACCESS_KEY_ID"), "{text}");
}

#[tokio::test]
async fn a_role_whose_credentials_are_wrong_is_a_permanent_error() {
    let Some(storage) = bucket(role()) else {
        let server = S3Server::start(&[BUCKET]);
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>\
                    <Message>who is that</Message></Error></ErrorResponse>";
        server.break_until_healed(Some(Operation::Other), Fault::Answer { status: 403, body: body.to_owned() });
        let set = sts(&server);
        let set: Vec<_> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
        return in_a_process("chain::a_role_whose_credentials_are_wrong_is_a_permanent_error", &server, &set);
    };
    let error = storage.check().await.unwrap_err();
    assert!(matches!(error, StorageError::BadCredentials { .. }), "{error}");
}

#[tokio::test]
async fn a_token_service_that_is_down_may_be_back() {
    let Some(storage) = bucket(role()) else {
        let server = S3Server::start(&[BUCKET]);
        server.break_until_healed(Some(Operation::Other), Fault::Unavailable);
        let set = sts(&server);
        let set: Vec<_> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
        return in_a_process("chain::a_token_service_that_is_down_may_be_back", &server, &set);
    };
    let error = storage.check().await.unwrap_err();
    assert_eq!(error.class(), FailureClass::Retryable, "{error}");
}

#[tokio::test]
async fn a_container_whose_credentials_can_not_be_asked_for_may_be_back() {
    for with_role in [false, true] {
        let Some(storage) = bucket(if with_role { role() } else { S3Settings::default() }) else {
            let server = S3Server::start(&[BUCKET]);
            // Nobody listens there any more.
            let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let (address, sts) = (format!("http://{gone}/role"), server.endpoint());
            let set = [
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str()),
                ("AWS_REGION", REGION),
                ("AWS_ENDPOINT_URL_STS", sts.as_str()),
            ];
            in_a_process("chain::a_container_whose_credentials_can_not_be_asked_for_may_be_back", &server, &set);
            return;
        };
        let error = storage.check().await.unwrap_err();
        assert_eq!(error.class(), FailureClass::Retryable, "{error}");
    }
}

#[tokio::test]
async fn no_credentials_at_all_are_a_permanent_error() {
    let Some(storage) = bucket(S3Settings::default()) else {
        let server = S3Server::start(&[BUCKET]);
        return in_a_process("chain::no_credentials_at_all_are_a_permanent_error", &server, &[]);
    };
    let error = storage.check().await.unwrap_err();
    assert!(matches!(error, StorageError::BadCredentials { .. }), "{error}");
    assert!(error.to_string().starts_with("s3://tracks/"), "{error}");
}
