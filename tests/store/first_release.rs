//! Release 0.1.0 beside this one: an old process and a new one work side by side during a deployment, and while the new one
//! migrates.

use std::time::Duration;

use sqlx::AnyPool;
use sqlx::migrate::Migrator;
use trackscribe::ids::{RecordingId, RunId};
use trackscribe::store::runs::{RunFilter, RunStatus, RunStore};
use trackscribe::store::{Database, recordings, transcripts};

use crate::postgres::Postgres;
use crate::support::Place;

/// The rows that release 0.1.0 makes, with a number that keeps those of several times apart.
const NEW_ROWS: [&str; 15] = [
    "INSERT INTO workflow_versions (version, workflow, shape, created_at) VALUES ('v{n}', 'Toy', '{}', 1)",
    "INSERT INTO runs (id, workflow, version, status, input, root_run, parent_run, parent_task_run, child_key,
         child_round, replay_of, dedupe_key, concurrency_group, created_at)
     VALUES ('run{n}', 'Toy', 'v{n}', 'queued', '{}', 'run{n}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1)",
    "INSERT INTO run_metadata (run_id, name, value) VALUES ('run{n}', 'a', 'b')",
    "INSERT INTO task_runs (id, run_id, task, position, on_failure, status)
     VALUES ('task{n}', 'run{n}', 'only', 0, 0, 'pending')",
    "INSERT INTO attempts (id, task_run_id, number, generation, created_at, assigned_at, started_at)
     VALUES ('attempt{n}', 'task{n}', 1, 1, 1, 1, 1)",
    "INSERT INTO task_logs (attempt_id, line_number, logged_at, level, line) VALUES ('attempt{n}', 0, 1, 'info', 'x')",
    "INSERT INTO recordings (id, room_name, meeting_id, bucket_name, s3_key, started_at, duration, created_at)
     VALUES ('rec{n}', 'room', 'meeting', NULL, NULL, 1, 2.5, 1)",
    "INSERT INTO transcripts (id, recording_id, status, created_at, updated_at)
     VALUES ('transcript{n}', 'rec{n}', 'idle', 1, 1)",
    "INSERT INTO transcript_runs (transcript_id, run_id, number) VALUES ('transcript{n}', 'run{n}', 1)",
    "INSERT INTO tracks (run_id, track_id, position, source_key, kind, participant_id, name_offset, note)
     VALUES ('run{n}', 't001', 0, 'key', 'cam-audio', NULL, NULL, NULL)",
    "INSERT INTO segments (run_id, position, speaker, start_seconds, end_seconds, text, words)
     VALUES ('run{n}', 0, 0, 0.5, 1.5, 'Yes.', '[]')",
    "INSERT INTO results (run_id, kind, body) VALUES ('run{n}', 'title', '{}')",
    "INSERT INTO speech_windows (work_key, window_index, body, created_at) VALUES ('work{n}', 0, '{}', 1)",
    "INSERT INTO consents (recording_id, subject, allowed, updated_at) VALUES ('rec{n}', 'ada', 1, 1)",
    "INSERT INTO outbox (id, transcript_id, kind, payload, state, tries, next_try_at, last_error, created_at)
     VALUES ('effect{n}', 'transcript{n}', 'delete_object', '{}', 'waiting', 0, 1, NULL, 1)",
];

