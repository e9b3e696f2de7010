//! Models that can't be used, and places that can't be written.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::meeting::{BOB, BOB_ID, BOB_SAYS, MODEL, Meeting, TRACKSCRIBE};

#[test]
fn a_model_that_can_not_be_used_is_refused_before_any_work_and_says_what_to_do() {
    let meeting = Meeting::of_bob();
    let cut = meeting.dir().with_file_name("cut.bin");
    fs::write(&cut, &fs::read(MODEL).unwrap()[..100_000]).unwrap();
    let cut = cut.to_str().unwrap();
    let table = [
        (vec!["--model", "no/such/model.bin"], "no/such/model.bin", "name it with --model PATH"),
        (vec!["--model", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], "Cargo.toml is not", "--model PATH"),
        (vec!["--model", cut], "cut.bin is not", "--model PATH"),
        (vec!["--language", "de"], "only knows English", "use a multilingual model"),
        (vec!["--language", "english"], "unknown language", "ISO 639-1"),
    ];
    for (mut arguments, what, to_do) in table {
        meeting.replay(&arguments).with(2, &[what, to_do]);
        arguments.push("--json");
        let message = meeting.replay(&arguments).failure(Value::Null, "permanent");
        assert!(message.contains(what), "{message}");
        assert!(!meeting.out().exists(), "{arguments:?} left something behind");
    }
}

#[test]
fn without_any_model_the_error_says_how_to_get_one() {
    let meeting = Meeting::of_bob();
    let mut command = Command::new(TRACKSCRIBE);
    command.arg("replay").arg(meeting.dir()).arg("--out").arg(meeting.out()).env_remove("SPEECH_MODEL");
    meeting.ended(command).with(2, &["no speech model: download one", "--model PATH"]);
    assert!(!meeting.out().exists());
}

#[test]
fn out_inside_the_recorded_folder_is_refused() {
    let meeting = Meeting::of_bob();
    for out in [meeting.dir(), meeting.dir().join("new/out")] {
        let mut command = Command::new(TRACKSCRIBE);
        command.arg("replay").arg(meeting.dir()).args(["--model", MODEL]).arg("--out").arg(&out);
        meeting.ended(command).with(2, &["recorded folder, which is only read", "--out OUT"]);
        assert!(!out.join(".trackscribe").exists());
    }
}

#[test]
fn out_that_can_not_be_written_is_named_and_says_what_to_do() {
    type Make = fn(&Meeting);
    let table: [(&str, Make); 4] = [
        ("OUT is a file", |meeting| fs::write(meeting.out(), "mine").unwrap()),
        (".trackscribe is a file", |meeting| {
            fs::create_dir(meeting.out()).unwrap();
            fs::write(meeting.hidden(), "mine").unwrap();
        }),
        ("objects is a file", |meeting| {
            fs::create_dir_all(meeting.hidden()).unwrap();
            fs::write(meeting.hidden().join("objects"), "mine").unwrap();
        }),
        ("the store is no database", |meeting| {
            fs::create_dir_all(meeting.hidden()).unwrap();
            fs::write(meeting.hidden().join("store.db"), "these are notes, and no database ".repeat(99)).unwrap();
        }),
    ];
    for (title, make) in table {
        let meeting = Meeting::of_bob();
        make(&meeting);
        let out = meeting.out().display().to_string();
        let ended = meeting.replay(&["--json"]).with(2, &[&out, "give another --out OUT"]);
        assert!(ended.failure(Value::Null, "permanent").contains(&out), "{title}");
    }
}

#[test]
fn exports_that_can_not_be_written_say_so_and_the_same_command_writes_them() {
    let meeting = Meeting::of_bob();
    let in_the_way = meeting.out().join("transcript.srt");
    fs::create_dir_all(&in_the_way).unwrap();
    let ended = meeting.replay(&["--json"]).with(1, &[]);
    let message = ended.failure(json!("exports"), "retryable");
    assert!(message.contains("transcript.srt"), "{message}");
    fs::remove_dir(&in_the_way).unwrap();
    let run = ended.json()["run_id"].clone();
    let ended = meeting.replay(&["--json"]).completed();
    assert_eq!(ended.json()["run_id"], run);
    assert!(in_the_way.is_file());
}

/// A limit on the size of files is met by everybody's rights: what does not fit here is the mixdown.
#[test]
fn a_file_that_may_not_grow_fails_its_task_which_says_so_and_the_run_goes_on_later() {
    let meeting = Meeting::of_bob();
    meeting.list_for(240, &[("audio", BOB)]);
    let plain = meeting.command(&["--json"]);
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1300; exec \"$@\"", "bash"]).arg(plain.get_program());
    limited.args(plain.get_args()).envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = meeting.ended(limited).with(1, &[]);
    let message = ended.failure(json!("mixdown_tracks"), "retryable");
    assert!(message.contains("cannot write audio: File too large"), "{message}");
    resumes(&meeting, &ended.json()["run_id"]);
}

/// Needs a file system of its own, which not everybody may mount: where that is refused, the test above stands alone.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_its_task_which_says_so_and_the_run_goes_on_with_more_space() {
    let mounts = "mount -t tmpfs -o size=80k none";
    let may = Command::new("unshare").args(["-rm", "sh", "-c", &format!("{mounts} /mnt")]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: this user may not mount a file system");
        return;
    }
    let meeting = Meeting::of_bob();
    let objects = meeting.hidden().join("objects");
    fs::create_dir_all(&objects).unwrap();
    let plain = meeting.command(&["--json"]);
    // The mixdown does not fit, the aligned track does. Both runs see the same small disk, which is gone with the shell.
    let script = format!(
        "disk=$1; shift; {mounts} \"$disk\" && {{ \"$@\"; first=$?; mount -o remount,size=8m \"$disk\" && \"$@\" >&2 && exit $first; }}"
    );
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c", &script, "sh"]).arg(&objects).arg(plain.get_program()).args(plain.get_args());
    shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = meeting.ended(shell).with(1, &[]);
    let message = ended.failure(json!("mixdown_tracks"), "retryable");
    assert!(message.contains("No space left on device"), "{message}");
    assert_eq!(meeting.transcript().said_by(BOB_ID), BOB_SAYS);
    assert!(meeting.out().join("audio.mp3").exists());
}

#[track_caller]
fn resumes(meeting: &Meeting, run: &Value) {
    let ended = meeting.replay(&["--json"]).completed();
    assert_eq!(ended.json()["run_id"], *run);
    assert!(!ended.stderr.contains("process_tracks: done"), "what was finished is kept: {}", ended.stderr);
    assert!(ended.stderr.contains("mixdown_tracks: done"), "{}", ended.stderr);
    assert_eq!(meeting.transcript().said_by(BOB_ID), BOB_SAYS);
    assert!(meeting.out().join("audio.mp3").exists());
}
