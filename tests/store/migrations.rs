//! Migrations only add, are applied whole, and leave alone what a newer program did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sha2::{Digest, Sha256};
use sqlx::Row;
use trackscribe::store::{Database, DatabaseKind};

use crate::first_release::write_as_the_first_release;
use crate::postgres::Postgres;
use crate::support::Place;

/// Migrations that are released never change.
const RELEASED: [(&str, &str); 3] = [
    ("0001_runs.sql", "73597ab7fb804c3c4a1cea3bba5896a6caa8a30c4ff1af8c82893f545c9ca054"),
    ("0002_transcripts.sql", "65d3d1b57344b606cd10afc51748c14db23187f443a7cd8368cce6e4a6b56038"),
    ("0003_service.sql", "49bdb34e5d413eed1993a7602445c179b95e3d2e029899bb1fe4425ccbc9df35"),
];

fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&file).unwrap()))
        .collect()
}

/// A migration's statements: without comments, in capitals, single spaces between words; brackets and commas are words.
fn statements(sql: &str) -> Vec<String> {
    let bare: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default().to_owned() + "\n").collect();
    let bare = ["(", ")", ","].iter().fold(bare, |bare, word| bare.replace(word, &format!(" {word} ")));
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
        "ALTER TABLE runs ADD COLUMN owner TEXT REFERENCES owners(id)",
        "ALTER TABLE runs ADD COLUMN weight BIGINT DEFAULT 1 CHECK(weight > 0)",
        "ALTER TABLE runs ADD COLUMN weight BIGINT CONSTRAINT heavy CHECK(weight > 0)",
        "CREATE UNIQUE INDEX one_run ON runs(workflow)",
        "UPDATE runs SET status = 'done'",
        "INSERT INTO runs(id) VALUES ('a')",
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
