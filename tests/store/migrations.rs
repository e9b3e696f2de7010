//! Migrations only add, so that an old and a new process can work side by side during a deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Row};
use trackscribe::ids::{RecordingId, RunId};
use trackscribe::store::runs::{RunFilter, RunStore};
use trackscribe::store::{Database, DatabaseKind, recordings, transcripts};

use crate::postgres::Postgres;
use crate::support::Place;

/// Migrations that are released never change.
const RELEASED: [(&str, &str); 2] = [
    ("0001_runs.sql", "73597ab7fb804c3c4a1cea3bba5896a6caa8a30c4ff1af8c82893f545c9ca054"),
    ("0002_transcripts.sql", "65d3d1b57344b606cd10afc51748c14db23187f443a7cd8368cce6e4a6b56038"),
];

/// What release 0.1.0 writes, with a number that keeps rows of several times apart.
const OF_THE_FIRST_RELEASE: [&str; 15] = [
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

fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&file).unwrap()))
        .collect()
}

/// A migration's statements: without comments, in capitals, single spaces between words.
fn statements(sql: &str) -> Vec<String> {
    let bare: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n").collect();
    let words = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
    bare.split(';').map(words).filter(|statement| !statement.is_empty()).collect()
}

/// What is wrong with a statement of a migration that may only add; `own` are the tables that it made itself.
fn objection(statement: &str, own: &mut BTreeSet<String>) -> Option<&'static str> {
    let words: Vec<&str> = statement.split(' ').collect();
    match words.as_slice() {
        ["CREATE", "TABLE", table, ..] => {
            own.insert((*table).to_owned());
            None
        }
        ["CREATE", "INDEX", ..] => None,
        ["CREATE", "UNIQUE", "INDEX", _, "ON", table, ..] if own.contains(*table) => None,
        ["CREATE", "UNIQUE", "INDEX", ..] => Some("refuses rows that an old process may write"),
        ["INSERT", "INTO", table, ..] if own.contains(*table) => None,
        ["ALTER", "TABLE", _, "ADD", "COLUMN", _, rest @ ..] => {
            let has = |word: &str| rest.contains(&word);
            let demands = ["UNIQUE", "PRIMARY", "CHECK", "REFERENCES"].into_iter().any(has);
            let filled = has("DEFAULT") || !rest.join(" ").contains("NOT NULL");
            (demands || !filled).then_some("asks for more than an old process writes")
        }
        _ => Some("does more than add"),
    }
}

#[test]
fn migrations_only_add() {
    for (name, sql) in files() {
        let mut own = BTreeSet::new();
        for statement in statements(&sql) {
            assert_eq!(objection(&statement, &mut own), None, "{name}: {statement}");
        }
    }
}

#[test]
fn what_takes_something_away_is_found() {
    for statement in [
        "DROP TABLE runs",
        "ALTER TABLE runs DROP COLUMN input",
        "ALTER TABLE runs RENAME TO jobs",
        "ALTER TABLE runs ALTER COLUMN input SET NOT NULL",
        "ALTER TABLE runs ADD COLUMN owner TEXT NOT NULL",
        "ALTER TABLE runs ADD COLUMN owner TEXT REFERENCES owners (id)",
        "CREATE UNIQUE INDEX one_run ON runs (workflow)",
        "UPDATE runs SET status = 'done'",
        "INSERT INTO runs (id) VALUES ('a')",
        "DELETE FROM runs",
    ] {
        let statement = &statements(statement)[0];
        assert!(objection(statement, &mut BTreeSet::new()).is_some(), "{statement}");
    }
}

#[test]
fn released_migrations_are_as_they_were() {
    let files = files();
    for (name, hash) in RELEASED {
        let found: String = Sha256::digest(files[name].as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, hash, "{name} was released: add a new migration instead");
    }
}

/// The migrations of release 0.1.0, as that release applies them.
fn first_release() -> Migrator {
    let all = sqlx::migrate!();
    let mut first = Migrator::with_migrations(all.iter().filter(|migration| migration.version <= 2).cloned().collect());
    first.set_ignore_missing(true);
    first
}

