//! Nothing that is asked again and again reads a whole table. The statements are those that the store sends: PostgreSQL
//! explains each as it runs it, and SQLite is asked to explain the same text.

use serde_json::Value;
use sqlx::Row;
use trackscribe::clock::Timestamp;
use trackscribe::ids::{RecordingId, RequestId, TranscriptId};
use trackscribe::store::recordings::RecordingRow;
use trackscribe::store::run_requests::{self, NewRunRequest};
use trackscribe::store::transcript_list::{self, TranscriptFilter};
use trackscribe::store::{
    Database, api_keys, consents, daily_events, meetings, outbox, recording_standing, transcript_repair, transcripts,
};

use crate::postgres::Postgres;
use crate::support::{Place, second};

/// Of each table so many rows that reading all of it is not the cheapest way.
const ROWS: u32 = 3_000;

/// Everything in the state that most rows have in the end: recordings are served, requests ended, effects done.
const OLD_ROWS: [&str; 9] = [
    "INSERT INTO recordings (id, room_name, meeting_id, status, instance_id, created_at)
     SELECT 'rec' || n, 'room' || (n % 100), 'meeting' || (n / 2), 'finished', 'instance' || n, n FROM n",
    "INSERT INTO transcripts (id, recording_id, status, current_run, created_at, updated_at)
     SELECT 'transcript' || n, 'rec' || n, 'ended', 'run' || n, n, n FROM n",
    "INSERT INTO run_requests (id, transcript_id, recording_id, origin, provider, priority, notify, state, next_try_at, created_at)
     SELECT 'request' || n, 'transcript' || n, 'rec' || n, 'webhook', 'none', 2, 'all', 'ended', n, n FROM n",
    "INSERT INTO daily_events (id, kind, recording_id, body, state, next_try_at, received_at)
     SELECT 'event' || n, 'recording.started', 'rec' || n, '{}', 'done', n, n FROM n",
    "INSERT INTO outbox (id, transcript_id, kind, payload, state, next_try_at, created_at)
     SELECT 'effect' || n, 'transcript' || n, 'webhook', '{}', 'done', n, n FROM n",
    "INSERT INTO results (run_id, kind, body) SELECT 'run' || n, 'title', '{}' FROM n",
    "INSERT INTO meetings (id, room_name, created_at, updated_at) SELECT 'meeting' || n, 'room' || (n % 100), n, n FROM n",
    "INSERT INTO consents (recording_id, subject, allowed, updated_at) SELECT 'rec' || n, 'ada', 1, n FROM n",
    "INSERT INTO api_keys (id, name, hash, created_at) SELECT 'key' || n, 'x', 'hash' || n, n FROM n",
];

