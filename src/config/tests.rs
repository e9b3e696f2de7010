//! Settings from maps: defaults, what is refused and how it is told.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Settings as if from a file for this program (`ours`), or from an environment.
struct Given<'a> {
    set: BTreeMap<&'a str, &'a str>,
    ours: bool,
}

impl Strings for Given<'_> {
    fn get(&self, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.set.get(name).map(|value| (*value).to_owned()).filter(|value| !value.is_empty()))
    }

    fn names(&self) -> Vec<String> {
        self.set.keys().map(|name| (*name).to_owned()).collect()
    }

    fn is_ours(&self, _: &str) -> bool {
        self.ours
    }
}

fn read(set: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::read(&Given { set: set.iter().copied().collect(), ours: false })
}

fn refused(set: &[(&str, &str)]) -> String {
    read(set).expect_err(&format!("{set:?}")).to_string()
}

#[test]
fn nothing_set_gives_defaults() {
    let config = read(&[]).unwrap();
    assert_eq!((config.provider, config.speech_threads), (Provider::None, 1));
    assert_eq!(config.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(config.daily.api, DailyApi::Rest("https://api.daily.co/v1".to_owned()));
    assert_eq!((config.speech_language.as_str(), config.rooms), ("auto", None));
    assert_eq!(config.poll_interval, Some(Duration::from_secs(60)));
    assert!(config.cpu_threads >= 1 && config.warnings.is_empty());
}

#[test]
fn what_is_set_is_read() {
    let config = read(&[
        ("BIND", "[::1]:9000"),
        ("DATABASE_URL", "postgres://me:secret@db/x"),
        ("STORAGE_URL", "s3://ours/below/here"),
        ("STORAGE_ENDPOINT", "http://localhost:9000"),
        ("STORAGE_PATH_STYLE", "false"),
        ("STORAGE_ACCESS_KEY_ID", "id"),
        ("STORAGE_SECRET_ACCESS_KEY", "key"),
        ("DAILY_STORAGE_URL", "s3://theirs"),
        ("DAILY_STORAGE_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("DAILY_API_URL", "http://stub:1/v1/"),
        ("DAILY_WEBHOOK_SECRET", "c2VjcmV0"),
        ("ROOMS", "standup-*"),
        ("POLL_INTERVAL", "off"),
    ])
    .unwrap();
    assert_eq!(config.bind.port(), 9000);
    assert_eq!(config.database_url.unwrap().reveal(), "postgres://me:secret@db/x");
    assert_eq!((config.storage.s3.path_style, config.daily_storage.s3.path_style), (Some(false), None));
    assert_eq!(config.storage.s3.secret_access_key.unwrap().reveal(), "key");
    assert_eq!(config.daily.api, DailyApi::Rest("http://stub:1/v1".to_owned()));
    assert_eq!(config.rooms, Some(Rooms::Pattern(Patterns("standup-*".to_owned()))));
    for (text, rooms) in [("ALL", Rooms::All), ("Configured", Rooms::Configured)] {
        assert_eq!(read(&[("ROOMS", text)]).unwrap().rooms, Some(rooms));
    }
    assert_eq!(config.poll_interval, None);
    let folders = read(&[("DAILY_API_URL", "file:///a/b")]).unwrap().daily.api;
    assert_eq!(folders, DailyApi::Folders(Path::new("/a/b").to_owned()));
}

#[test]
fn what_is_malformed_is_named_with_what_it_should_be() {
    for (name, value, says) in [
        ("BIND", "8080", "0.0.0.0:8080"),
        ("DURABLE_WORKFLOW_PROVIDER", "celery", "hatchet"),
        ("SPEECH_THREADS", "0", "from 1"),
        ("CPU_THREADS", "many", "from 1"),
        ("STORAGE_URL", "ftp://x/y", "s3://"),
        ("STORAGE_URL", "s3:///prefix", "bucket"),
        ("STORAGE_URL", "s3://id:key@bucket", "settings for keys"),
        ("DAILY_STORAGE_URL", "file://host/x", "absolute path"),
        ("DATABASE_URL", "not a url", "postgres://"),
        ("DATABASE_URL", "mysql://me:s3cr3t@db/x", "postgres://"),
        ("DAILY_API_URL", "api.daily.co", "https://"),
        ("DAILY_WEBHOOK_SECRET", "s3cr3t!", "base64"),
        ("DAILY_WEBHOOK_URL", "file:///x", "https://"),
        ("HATCHET_CLIENT_HOST_PORT", "http://hatchet:7077", "without http://"),
        ("HATCHET_CLIENT_HOST_PORT", "hatchet", "a host and a port"),
        ("HATCHET_CLIENT_SERVER_URL", "hatchet:8888", "https://"),
        ("HATCHET_CLIENT_NAMESPACE", "a b", "letters"),
        ("HATCHET_CLIENT_TLS_STRATEGY", "ssl", "mtls"),
        ("WORKER_BIND", "8081", "0.0.0.0:8081"),
        ("SHUTDOWN_GRACE", "25", "90s"),
        ("ROOMS", ",, ,", "standup-*"),
        ("POLL_INTERVAL", "60", "90s"),
        ("POLL_INTERVAL", "0s", "1s"),
        ("POLL_INTERVAL", "99999999999999999999h", "24h"),
    ] {
        let error = refused(&[(name, value)]);
        assert!(error.contains(name) && error.contains(says) && !error.contains("s3cr3t"), "{error}");
    }
    let s3 = ("STORAGE_URL", "s3://bucket");
    for (name, value, says) in [
        ("STORAGE_PATH_STYLE", "maybe", "true or false"),
        ("STORAGE_ENDPOINT", "minio:9000", "https://"),
        ("STORAGE_ROLE_ARN", "reader", "arn:"),
        ("STORAGE_ACCESS_KEY_ID", "s3cr3t", "STORAGE_SECRET_ACCESS_KEY is not set"),
        ("STORAGE_SECRET_ACCESS_KEY", "s3cr3t", "STORAGE_ACCESS_KEY_ID is not set"),
    ] {
        let error = refused(&[s3, (name, value)]);
        assert!(error.contains(name) && error.contains(says) && !error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn settings_of_s3_need_a_bucket() {
    assert!(refused(&[("STORAGE_REGION", "eu-west-1")]).contains("STORAGE_URL is not set"));
    let folder = ("DAILY_STORAGE_URL", "file:///a");
    assert!(refused(&[folder, ("DAILY_STORAGE_PATH_STYLE", "true")]).contains("DAILY_STORAGE_URL is a folder"));
}

#[test]
fn all_problems_are_told_at_once() {
    let error = refused(&[("BIND", "x"), ("CPU_THREADS", "x"), ("DATABSE_URL", "sqlite:x"), ("POLL_INTERVAL", "x")]);
    assert!(error.starts_with("4 settings"), "{error}");
    for name in ["BIND", "CPU_THREADS", "DATABSE_URL", "POLL_INTERVAL"] {
        assert!(error.contains(&format!("\n  {name} ")), "{error}");
    }
}

#[test]
fn a_misspelt_setting_is_an_error_and_names_what_was_meant() {
    let pairs = [("ROOM", "ROOMS"), ("DATABASE_URI", "DATABASE_URL"), ("STORAGE_REGOIN", "STORAGE_REGION")];
    for (name, meant) in pairs {
        let error = refused(&[(name, "x")]);
        assert!(error.contains(&format!("{name} is no setting; did you mean {meant}?")), "{error}");
    }
}

#[test]
fn names_of_others_in_a_shared_environment_are_at_most_warned_of() {
    // A Kubernetes service called storage; a container engine; both spellings, one of them for another program.
    let others = [("STORAGE_SERVICE_HOST", "10.0.0.1"), ("STORAGE_PORT_9000_TCP", "tcp://10.0.0.1:9000")];
    let config =
        read(&[others[0], others[1], ("DATABASE_URI", "x"), ("DATABASE_URL", "sqlite:x"), ("HOME", "/")]).unwrap();
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("STORAGE_PORT_9000_TCP"));
    let ours = Given { set: others.into_iter().collect(), ours: true };
    assert_eq!(Config::read(&ours).unwrap_err().0.len(), 2);
}

#[test]
fn a_hatchet_token_without_its_provider_is_warned_of() {
    let token = ("HATCHET_CLIENT_TOKEN", "s3cr3t");
    let warnings = read(&[token]).unwrap().warnings;
    assert!(warnings[0].contains("DURABLE_WORKFLOW_PROVIDER") && !warnings[0].contains("s3cr3t"), "{warnings:?}");
    assert!(read(&[token, ("DURABLE_WORKFLOW_PROVIDER", "hatchet")]).unwrap().warnings.is_empty());
    let warnings = read(&[("HATCHET_CLIENT_TOKEN_FILE", "/token")]).unwrap().warnings;
    assert!(warnings[0].contains("HATCHET_CLIENT_TOKEN_FILE is set"), "{warnings:?}");
}

#[test]
fn a_hatchet_token_is_given_or_stands_in_a_file_but_not_both() {
    let (token, file) = (("HATCHET_CLIENT_TOKEN", "s3cr3t"), ("HATCHET_CLIENT_TOKEN_FILE", "/run/secrets/token"));
    let given = read(&[file]).unwrap().hatchet.token;
    assert_eq!(given, Some(TokenSource::File("/run/secrets/token".into())));
    let error = refused(&[token, file]);
    assert!(error.contains("HATCHET_CLIENT_TOKEN_FILE is set, and") && !error.contains("s3cr3t"), "{error}");
}

#[test]
fn hatchet_is_set_by_the_names_that_its_own_clients_know() {
    let hatchet = read(&[
        ("HATCHET_CLIENT_TOKEN", "s3cr3t"),
        ("HATCHET_CLIENT_HOST_PORT", "hatchet:7077"),
        ("HATCHET_CLIENT_SERVER_URL", "http://hatchet:8888"),
        ("HATCHET_CLIENT_NAMESPACE", "Staging"),
        ("HATCHET_CLIENT_TLS_STRATEGY", "mtls"),
        ("HATCHET_CLIENT_TLS_CERT_FILE", "/c"),
        ("HATCHET_CLIENT_TLS_KEY_FILE", "/k"),
        ("DURABLE_WORKFLOW_PROVIDER", "hatchet"),
    ])
    .unwrap()
    .hatchet;
    assert_eq!((hatchet.host_port.as_deref(), hatchet.namespace.as_str()), (Some("hatchet:7077"), "Staging"));
    assert_eq!(hatchet.tls.strategy, TlsStrategy::Mutual);
    assert_eq!(hatchet.tls.identity, Some(("/c".into(), "/k".into())));
    let error = refused(&[("HATCHET_CLIENT_TLS_STRATEGY", "mtls"), ("HATCHET_CLIENT_TLS_CERT_FILE", "/c")]);
    assert!(error.contains("HATCHET_CLIENT_TLS_KEY_FILE is not set"), "{error}");
    let unset = read(&[]).unwrap();
    assert_eq!(unset.hatchet.tls.strategy, TlsStrategy::Server);
    assert_eq!(
        (unset.shutdown_grace, unset.worker_bind.to_string().as_str()),
        (Duration::from_secs(25), "127.0.0.1:8081")
    );
    assert_eq!(read(&[("SHUTDOWN_GRACE", "off")]).unwrap().shutdown_grace, Duration::ZERO);
}

#[test]
fn printing_the_configuration_shows_no_secret() {
    let shown = format!(
        "{:?}",
        read(&[
            ("DATABASE_URL", "postgres://me:s3cr3t@db/x"),
            ("DAILY_API_KEY", "s3cr3t"),
            ("HATCHET_CLIENT_TOKEN", "s3cr3t"),
            ("DAILY_WEBHOOK_SECRET", "c2VjcmV0"),
            ("STORAGE_URL", "s3://b"),
            ("STORAGE_ACCESS_KEY_ID", "s3cr3t"),
            ("STORAGE_SECRET_ACCESS_KEY", "s3cr3t"),
        ])
        .unwrap()
    );
    assert!(!shown.contains("s3cr3t") && !shown.contains("c2VjcmV0"), "{shown}");
}
