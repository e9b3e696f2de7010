//! Views for people who read a PostgreSQL database by hand: `runs_view` is `runs` with times as `timestamptz` and JSON as
//! `jsonb`, and so on. The program itself never uses them, so whatever is wrong with them stops nothing.

use sqlx::{AnyConnection, Connection, Row};

use super::WriteTransaction;

/// The tables that have a view, and their columns that hold JSON. Times are known by their names.
const TABLES: [(&str, &[&str]); 9] = [
    ("runs", &["input"]),
    ("task_runs", &["output"]),
    ("attempts", &["plan"]),
    ("transcripts", &[]),
    ("recordings", &[]),
    ("results", &["body"]),
    ("daily_events", &["body"]),
    ("run_requests", &[]),
    ("outbox", &["payload"]),
];

/// A view as it should be.
pub(super) struct View {
    table: &'static str,
    select: String,
    /// What it was made from, kept with it as its comment.
    mark: String,
}

/// The views that are not there, or not as they should be.
///
/// # Errors
/// When the database is lost.
pub(super) async fn outdated(connection: &mut AnyConnection) -> Result<Vec<View>, sqlx::Error> {
    let mut outdated = Vec::new();
    for (table, json) in TABLES {
        let rows = sqlx::query(
            "SELECT CAST(attname AS TEXT) FROM pg_attribute
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
        .bind(table.to_owned())
        .fetch_all(&mut *connection)
        .await?;
        let columns: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let select = select(table, &columns, json);
        let mark = format!("trackscribe {}", &blake3::hash(select.as_bytes()).to_hex()[..16]);
        let found: Option<String> = sqlx::query_scalar("SELECT obj_description(to_regclass($1), 'pg_class')")
            .bind(format!("{table}_view"))
            .fetch_one(&mut *connection)
            .await?;
        if found.as_ref() != Some(&mark) {
            outdated.push(View { table, select, mark });
        }
    }
    Ok(outdated)
}

/// Makes the views that are outdated. What other people built on one of them, and a reader who holds it for long, keep it
/// as it is.
///
/// # Errors
/// When the database is lost.
pub(super) async fn remake(transaction: &mut WriteTransaction) -> Result<(), sqlx::Error> {
    for View { table, select, mark } in outdated(transaction).await? {
        let sql = format!(
            "DROP VIEW IF EXISTS {table}_view; CREATE VIEW {table}_view AS {select};
             COMMENT ON VIEW {table}_view IS '{mark}'"
        );
        let mut savepoint = transaction.begin().await?;
        match sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *savepoint).await {
            Ok(_) => savepoint.commit().await?,
            Err(error @ sqlx::Error::Database(_)) => {
                savepoint.rollback().await?;
                tracing::warn!(%error, "the view {table}_view was not made");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn select(table: &str, columns: &[String], json: &[&str]) -> String {
    let shown = columns.iter().map(|column| {
        if column.ends_with("_at") || column == "not_before" {
            format!("TIMESTAMPTZ 'epoch' + \"{column}\" * INTERVAL '1 microsecond' AS \"{column}\"")
        } else if json.contains(&column.as_str()) {
            // The one character that text can hold and jsonb can't.
            format!("CAST(replace(\"{column}\", '\\u0000', '\\ufffd') AS JSONB) AS \"{column}\"")
        } else {
            format!("\"{column}\"")
        }
    });
    format!("SELECT {} FROM {table}", shown.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_json_are_shown_in_native_types() {
        let columns = ["id", "input", "created_at"].map(str::to_owned);
        assert_eq!(
            select("runs", &columns, &["input"]),
            "SELECT \"id\", CAST(replace(\"input\", '\\u0000', '\\ufffd') AS JSONB) AS \"input\", \
             TIMESTAMPTZ 'epoch' + \"created_at\" * INTERVAL '1 microsecond' AS \"created_at\" FROM runs"
        );
    }
}
