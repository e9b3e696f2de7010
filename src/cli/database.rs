//! The database that the settings name.

use anyhow::anyhow;

use super::exit::Exit;
use super::unusable::unusable;
use crate::config::{Config, names};
use crate::store::Database;

/// What to do when there is none.
pub const UNSET: &str = "is not set: postgres://user:password@host/name, or for processes on one host \
    sqlite:///var/lib/trackscribe/store.db";

/// The database, which answers; its schema is as it is.
///
/// # Errors
/// The way the program is to end.
pub async fn reached(config: &Config) -> Result<Database, Exit> {
    let url = config.database_url.as_ref();
    let url = url.ok_or_else(|| Exit::bad_input(anyhow!("{} {UNSET}", names::DATABASE_URL)))?;
    let unusable = |error| unusable(names::DATABASE_URL, error);
    let database = Database::open(url.reveal()).await.map_err(unusable)?;
    database.reach().await.map_err(unusable)?;
    Ok(database)
}

/// The database, its schema brought up to date.
///
/// # Errors
/// The way the program is to end.
pub async fn migrated(config: &Config) -> Result<Database, Exit> {
    let database = reached(config).await?;
    database.migrate().await.map_err(|error| unusable(names::DATABASE_URL, error))?;
    Ok(database)
}
