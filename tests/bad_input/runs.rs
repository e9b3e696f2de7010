//! What the same command does when it is given again, while it runs, and when it is stopped.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use serde_json::{Value, json};
use trackscribe::store::Database;

use crate::meeting::{BOB, BOB_ID, BOB_SAYS, EDGE, Ended, Meeting};

async fn store(meeting: &Meeting) -> Database {
    Database::open_file(&meeting.hidden().join("store.db")).await.unwrap()
}

async fn count(meeting: &Meeting) -> i64 {
    let database = store(meeting).await;
    let query = "SELECT COUNT(*) FROM runs WHERE workflow = 'DiarizationPipeline'";
    let count = sqlx::query_scalar(query).fetch_one(database.pool()).await.unwrap();
    database.close().await;
    count
}

#[tokio::test]
async fn the_same_input_again_only_rewrites_the_exports_and_again_makes_a_new_run() {
    let meeting = Meeting::of_bob();
    let first = meeting.replay(&["--json"]).completed().json();
    assert_eq!((&first["status"], &first["transcript"]["words"][0]["text"]), (&"ended".into(), &"My".into()));
    assert_eq!(first["files"].as_array().unwrap().len(), 8);
    let written = fs::read(meeting.out().join("transcript.vtt")).unwrap();
    fs::remove_file(meeting.out().join("transcript.vtt")).unwrap();
    fs::remove_file(meeting.out().join("audio.mp3")).unwrap();

    let same = meeting.replay(&["--json"]).completed();
    assert_eq!(same.json()["run_id"], first["run_id"]);
    assert_eq!(same.stderr, "", "nothing is done again");
    assert_eq!(fs::read(meeting.out().join("transcript.vtt")).unwrap(), written);
    assert!(meeting.out().join("audio.mp3").exists());
    assert_eq!(count(&meeting).await, 1);

    let again = meeting.replay(&["--again", "--json"]).completed().json();
    assert_ne!(again["run_id"], first["run_id"]);
    assert_eq!(again["transcript"]["words"], first["transcript"]["words"]);
    assert_eq!(count(&meeting).await, 2);
}

#[test]
fn other_input_is_another_run() {
    let meeting = Meeting::of_bob();
    let first = meeting.replay(&["--json"]).completed().json();
    let named = meeting.replay(&["--json", "--name", &format!("{BOB_ID}=Robert")]).completed().json();
    assert_ne!(named["run_id"], first["run_id"]);
    assert_eq!(meeting.transcript().participant(BOB_ID)["name"], "Robert");
    assert_eq!(meeting.transcript().said_by(BOB_ID), BOB_SAYS);
}

#[test]
fn a_second_replay_is_refused_while_one_runs_and_an_interrupted_one_is_taken_up() {
    let meeting = Meeting::empty();
    for file in fs::read_dir(EDGE).unwrap() {
        let path = file.unwrap().path();
        meeting.write(path.file_name().unwrap().to_str().unwrap(), &fs::read(&path).unwrap());
    }
    let mut first = meeting.command(&["--json"]).spawn().unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("get_participants: done") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let out = meeting.out().display().to_string();
    let second = meeting.replay(&["--json"]).with(2, &[&out, "another replay works on this folder"]);
    second.failure(Value::Null, "permanent");

    let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", first.id())]).status().unwrap();
    assert!(kill.success());
    lines.read_to_string(&mut said).unwrap();
    let mut output = first.wait_with_output().unwrap();
    output.stderr = said.into_bytes();
    let ended = Ended::of(&output).with(130, &["The same command goes on from there"]);
    ended.failure(Value::Null, "cancelled");

    let resumed = meeting.replay(&["--json"]).completed();
    assert_eq!(resumed.json()["run_id"], ended.json()["run_id"]);
    assert!(!resumed.stderr.contains("get_participants: done"), "what was finished is kept: {}", resumed.stderr);
    let transcript = meeting.transcript();
    assert!(transcript.said_by("user-bob").starts_with(BOB_SAYS), "{}", transcript.said_by("user-bob"));
}

/// As a disk leaves it that is full for the store too: the task's failure is recorded, the run's own end is not.
#[tokio::test]
async fn a_run_whose_process_died_while_it_failed_gets_new_attempts_from_the_same_command() {
    let meeting = Meeting::empty();
    meeting.write(BOB, b"no track");
    let first = meeting.replay(&["--json"]).with(1, &[]);
    first.failure(json!("process_tracks"), "permanent");
    let database = store(&meeting).await;
    for statement in [
        "UPDATE runs SET status = 'running', finished_at = NULL, failed_task = NULL, failure_class = NULL, \
         failure_message = NULL WHERE workflow = 'DiarizationPipeline'",
        "UPDATE task_runs SET status = 'pending', output = NULL, finished_at = NULL WHERE task = 'mark_failed'",
    ] {
        assert_eq!(sqlx::query(statement).execute(database.pool()).await.unwrap().rows_affected(), 1);
    }
    database.close().await;
    let second = meeting.replay(&["--json"]).with(1, &["process_tracks: failed"]);
    assert_eq!(second.json()["run_id"], first.json()["run_id"]);
}