async fn write_as_the_first_release(pool: &AnyPool, number: u32) {
    for sql in OF_THE_FIRST_RELEASE {
        let sql = sql.replace("{n}", &number.to_string());
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone()))
            .execute(pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
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
        assert_eq!(transcripts::of_recording(&database, &recording).await.unwrap().len(), 1);
        let run: RunId = format!("run{number}").parse().unwrap();
        assert_eq!(store.run(&run).await.unwrap().unwrap().priority, 2);
        let task = store.task_runs(&run).await.unwrap().remove(0);
        assert_eq!(store.attempts(&task.id).await.unwrap().len(), 1);
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

async fn migrations_of_a_newer_program_are_left_alone(place: Place) {
    let database = place.database().await;
    let (yes, bytes) = match database.kind() {
        DatabaseKind::Sqlite => ("1", "x'00'"),
        DatabaseKind::Postgres => ("TRUE", "'\\x00'"),
    };
    let newer = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (999999, 'from the future', {yes}, {bytes}, 0)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(newer)).execute(database.pool()).await.unwrap();
    let views = "ALTER TABLE runs ADD COLUMN future BIGINT; DROP VIEW runs_view;
         CREATE VIEW runs_view AS SELECT id, future FROM runs";
    if database.kind() == DatabaseKind::Postgres {
        sqlx::raw_sql(views).execute(database.pool()).await.unwrap();
    }
    let migrated = database.migrate().await.unwrap();
    assert_eq!((migrated.applied, migrated.newer), (vec![], vec![999_999]));
    if database.kind() == DatabaseKind::Postgres {
        sqlx::query("SELECT future FROM runs_view").fetch_all(database.pool()).await.unwrap();
    }
}

async fn all_migrations_are_applied_or_none(place: Place) {
    let database = match Database::open(&place.url).await.unwrap() {
        database if database.kind() == DatabaseKind::Sqlite => database,
        _ => {
            let server = Postgres::shared();
            Database::open(&server.url(&server.empty().await)).await.unwrap()
        }
    };
    // In the way of the last one.
    sqlx::query("CREATE TABLE api_keys (a BIGINT)").execute(database.pool()).await.unwrap();
    database.migrate().await.unwrap_err();
    assert!(sqlx::query("SELECT id FROM runs").fetch_all(database.pool()).await.is_err(), "a half was applied");
    sqlx::query("DROP TABLE api_keys").execute(database.pool()).await.unwrap();
    let migrated = database.migrate().await.unwrap();
    assert_eq!(migrated.applied.len(), migrated.known);
}

#[tokio::test]
async fn views_show_times_and_json_in_native_types() {
    let place = Place::on_postgres().await;
    let database = place.database().await;
    write_as_the_first_release(database.pool(), 1).await;
    let sql = "UPDATE runs SET input = '{\"room\": \"a\\u0000b\"}', created_at = 1767603600250001, started_at = NULL";
    sqlx::query(sql).execute(database.pool()).await.unwrap();
    let row = sqlx::query(
        "SELECT input ->> 'room' AS room, CAST(created_at AT TIME ZONE 'UTC' AS TEXT) AS created,
                CAST(started_at AS TEXT) AS started FROM runs_view WHERE created_at > TIMESTAMPTZ '2026-01-01'",
    )
    .fetch_one(database.pool())
    .await
    .unwrap();
    assert_eq!(row.get::<String, _>("room"), "a\u{fffd}b");
    assert_eq!(row.get::<String, _>("created"), "2026-01-05 09:00:00.250001");
    assert_eq!(row.get::<Option<String>, _>("started"), None);
    for table in ["task_runs", "attempts", "transcripts", "recordings", "daily_events", "run_requests", "outbox"] {
        let sql = format!("SELECT COUNT(*) FROM {table}_view");
        sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(database.pool()).await.unwrap();
    }
    // Somebody builds upon a view; it is kept, and nothing is in the way of migrations.
    let built = "COMMENT ON VIEW runs_view IS 'older'; CREATE VIEW theirs AS SELECT id FROM runs_view";
    sqlx::raw_sql(built).execute(database.pool()).await.unwrap();
    database.migrate().await.unwrap();
    sqlx::query("SELECT id FROM theirs").fetch_one(database.pool()).await.unwrap();
}

on_both_databases! {
    migrations_of_a_newer_program_are_left_alone,
    all_migrations_are_applied_or_none,
}

/// On PostgreSQL a prepared statement that selects all columns fails ("cached plan must not change result type") as soon as
/// a newer program has added one, in a process that was to go on working.
#[test]
fn statements_name_their_columns() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let sql = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in sql {
                let all = ["SELECT *", "RETURNING *", ".*,", ".* FROM"].iter().any(|all| line.contains(all));
                assert!(!all, "{}: {line}", path.display());
            }
        }
    }
}
