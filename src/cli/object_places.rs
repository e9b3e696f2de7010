//! Where objects are, from the settings' words to storage's.

use std::sync::Arc;

use anyhow::anyhow;

use super::exit::Exit;
use super::unusable::unusable;
use crate::config::{ObjectSettings, names};
use crate::storage::{self, Place, S3Settings, Storage};

/// What to do when there is no place of what we make.
pub const UNSET: &str =
    "is not set: s3://bucket/prefix, or for processes on one host file:///var/lib/trackscribe/objects";

/// The place that `settings` tell of; `None` when none is set. `name` is the setting with the address.
///
/// # Errors
/// A bad-input exit when they name no place.
pub fn place(settings: &ObjectSettings, name: &str) -> Result<Option<Place>, Exit> {
    let Some(url) = &settings.url else { return Ok(None) };
    let s3 = S3Settings {
        endpoint: settings.s3.endpoint.clone(),
        region: settings.s3.region.clone(),
        access_key_id: settings.s3.access_key_id.clone(),
        secret_access_key: settings.s3.secret_access_key.clone(),
        role_arn: settings.s3.role_arn.clone(),
        path_style: Some(settings.s3.path_style),
    };
    Place::parse(url, s3).map(Some).map_err(|error| Exit::bad_input(anyhow!("{name} {error}")))
}

/// The place of what we make.
///
/// # Errors
/// A bad-input exit when that is not set.
pub fn derived_place(settings: &ObjectSettings) -> Result<Place, Exit> {
    let name = names::STORAGE_URL;
    place(settings, name)?.ok_or_else(|| Exit::bad_input(anyhow!("{name} {UNSET}")))
}

/// Opens the place of what we make.
///
/// # Errors
/// A bad-input exit when that is not set or can't be opened.
pub fn derived(settings: &ObjectSettings) -> Result<Arc<dyn Storage>, Exit> {
    storage::open(&derived_place(settings)?).map_err(|error| unusable(names::STORAGE_URL, error))
}

/// Where the recordings' tracks are; `None` when that is not set.
///
/// # Errors
/// A bad-input exit when it can't be opened.
pub fn tracks_if_set(settings: &ObjectSettings) -> Result<Option<Arc<dyn Storage>>, Exit> {
    let name = names::DAILY_STORAGE_URL;
    let Some(place) = place(settings, name)? else { return Ok(None) };
    storage::open_source(&place).map(Some).map_err(|error| unusable(name, error))
}

/// Where the recordings' tracks are.
///
/// # Errors
/// A bad-input exit when that is not set or can't be opened.
pub fn tracks(settings: &ObjectSettings) -> Result<Arc<dyn Storage>, Exit> {
    tracks_if_set(settings)?.ok_or_else(|| {
        Exit::bad_input(anyhow!(
            "{} is not set: where are the tracks? Name the bucket that Daily records into, s3://bucket",
            names::DAILY_STORAGE_URL
        ))
    })
}