async fn fill(database: &Database) {
    let numbers = format!("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) SELECT");
    for sql in OLD_ROWS {
        let sql = sql.replacen("SELECT", &numbers, 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(database.pool()).await.unwrap();
    }
    sqlx::raw_sql("ANALYZE").execute(database.pool()).await.unwrap();
}

/// What the service asks again and again, or while somebody waits.
async fn ask_everything(database: &Database) {
    let (now, recording): (Timestamp, RecordingId) = (second(9_999), "rec7".parse().unwrap());
    // The poller.
    assert_eq!(recording_standing::unserved(database, 10).await.unwrap(), []);
    assert!(recording_standing::read(database, &recording).await.unwrap().unwrap().served);
    assert!(recording_standing::of_instance(database, "instance7").await.unwrap().is_some());
    recording_standing::in_progress(database, "room7").await.unwrap();
    assert_eq!(recording_standing::number_in_meeting(database, &recording).await.unwrap(), Some(2));
    recording_standing::note(database, &row(&recording), "finished", now).await.unwrap();
    // Asking for a run.
    let ask = NewRunRequest {
        recording: recording.clone(),
        room_name: None,
        transcript: None,
        origin: "poller",
        provider: "none".to_owned(),
        priority: 2,
        notify: "all",
        only_first: true,
        next_try_at: now,
    };
    assert_eq!(run_requests::ask(database, &ask, now).await.unwrap(), run_requests::Asked::Served);
    assert_eq!(run_requests::of_recording(database, &recording).await.unwrap().len(), 1);
    run_requests::due(database, now, 10).await.unwrap();
    run_requests::read(database, &RequestId::generate()).await.unwrap();
    // Inbox, outbox, reconciler.
    daily_events::due(database, now, 10).await.unwrap();
    outbox::due(database, now, 10).await.unwrap();
    outbox::abandoned(database, 10).await.unwrap();
    outbox::waiting(database, &TranscriptId::generate()).await.unwrap();
    transcript_repair::processing_unasked(database, 10).await.unwrap();
    consents::denied(database, &recording).await.unwrap();
    // People and programs.
    assert_eq!(transcripts::of_recording(database, &recording).await.unwrap().len(), 1);
    let of_recording = TranscriptFilter { recording: Some(recording), ..TranscriptFilter::default() };
    let failed = TranscriptFilter { status: Some("error".to_owned()), ..TranscriptFilter::default() };
    for filter in [of_recording, failed] {
        transcript_list::list(database, &filter, "title", 10).await.unwrap();
    }
    meetings::list(database, Some("room7"), None, 10).await.unwrap();
    assert!(api_keys::find(database, "hash7").await.unwrap().is_some());
}

fn row(id: &RecordingId) -> RecordingRow {
    RecordingRow {
        id: id.clone(),
        room_name: None,
        meeting_id: None,
        bucket_name: None,
        s3_key: None,
        started_at: None,
        duration: None,
    }
}

/// A statement as it was sent, and PostgreSQL's plan for it.
struct Explained {
    sql: String,
    plan: Value,
}

/// What the extension `auto_explain` wrote into the server's log: after `plan:` the lines of a JSON document, indented.
fn explained(log: &str) -> Vec<Explained> {
    let documents = log.split("  plan:\n").skip(1).map(|rest| {
        let lines = rest.lines().take_while(|line| line.starts_with('\t'));
        let document: Value = serde_json::from_str(&lines.collect::<String>()).unwrap();
        Explained { sql: document["Query Text"].as_str().unwrap().to_owned(), plan: document["Plan"].clone() }
    });
    documents.collect()
}

/// The tables that a plan reads from one end to the other.
fn read_whole(plan: &Value) -> Vec<&str> {
    let this = (plan["Node Type"] == "Seq Scan").then(|| plan["Relation Name"].as_str().unwrap());
    let below = plan["Plans"].as_array().into_iter().flatten().flat_map(read_whole);
    this.into_iter().chain(below).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_again_and_again_reads_no_whole_table() {
    let server = tokio::task::spawn_blocking(Postgres::start_new).await.unwrap();
    let name = server.empty().await;
    let database = Database::open(&server.url(&name)).await.unwrap();
    database.migrate().await.unwrap();
    fill(&database).await;
    // A table that has an index for what is asked is then never read whole, however small it is.
    let options = "-c%20session_preload_libraries%3Dauto_explain%20-c%20auto_explain.log_min_duration%3D0%20\
                   -c%20auto_explain.log_format%3Djson%20-c%20enable_seqscan%3Doff";
    let explaining = Database::open(&format!("{}?options={options}", server.url(&name))).await.unwrap();
    ask_everything(&explaining).await;
    explaining.close().await;
    let explained = explained(&server.log());
    assert!(explained.len() >= 20, "{} statements were explained", explained.len());
    for Explained { sql, plan } in &explained {
        assert_eq!(read_whole(plan), [""; 0], "{sql}\n{plan:#}");
    }

    // SQLite knows nothing of how many rows there are, unless somebody has it count them.
    let place = Place::on_sqlite();
    let database = place.database().await;
    for Explained { sql, .. } in &explained {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let rows =
            sqlx::raw_sql(explain).fetch_all(database.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        for row in rows {
            let step: String = row.get("detail");
            // An index of few rows is there to be read whole.
            let whole = step.starts_with("SCAN ") && !step.ends_with("USING INDEX outbox_abandoned");
            assert!(!whole, "{step}: {sql}");
            let is_page = sql.contains("FROM meetings") || sql.contains("t.status = $2");
            assert!(!(is_page && step.contains("ORDER BY")), "all are sorted for one page of them: {sql}");
        }
    }
}
