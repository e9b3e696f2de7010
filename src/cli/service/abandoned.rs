//! Outward effects that were given up: somebody has to see to them, and is told until it is done.

use std::fmt;

use crate::store::{Database, StoreError, outbox};

/// More are not counted.
const MOST: u32 = 100;

/// Effects that were given up; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    count: usize,
    oldest: String,
}

/// The effects that were given up; `None` when there are none.
///
/// # Errors
/// When the database can't be read.
pub async fn abandoned(database: &Database) -> Result<Option<Abandoned>, StoreError> {
    let rows = outbox::abandoned(database, MOST + 1).await?;
    Ok(rows.first().map(|first| Abandoned {
        count: rows.len(),
        oldest: format!("{} {}: {}", first.kind, first.id, first.last_error.as_deref().unwrap_or("no cause is known")),
    }))
}

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more_than = if self.count > MOST as usize { "more than " } else { "" };
        let count = self.count.min(MOST as usize);
        write!(f, "{more_than}{count} given up, somebody has to see to it; the oldest is {}", self.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::outbox::OutboxRow;

    #[tokio::test]
    async fn effects_that_were_given_up_are_counted_and_the_oldest_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        let now = Timestamp::from_micros(1);
        for n in 0..3 {
            let row = OutboxRow {
                id: format!("effect-{n}"),
                transcript: "t".parse().unwrap(),
                kind: "delete_object".to_owned(),
                payload: "{}".to_owned(),
                tries: 0,
                last_error: None,
            };
            outbox::put(&database, &row, now, now).await.unwrap();
        }
        assert_eq!(abandoned(&database).await.unwrap(), None);
        for n in 0..2 {
            outbox::failed(&database, &format!("effect-{n}"), "access denied", None).await.unwrap();
        }
        let told = abandoned(&database).await.unwrap().unwrap().to_string();
        assert!(told.starts_with("2 given up") && told.ends_with("delete_object effect-0: access denied"), "{told}");
        let many = Abandoned { count: 101, oldest: "x".to_owned() }.to_string();
        assert!(many.starts_with("more than 100 given up"), "{many}");
    }
}
