//! `trackscribe migrate`: brings the database's schema up to date, before a new release is started.

use anyhow::Context;

use super::database::reached;
use super::exit::Exit;
use crate::config::Config;
use crate::store::Migrated;

/// Bring the schema of DATABASE_URL up to date, and say what was done.
///
/// Processes of the release before go on working on the new schema. Several may do this at once: one does it, the others
/// wait.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Migrates, and prints to standard output.
///
/// # Errors
/// Bad input when DATABASE_URL is missing or can't be used; else when the database can't be migrated: then nothing was
/// changed.
pub fn run(_: &Args, config: &Config) -> Result<(), Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Exit::Failed(error.into()))?;
    runtime.block_on(async {
        let database = reached(config).await?;
        let migrated = database.migrate().await;
        database.close().await;
        let migrated = migrated.with_context(|| database.shown()).map_err(Exit::Failed)?;
        println!("{}: {}", database.shown(), told(&migrated));
        Ok(())
    })
}

fn told(migrated: &Migrated) -> String {
    let mut told = match migrated.applied.as_slice() {
        [] => format!("up to date, all {} migrations were applied before", migrated.known),
        applied => format!("applied {} of {} migrations: {}", applied.len(), migrated.known, applied.join(", ")),
    };
    if !migrated.newer.is_empty() {
        let newer: Vec<String> = migrated.newer.iter().map(i64::to_string).collect();
        told.push_str(&format!("; a newer program has applied {} besides, left alone", newer.join(", ")));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_what_was_done() {
        let applied = Migrated { applied: vec!["0003 service".to_owned()], newer: vec![], known: 3 };
        assert_eq!(told(&applied), "applied 1 of 3 migrations: 0003 service");
        let newer = Migrated { applied: vec![], newer: vec![4], known: 3 };
        assert_eq!(
            told(&newer),
            "up to date, all 3 migrations were applied before; a newer program has applied 4 besides, left alone"
        );
    }
}
