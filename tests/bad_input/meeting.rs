//! A recorded folder made for one test, and what replaying it gave.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

pub const TRACKSCRIBE: &str = env!("CARGO_BIN_EXE_trackscribe");
pub const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/model/ggml-fixture.en-q8_0.bin");
pub const EDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/meetings/edge");

/// Bob's first track of `edge`, 14 s. He says [`BOB_SAYS`].
pub const BOB: &str = "1767776400004-ca032fa5-872c-4a65-b00f-db1c5e85d8b3-cam-audio-1767776401874.webm";
pub const BOB_ID: &str = "ca032fa5-872c-4a65-b00f-db1c5e85d8b3";
pub const BOB_SAYS: &str = "My connection is slow this morning. I will call again.";
/// Grace's track of `edge`, 37 s.
pub const GRACE: &str = "1767776400004-fbd5a293-a18b-442f-8912-b8e383d833a9-cam-audio-1767776400314.webm";

/// A recorded folder, and a place for its transcript.
pub struct Meeting {
    root: TempDir,
}

impl Meeting {
    pub fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("meeting")).unwrap();
        Self { root }
    }

    /// Bob's track and nothing else.
    pub fn of_bob() -> Self {
        let meeting = Self::empty();
        meeting.write(BOB, &track(BOB));
        meeting
    }

    pub fn dir(&self) -> PathBuf {
        self.root.path().join("meeting")
    }

    pub fn out(&self) -> PathBuf {
        self.root.path().join("out")
    }

    pub fn hidden(&self) -> PathBuf {
        self.out().join(".trackscribe")
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.dir().join(name), bytes).unwrap();
    }

    /// Writes `recording.json` with these tracks: (type, file name).
    pub fn list(&self, tracks: &[(&str, &str)]) {
        self.list_for(20, tracks);
    }

    pub fn list_for(&self, seconds: u32, tracks: &[(&str, &str)]) {
        let tracks: Vec<Value> =
            tracks.iter().map(|(kind, name)| json!({ "type": kind, "s3Key": format!("domain/room/{name}") })).collect();
        let recording =
            json!({ "id": "recording-1", "start_ts": 1_767_776_400, "duration": seconds, "tracks": tracks });
        self.write("recording.json", recording.to_string().as_bytes());
    }

    /// The command that replays this folder. A limit on retries keeps failures that may pass from waiting for that.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let limits = self.root.path().join("limits.toml");
        fs::write(&limits, "[DiarizationPipeline.tasks.mixdown_tracks]\nretries = 0\n").unwrap();
        let mut command = Command::new(TRACKSCRIBE);
        command.arg("replay").arg(self.dir()).arg("--out").arg(self.out());
        if !arguments.contains(&"--model") {
            command.args(["--model", MODEL]);
        }
        command.args(arguments).env("WORKFLOW_OVERRIDES", limits).env_remove("RUST_LOG").env_remove("SPEECH_MODEL");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn replay(&self, arguments: &[&str]) -> Ended {
        self.ended(self.command(arguments))
    }

    /// Runs `command`, which must leave the recorded folder alone.
    pub fn ended(&self, mut command: Command) -> Ended {
        let before = contents(&self.dir());
        let ended = Ended::of(&command.output().unwrap());
        assert!(before == contents(&self.dir()), "the recorded folder was changed");
        ended
    }

    pub fn transcript(&self) -> Transcript {
        let text = fs::read_to_string(self.out().join("transcript.json")).unwrap();
        Transcript(serde_json::from_str(&text).unwrap())
    }
}

/// A track of `edge`.
pub fn track(name: &str) -> Vec<u8> {
    fs::read(Path::new(EDGE).join(name)).unwrap()
}

/// A name as Daily gives it, of a participant that `edge` has not.
pub fn daily_name(participant: u8, kind: &str) -> String {
    format!("1767776400004-0000000{participant}-872c-4a65-b00f-db1c5e85d8b3-{kind}-176777640{participant}000.webm")
}

/// Each file's time and bytes.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let changed = path.metadata().unwrap().modified().unwrap();
            let bytes = fs::read(&path).unwrap();
            (path, (changed, bytes))
        })
        .collect()
}

/// How a replay ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: &Output) -> Self {
        let ended = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        };
        for word in ["panicked", "RUST_BACKTRACE"] {
            assert!(!ended.stderr.contains(word), "{}", ended.stderr);
        }
        ended
    }

    /// Everything that was said.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn completed(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.said());
        self
    }

    #[track_caller]
    pub fn with(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said());
        for part in parts {
            assert!(self.said().contains(part), "{part:?} is not in:\n{}", self.said());
        }
        self
    }

    /// The one JSON document that standard output must be.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Asserts `--json`'s failure shape; gives the message.
    #[track_caller]
    pub fn failure(&self, task: Value, class: &str) -> String {
        let document = self.json();
        assert_eq!(document["status"], "error");
        assert_eq!(document["error"]["task"], task);
        assert_eq!(document["error"]["class"], class);
        let fields: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["error", "run_id", "status"]);
        assert_eq!(document["run_id"].is_string(), code_of_a_run(self.code), "{document}");
        document["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// Whether a replay that ended so had a run.
fn code_of_a_run(code: Option<i32>) -> bool {
    matches!(code, Some(1 | 130))
}

/// A transcript.json.
pub struct Transcript(pub Value);

impl Transcript {
    /// All that was said by the participant of this id.
    pub fn said_by(&self, id: &str) -> String {
        let speaker = &self.participant(id)["speaker"];
        let words = self.0["words"].as_array().unwrap().iter().filter(|word| word["speaker"] == *speaker);
        words.map(|word| word["text"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    pub fn participant(&self, id: &str) -> &Value {
        let people = self.0["participants"].as_array().unwrap();
        people.iter().find(|who| who["id"] == id).unwrap_or_else(|| panic!("nobody is {id}: {people:?}"))
    }

    /// Why the track of this file name is incomplete, if it is.
    pub fn incomplete(&self, name: &str) -> Option<String> {
        let tracks = self.0["incomplete_tracks"].as_array().unwrap();
        let found = tracks.iter().find(|track| track["track"].as_str().unwrap().ends_with(name))?;
        Some(found["reason"].as_str().unwrap().to_owned())
    }
}