/// How it changes them.
const CHANGES: [&str; 34] = [
    // Another executor takes over.
    "UPDATE executor SET generation = generation WHERE id = 1",
    "UPDATE executor SET generation = generation + 1, taken_at = 2, process = 'old' WHERE id = 1",
    "UPDATE task_runs SET interruptions = CASE WHEN EXISTS (SELECT 1 FROM attempts WHERE task_run_id = task_runs.id
         AND outcome IS NULL AND kept_piece = 1) THEN 0 ELSE interruptions + 1 END
     WHERE id IN (SELECT task_run_id FROM attempts WHERE outcome IS NULL AND waiting = 0)",
    "UPDATE attempts SET outcome = 'interrupted', finished_at = 2 WHERE outcome IS NULL",
    // What was made already is not made again.
    "INSERT INTO workflow_versions (version, workflow, shape, created_at) VALUES ('v{n}', 'Toy', '{}', 1)
     ON CONFLICT DO NOTHING",
    "INSERT INTO runs (id, workflow, version, status, input, root_run, parent_run, parent_task_run, child_key,
         child_round, replay_of, dedupe_key, concurrency_group, created_at)
     VALUES ('run{n}', 'Toy', 'v{n}', 'queued', '{}', 'run{n}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1)
     ON CONFLICT DO NOTHING",
    "UPDATE runs SET status = 'running', started_at = COALESCE(started_at, 3)
     WHERE id = 'run{n}' AND (status = 'running' OR (status = 'queued' AND (concurrency_group IS NULL
         OR (SELECT COUNT(*) FROM runs AS others WHERE others.concurrency_group = runs.concurrency_group) < 1)))",
    "UPDATE task_runs SET status = 'running', not_before = NULL WHERE id = 'task{n}' AND status = 'pending'",
    "INSERT INTO attempts (id, task_run_id, number, generation, created_at, assigned_at, started_at)
     VALUES ('again{n}', 'task{n}', (SELECT COALESCE(MAX(number), 0) + 1 FROM attempts WHERE task_run_id = 'task{n}'), 1, 3, 3, 3)",
    "UPDATE attempts SET plan = COALESCE('[]', plan), waiting = 1 WHERE id = 'again{n}' AND outcome IS NULL",
    "UPDATE attempts SET waiting = 0 WHERE id = 'again{n}' AND outcome IS NULL",
    "UPDATE attempts SET kept_piece = 1 WHERE id = 'again{n}' AND outcome IS NULL",
    "INSERT INTO task_logs (attempt_id, line_number, logged_at, level, line) VALUES ('attempt{n}', 0, 1, 'info', 'x')
     ON CONFLICT DO NOTHING",
    "UPDATE attempts SET outcome = 'completed', failure_class = NULL, failure_message = NULL, finished_at = 4
     WHERE id = 'again{n}' AND outcome IS NULL",
    "UPDATE task_runs SET status = 'pending', failures = failures + 1, interruptions = 0, not_before = 9,
         failed_task = NULL, failure_class = 'retryable', failure_message = 'x' WHERE id = 'task{n}'",
    "UPDATE task_runs SET status = 'completed', output = '{}', finished_at = 4, interruptions = 0,
         failed_task = NULL, failure_class = NULL, failure_message = NULL WHERE id = 'task{n}'",
    "UPDATE runs SET status = 'completed', failed_task = NULL, failure_class = NULL, failure_message = NULL,
         finished_at = 4 WHERE id = 'run{n}' AND status IN ('queued', 'running')",
    // Transcripts and what they are made of.
    "INSERT INTO recordings (id, room_name, meeting_id, bucket_name, s3_key, started_at, duration, created_at)
     VALUES ('rec{n}', 'room', 'meeting', NULL, NULL, 1, 2.5, 1)
     ON CONFLICT (id) DO UPDATE SET room_name = excluded.room_name, meeting_id = excluded.meeting_id,
         bucket_name = excluded.bucket_name, s3_key = excluded.s3_key, started_at = excluded.started_at,
         duration = excluded.duration",
    "INSERT INTO transcripts (id, recording_id, status, created_at, updated_at) VALUES ('transcript{n}', 'rec{n}', 'idle', 1, 1)
     ON CONFLICT (id) DO NOTHING",
    "INSERT INTO transcript_runs (transcript_id, run_id, number)
     SELECT 'transcript{n}', 'run{n}', COALESCE(MAX(number), 0) + 1 FROM transcript_runs WHERE transcript_id = 'transcript{n}'
     ON CONFLICT (transcript_id, run_id) DO NOTHING",
    "UPDATE transcripts SET current_run = 'run{n}', updated_at = 2 WHERE id = 'transcript{n}'",
    "UPDATE transcripts SET current_run = current_run WHERE id = 'transcript{n}' AND current_run = 'run{n}'",
    "UPDATE transcripts SET status = 'processing', failed_task = NULL, failure_class = NULL, failure_message = NULL,
         updated_at = 2 WHERE id = 'transcript{n}' AND status = 'idle'",
    "UPDATE transcripts SET audio_deleted_at = NULL WHERE id = 'transcript{n}'",
    "INSERT INTO results (run_id, kind, body) VALUES ('run{n}', 'title', '\"x\"')
     ON CONFLICT (run_id, kind) DO UPDATE SET body = excluded.body",
    "INSERT INTO speech_windows (work_key, window_index, body, created_at) VALUES ('work{n}', 0, '{}', 1)
     ON CONFLICT (work_key, window_index) DO UPDATE SET body = excluded.body",
    "INSERT INTO consents (recording_id, subject, allowed, updated_at) VALUES ('rec{n}', 'ada', 0, 2)
     ON CONFLICT (recording_id, subject) DO UPDATE SET allowed = excluded.allowed, updated_at = excluded.updated_at",
    "INSERT INTO outbox (id, transcript_id, kind, payload, state, tries, next_try_at, last_error, created_at)
     VALUES ('effect{n}', 'transcript{n}', 'delete_object', '{}', 'waiting', 0, 1, NULL, 1) ON CONFLICT (id) DO NOTHING",
    "UPDATE outbox SET state = 'done' WHERE id = 'effect{n}'",
    "DELETE FROM tracks WHERE run_id = 'run{n}'",
    "DELETE FROM segments WHERE run_id = 'run{n}'",
    "DELETE FROM results WHERE run_id = 'run{n}' AND kind = 'title'",
    "UPDATE transcripts SET published_run = 'run{n}', status = 'ended', failed_task = NULL, failure_class = NULL,
         failure_message = NULL, updated_at = 4 WHERE id = 'transcript{n}'",
    "UPDATE transcripts SET audio_deleted_at = COALESCE(audio_deleted_at, 5) WHERE id = 'transcript{n}'",
];

