//! Where objects are, from the settings' words to storage's.

use std::sync::Arc;

use anyhow::anyhow;

use super::exit::Exit;
use crate::config::{ObjectSettings, names};
use crate::storage::{Place, S3Settings, Storage, open_source};

/// The place that `settings` tell of; `None` when none is set. `name` is the setting with the address.
///
/// # Errors
/// A bad-input exit when they name no place.
pub fn place(settings: &ObjectSettings, name: &str) -> Result<Option<Place>, Exit> {
    let Some(url) = &settings.url else { return Ok(None) };
    let s3 = S3Settings {
        endpoint: settings.s3.endpoint.clone(),
        region: settings.s3.region.clone(),
        access_key_id: settings.s3.access_key_id.as_ref().map(|id| id.reveal().to_owned()),
        secret_access_key: settings.s3.secret_access_key.clone(),
        role_arn: settings.s3.role_arn.clone(),
        path_style: Some(settings.s3.path_style),
    };
    Place::parse(url, s3).map(Some).map_err(|error| Exit::bad_input(anyhow!("{name} {error}")))
}

/// Where the recordings' tracks are.
///
/// # Errors
/// A bad-input exit when that is not set or can't be opened.
pub fn tracks(settings: &ObjectSettings) -> Result<Arc<dyn Storage>, Exit> {
    let name = names::DAILY_STORAGE_URL;
    let place = place(settings, name)?.ok_or_else(|| {
        Exit::bad_input(anyhow!(
            "{name} is not set: where are the tracks? Name the bucket that Daily records into, s3://bucket"
        ))
    })?;
    open_source(&place).map_err(Exit::of)
}
