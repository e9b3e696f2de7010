//! What commands say when they are started with settings that do not do, and what the service says of what is missing.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder that commands are started in, without any settings but those given.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where a service on one host keeps things, with the recordings of the fixtures.
    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", format!("sqlite://{}", self.path("store.db").display())),
            ("STORAGE_URL", format!("file://{}", self.path("objects").display())),
            ("DAILY_API_URL", format!("file://{}", fixtures().join("meetings").display())),
        ]
    }

    fn command(&self, arguments: &[&str], settings: &[(&str, String)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trackscribe"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.envs(settings.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Runs a command that ends by itself with this code; what it said on standard error.
    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str], settings: &[(&str, String)]) -> String {
        let Output { status, stderr, .. } = self.command(arguments, settings).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(code), "{said}");
        said
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[test]
fn all_settings_that_serve_needs_are_asked_for_at_once_and_nothing_is_begun() {
    let place = Place::new();
    let said = place.ends(2, &["serve", "--bind", "127.0.0.1:0"], &[("SPEECH_MODEL", "/no/model.bin".to_owned())]);
    assert!(said.contains("3 settings can't be used"), "{said}");
    for name in
        ["DATABASE_URL is not set", "STORAGE_URL is not set", "SPEECH_MODEL", "no speech model at /no/model.bin"]
    {
        assert!(said.contains(name), "{said}");
    }
    let said = place.ends(2, &["serve", "--bind", "127.0.0.1:0"], &place.settings()[..1]);
    assert!(said.contains("STORAGE_URL") && said.contains("SPEECH_MODEL is not set"), "{said}");
    assert!(!place.path("store.db").exists());
    let said = place.ends(2, &["process", "r"], &[]);
    assert!(said.contains("2 settings") && !said.contains("SPEECH_MODEL"), "{said}");
}

#[test]
fn a_server_that_does_not_answer_is_told_with_its_address_and_the_cause() {
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut settings = place.settings();
    settings[0].1 = format!("postgres://me:s3cr3t@127.0.0.1:{port}/db");
    settings.push(("SPEECH_MODEL", fixtures().join("model/ggml-fixture.en-q8_0.bin").display().to_string()));
    for command in [&["keys", "list"] as &[_], &["migrate"], &["serve", "--bind", "127.0.0.1:0"], &["process", "r"]] {
        let said = place.ends(1, command, &settings);
        let expected = format!(
            "error: DATABASE_URL: no answer from postgres://…@127.0.0.1:{port}/db: Connection refused (os error 111). Is \
             it running, and is the address right?"
        );
        assert!(said.contains(&expected) && !said.contains("s3cr3t"), "{command:?}: {said}");
    }
}

#[test]
fn a_cause_is_told_once_and_with_its_setting() {
    let said = Place::new().ends(2, &["recordings", "list"], &[("DAILY_API_URL", "file:///no/folder".to_owned())]);
    assert!(said.contains("DAILY_API_URL: /no/folder: No such file or directory"), "{said}");
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

#[test]
fn a_log_filter_that_can_not_be_used_is_a_setting_like_the_others() {
    let place = Place::new();
    let loud = ("RUST_LOG", "trackscribe=loud".to_owned());
    let said = place.ends(2, &["migrate"], &[loud.clone(), ("BIND", "x".to_owned())]);
    assert!(said.contains("2 settings") && said.contains("RUST_LOG is \"trackscribe=loud\""), "{said}");
    assert!(place.ends(2, &["workflows", "show"], &[loud]).contains("RUST_LOG"));
}

#[test]
fn a_dollar_in_the_file_of_settings_is_refused_before_it_becomes_something_else() {
    let place = Place::new();
    std::fs::write(place.path(".env"), "BIND=127.0.0.1:0\nDATABASE_URL=postgres://me:s3cr3t$5@db/x\n").unwrap();
    let said = place.ends(2, &["migrate"], &[]);
    assert!(said.contains(".env line 2 has a $") && !said.contains("s3cr3t"), "{said}");
}

#[test]
fn a_run_that_nobody_executes_is_told_as_such() {
    let (place, recording) = (Place::new(), "e12b2b8f-30b1-4d0b-8920-8a650f3ebdd3");
    let note = "no `trackscribe serve` executes runs on this database";
    let said = place.ends(0, &["process", recording], &place.settings());
    assert!(said.contains("makes transcript") && said.contains(note), "{said}");
    let said = place.ends(1, &["process", recording], &place.settings());
    assert!(said.contains("already: run ") && said.contains(" is queued") && said.contains(note), "{said}");
}

#[test]
fn serve_says_what_does_not_work_for_want_of_daily_s_settings_and_none_of_the_model_s_lines() {
    let place = Place::new();
    let mut settings = place.settings();
    settings.retain(|(name, _)| *name != "DAILY_API_URL");
    settings.push(("SPEECH_MODEL", fixtures().join("model/ggml-fixture.en-q8_0.bin").display().to_string()));
    let mut command = place.command(&["serve", "--bind", "127.0.0.1:0"], &settings);
    let mut serve = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(serve.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        said.push_str(&line);
        said.push('\n');
        if line.contains("answering") {
            break;
        }
    }
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert!(said.contains("answering"), "{said}");
    for setting in ["DAILY_API_KEY", "DAILY_STORAGE_URL", "DAILY_WEBHOOK_SECRET"] {
        assert!(said.contains(&format!("WARN trackscribe::cli::service: {setting} is not set: ")), "{setting}: {said}");
    }
    assert!(!said.contains("whisper_rs"), "{said}");
    // Without a key a command can't ask for anything.
    assert!(place.ends(2, &["process", "r"], &settings).contains("DAILY_API_KEY is not set"));
}