/// The migrations of release 0.1.0, as that release applies them.
fn first_release() -> Migrator {
    let all = sqlx::migrate!();
    let mut first = Migrator::with_migrations(all.iter().filter(|migration| migration.version <= 2).cloned().collect());
    first.set_ignore_missing(true);
    first
}

/// The rows that `number` keeps apart, written and then changed all the way to their ends.
pub async fn write_as_the_first_release(pool: &AnyPool, number: u32) {
    for sql in NEW_ROWS.iter().chain(&CHANGES) {
        let sql = sql.replace("{n}", &number.to_string());
        let written = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(pool).await;
        let rows = written.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected();
        assert!(rows > 0 || sql.contains("DO NOTHING"), "nothing was written: {sql}");
    }
}

async fn old_rows_are_read_and_an_old_process_goes_on(database: Database) {
    first_release().run(database.pool()).await.unwrap();
    write_as_the_first_release(database.pool(), 1).await;
    let migrated = database.migrate().await.unwrap();
    assert_eq!(migrated.applied.len(), migrated.known - 2, "{migrated:?}");
    // A process of the old release starts again, and writes.
    first_release().run(database.pool()).await.unwrap();
    write_as_the_first_release(database.pool(), 2).await;
    assert_eq!(database.migrate().await.unwrap().applied, Vec::<String>::new());
    let store = RunStore::new(database.clone());
    assert_eq!(store.list(&RunFilter::default(), 10).await.unwrap().len(), 2);
    for number in 1..=2 {
        let recording: RecordingId = format!("rec{number}").parse().unwrap();
        assert_eq!(recordings::read(&database, &recording).await.unwrap().unwrap().duration, Some(2.5));
        let transcript = transcripts::of_recording(&database, &recording).await.unwrap().remove(0);
        assert_eq!(
            (transcript.status.as_str(), transcript.published_run),
            ("ended", Some(format!("run{number}").parse().unwrap()))
        );
        let run: RunId = format!("run{number}").parse().unwrap();
        let row = store.run(&run).await.unwrap().unwrap();
        assert_eq!((row.priority, row.status), (2, RunStatus::Completed));
        let task = store.task_runs(&run).await.unwrap().remove(0);
        assert_eq!(store.attempts(&task.id).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn rows_of_the_first_release_on_sqlite() {
    let place = Place::on_sqlite();
    old_rows_are_read_and_an_old_process_goes_on(Database::open(&place.url).await.unwrap()).await;
}

#[tokio::test]
async fn rows_of_the_first_release_on_postgresql() {
    let server = Postgres::shared();
    let url = server.url(&server.empty().await);
    old_rows_are_read_and_an_old_process_goes_on(Database::open(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_that_wait_for_a_long_reader_hold_up_nobody_else() {
    let server = Postgres::shared();
    let database = Database::open(&server.url(&server.empty().await)).await.unwrap();
    first_release().run(database.pool()).await.unwrap();
    // Somebody makes a report, and an old process goes on.
    let (report, old) = (database.fresh(None), database.fresh(None));
    let mut report = report.pool().begin().await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM runs").execute(&mut *report).await.unwrap();
    let migrating = {
        let database = database.fresh(None);
        tokio::spawn(async move { database.migrate().await })
    };
    let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
        AND relation = to_regclass('runs') AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(old.pool()).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let read = sqlx::query("SELECT id FROM runs").fetch_all(old.pool());
    tokio::time::timeout(Duration::from_secs(8), read).await.expect("it waited for the migration").unwrap();
    let half = sqlx::query("SELECT 1 FROM daily_events").fetch_all(old.pool()).await;
    assert!(half.is_err(), "all or nothing");
    assert!(!migrating.is_finished());
    report.rollback().await.unwrap();
    let migrated = migrating.await.unwrap().unwrap();
    assert_eq!(migrated.applied.len(), migrated.known - 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_missing_nobody_waits_for_who_migrates() {
    let place = Place::on_postgres().await;
    let database = place.database().await;
    let mut migrating = database.pool().begin().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' trackscribe migrations', 0))";
    sqlx::query(lock).execute(&mut *migrating).await.unwrap();
    sqlx::query("LOCK TABLE runs, _sqlx_migrations IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *migrating)
        .await
        .unwrap();
    let again = database.fresh(None);
    let migrated = tokio::time::timeout(Duration::from_secs(8), again.migrate()).await.expect("it waited").unwrap();
    assert_eq!(migrated.applied, Vec::<String>::new());
}
