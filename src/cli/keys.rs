//! `trackscribe keys`: who may use the API.

use anyhow::{Context as _, anyhow};
use uuid::Uuid;

use super::database::migrated;
use super::exit::Exit;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::http::ApiKey;
use crate::store::api_keys::{self, ApiKeyRow};
use crate::store::{Database, StoreError};

/// Names of keys are no longer, in letters.
const LONGEST_NAME: usize = 100;

/// Make, list and revoke the API's keys
///
/// While there is none, the API answers only requests from this machine itself. Keys are kept in DATABASE_URL as hashes only.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Make a key and print it: this once, it is not kept
    Create {
        /// Whose it is, or what for
        #[arg(value_parser = key_name)]
        name: String,
    },
    /// Show all keys, without the keys themselves
    List,
    /// Make a key useless, within seconds and for good
    Revoke {
        /// Its id, as list shows it
        id: String,
    },
}

fn key_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(format!("a name has 1 to {LONGEST_NAME} letters"));
    }
    Ok(name.to_owned())
}

/// Does what was asked, and prints to standard output.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config) -> Result<(), Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("starting the program's threads").map_err(Exit::Failed)?;
    runtime.block_on(async {
        let database = migrated(config).await?;
        let done = act(&args.what, &database).await;
        database.close().await;
        done
    })
}

async fn act(what: &What, database: &Database) -> Result<(), Exit> {
    match what {
        What::Create { name } => {
            let (id, key) = create(database, name).await?;
            // Alone on standard output, for scripts.
            eprintln!("key {id} for {name}; it is shown only now:");
            println!("{}", key.reveal());
        }
        What::List => {
            for line in table(&api_keys::list(database).await.map_err(Exit::of)?) {
                println!("{line}");
            }
        }
        What::Revoke { id } => {
            if !api_keys::revoke(database, id, SystemClock.now()).await.map_err(Exit::of)? {
                return Err(Exit::bad_input(anyhow!("there is no key {id}: trackscribe keys list shows them")));
            }
            println!("key {id} is revoked");
        }
    }
    Ok(())
}

async fn create(database: &Database, name: &str) -> Result<(String, ApiKey), Exit> {
    let key = ApiKey::generate().context("making a random key").map_err(Exit::Failed)?;
    let mut row = ApiKeyRow {
        id: String::new(),
        name: name.to_owned(),
        hash: key.hash(),
        created_at: SystemClock.now(),
        last_used_at: None,
        revoked_at: None,
    };
    loop {
        // Short, because people type it; the end of a UUID of this kind is random.
        row.id = Uuid::now_v7().simple().to_string().split_off(24);
        match api_keys::create(database, &row).await {
            Err(error) if StoreError::is_unique_violation(&error) => {}
            created => return created.map(|()| (row.id, key)).map_err(Exit::of),
        }
    }
}

fn table(keys: &[ApiKeyRow]) -> Vec<String> {
    let line = |id: &str, created: &str, used: &str, state: &str, name: &str| {
        format!("{id:<8}  {created:<20}  {used:<20}  {state:<7}  {name}")
    };
    let moment = |at: crate::clock::Timestamp| format!("{}Z", at.to_string().split('.').next().unwrap_or_default());
    let mut lines = vec![line("id", "created", "last used", "state", "name")];
    lines.extend(keys.iter().map(|key| {
        let used = key.last_used_at.map_or_else(|| "never".to_owned(), moment);
        let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
        line(&key.id, &moment(key.created_at), &used, state, &key.name)
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[tokio::test]
    async fn a_key_that_was_made_is_listed_without_itself_and_found_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open_file(&folder.path().join("a.db")).await.unwrap();
        database.migrate().await.unwrap();
        let (id, key) = create(&database, "Zoë's laptop").await.unwrap();
        let keys = api_keys::list(&database).await.unwrap();
        let shown = table(&keys).join("\n");
        assert!(shown.contains(&id) && shown.contains("Zoë's laptop") && shown.contains("never"), "{shown}");
        assert!(!shown.contains(&key.reveal()[3..]) && !shown.contains(&key.hash()));
        assert_eq!(api_keys::find(&database, &key.hash()).await.unwrap().unwrap().id, id);
        act(&What::Revoke { id: id.clone() }, &database).await.unwrap();
        assert_eq!(api_keys::find(&database, &key.hash()).await.unwrap(), None);
        assert!(table(&api_keys::list(&database).await.unwrap())[1].contains("revoked"));
        assert!(act(&What::Revoke { id: "none".to_owned() }, &database).await.is_err());
    }

    #[test]
    fn times_are_shown_to_the_second() {
        let key = ApiKeyRow {
            id: "0123abcd".to_owned(),
            name: "n".to_owned(),
            hash: String::new(),
            created_at: Timestamp::from_micros(1_767_603_666_500_000),
            last_used_at: None,
            revoked_at: None,
        };
        assert_eq!(table(&[key])[1], "0123abcd  2026-01-05T09:01:06Z  never                 active   n");
        assert!(key_name(" ").is_err() && key_name("a\nb").is_err());
    }
}
