//! Transcripts: the list, one of them, and having one made anew.

use reqwest::Method;
use serde_json::json;
use trackscribe::clock::{Clock as _, Timestamp};
use trackscribe::failure::FailureClass;
use trackscribe::http::{Notify, Problem, ProcessRefusal};
use trackscribe::ids::{RecordingId, RunId, TranscriptId};
use trackscribe::results::{self, TitleResult};
use trackscribe::store::recordings::{self, RecordingRow};
use trackscribe::store::{TranscriptWriter, transcripts};

use super::support::{Server, good, problem};

async fn make(server: &Server, recording: &str) -> TranscriptId {
    let id = TranscriptId::generate();
    transcripts::create(&server.database, &id, &recording.parse().unwrap(), server.clock.now()).await.unwrap();
    id
}

async fn run(server: &Server, id: &TranscriptId) -> TranscriptWriter {
    let writer = TranscriptWriter::new(server.database.clone(), id.clone(), RunId::generate());
    writer.claim(server.clock.now()).await.unwrap();
    writer
}

#[tokio::test]
async fn a_transcript_is_found_by_daily_s_recording_id_with_title_and_room() {
    let server = Server::start().await;
    let (id, now) = (make(&server, "rec-1").await, server.clock.now());
    make(&server, "rec-2").await;
    let writer = run(&server, &id).await;
    let recording = RecordingRow {
        id: "rec-1".parse::<RecordingId>().unwrap(),
        room_name: Some("standup-20260105090000".to_owned()),
        meeting_id: Some("m-1".to_owned()),
        bucket_name: None,
        s3_key: None,
        started_at: None,
        duration: Some(60.0),
    };
    recordings::put(&writer, &recording, &[], now).await.unwrap();
    let listed = good(server.get("/v1/transcripts?recording_id=rec-1").await, 200).await;
    assert_eq!((&listed["items"][0]["title"], &listed["next"]), (&json!(""), &json!(null)));
    results::put(&writer, &TitleResult { title: "Café & Ünïcode 💡".to_owned(), backend: "test".to_owned() })
        .await
        .unwrap();
    writer.publish(now).await.unwrap();
    let listed = good(server.get("/v1/transcripts?recording_id=rec-1").await, 200).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let item = &listed["items"][0];
    assert_eq!(item["id"], json!(id));
    assert_eq!((&item["status"], &item["title"]), (&json!("ended"), &json!("Café & Ünïcode 💡")));
    assert_eq!((&item["recording_id"], &item["room"]), (&json!("rec-1"), &json!("standup-20260105090000")));
    assert_eq!((&item["meeting_id"], &item["number_in_meeting"]), (&json!("m-1"), &json!(1)));
    assert_eq!(item["failure"], json!(null));
    assert_eq!(good(server.get("/v1/transcripts?recording_id=none").await, 200).await["items"], json!([]));
}

#[tokio::test]
async fn the_list_is_newest_first_in_pages_and_by_status_with_failures() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(make(&server, "rec").await.to_string());
    }
    let failed: TranscriptId = ids[2].parse().unwrap();
    let writer = run(&server, &failed).await;
    let failure = Some(("pad_track", FailureClass::Permanent, "unreadable"));
    assert!(writer.change_status("idle", "error", failure, server.clock.now()).await.unwrap());

    let (mut seen, mut path) = (Vec::new(), "/v1/transcripts?limit=2".to_owned());
    loop {
        let page = good(server.get(&path).await, 200).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/transcripts?limit=2&cursor={next}");
    }
    ids.reverse();
    assert_eq!(seen, ids);
    for cursor in ["x", "%00", ""] {
        assert_eq!(
            problem(server.get(&format!("/v1/transcripts?cursor={cursor}")).await, 400).await["code"],
            "bad_query"
        );
    }
    let errors = good(server.get("/v1/transcripts?status=error&recording_id=rec&limit=5").await, 200).await;
    assert_eq!(errors["items"].as_array().unwrap().len(), 1);
    let told = json!({"task": "pad_track", "class": "permanent", "message": "unreadable"});
    assert_eq!(errors["items"][0]["failure"], told);
}

#[tokio::test]
async fn a_transcript_has_the_shape_of_transcript_json_from_the_beginning() {
    let server = Server::start().await;
    let id = make(&server, "rec-1").await;
    let read = good(server.get(&format!("/v1/transcripts/{id}")).await, 200).await;
    assert_eq!((&read["id"], &read["status"], &read["schema_version"]), (&json!(id), &json!("idle"), &json!(1)));
    for empty in ["words", "segments", "participants", "topics"] {
        assert_eq!(read[empty], json!([]), "{empty}");
    }
    results::put(&run(&server, &id).await, &TitleResult { title: "Standup".to_owned(), backend: "test".to_owned() })
        .await
        .unwrap();
    let read = good(server.get(&format!("/v1/transcripts/{id}")).await, 200).await;
    assert_eq!(read["title"], "Standup");
    problem(server.get("/v1/transcripts/none").await, 404).await;
}

#[tokio::test]
async fn a_run_that_is_asked_for_is_told_with_its_id() {
    let server = Server::start().await;
    let post = |body: Option<serde_json::Value>| {
        let request = server.request(Method::POST, "/v1/transcripts/t-1/process");
        body.into_iter().fold(request, |request, body| request.json(&body)).send()
    };
    let told = good(post(None).await.unwrap(), 202).await;
    assert_eq!(told, json!({"transcript_id": "t-1", "run_id": "run-1", "request_id": "request-1"}));
    good(post(Some(json!({}))).await.unwrap(), 202).await;
    good(post(Some(json!({"notify": "none"}))).await.unwrap(), 202).await;
    problem(post(Some(json!({"notify": "some"}))).await.unwrap(), 422).await;
    let asked: Vec<Notify> = server.desk.asked.lock().unwrap().iter().map(|(_, notify)| *notify).collect();
    assert_eq!(asked, [Notify::All, Notify::All, Notify::None]);
}

#[tokio::test]
async fn a_run_that_is_refused_is_told_why_and_since_when() {
    let server = Server::start().await;
    let at = Timestamp::from_micros(1_767_600_000_000_000);
    let running = ProcessRefusal::Running { run: Some("run-7".parse().unwrap()) };
    let cases = [
        (ProcessRefusal::NoTranscript, 404, "not_found", "t-1"),
        (running, 409, "already_running", "run-7"),
        (
            ProcessRefusal::AudioDeleted { at },
            410,
            "audio_deleted",
            "2026-01-05T08:00:00.000Z, because consent was denied",
        ),
        (ProcessRefusal::RecordingDeleted { at }, 410, "recording_deleted", "2026-01-05T08:00:00.000Z"),
        (ProcessRefusal::Failed(Problem::unavailable("down", "later")), 503, "down", "later"),
    ];
    for (refusal, status, code, says) in cases {
        *server.desk.refusal.lock().unwrap() = Some(refusal);
        let answer = server.request(Method::POST, "/v1/transcripts/t-1/process").send().await.unwrap();
        let told = problem(answer, status).await;
        assert_eq!(told["code"], code);
        assert!(told.to_string().contains(says), "{told}");
    }
}
