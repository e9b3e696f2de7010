//! Who answers for Daily, by the settings: the REST API, or recorded folders.

use std::sync::Arc;

use anyhow::anyhow;

use super::exit::Exit;
use super::unusable::unusable;
use crate::clock::SharedClock;
use crate::config::{DailyApi, DailySettings, names};
use crate::daily::{DailyClient, DailySource, DailyTimeouts, RateLimiter, RecordedFolders};

/// A client of the REST API. Call it once per process: its clones share how often Daily may be asked.
///
/// # Errors
/// A bad-input exit when the settings name no REST API or no key.
pub fn client(settings: &DailySettings, clock: SharedClock) -> Result<DailyClient, Exit> {
    let DailyApi::Rest(base) = &settings.api else {
        return Err(Exit::bad_input(anyhow!(
            "DAILY_API_URL names recorded folders: this needs Daily's REST API, https://…"
        )));
    };
    let key = settings.api_key.clone().ok_or_else(|| {
        Exit::bad_input(anyhow!("DAILY_API_KEY is not set: copy it from Daily's dashboard, Developers"))
    })?;
    let base = base.parse().map_err(|error| Exit::bad_input(anyhow!("DAILY_API_URL: {error}")))?;
    let limiter = Arc::new(RateLimiter::new(clock));
    DailyClient::new(&base, key, limiter, DailyTimeouts::default()).map_err(Exit::of)
}

/// Whoever answers: see [`client`], or the folders that `DAILY_API_URL=file://DIR` names. Blocks while it reads folders.
///
/// # Errors
/// A bad-input exit when the settings can't be used or the folder can't be read.
pub fn source(settings: &DailySettings, clock: SharedClock) -> Result<Arc<dyn DailySource>, Exit> {
    match &settings.api {
        DailyApi::Rest(_) => Ok(Arc::new(client(settings, clock)?)),
        DailyApi::Folders(dir) => {
            Ok(Arc::new(RecordedFolders::open(dir).map_err(|error| unusable(names::DAILY_API_URL, error))?))
        }
    }
}
