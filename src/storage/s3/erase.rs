//! Deletes an object for good. A bucket with versioning answers a deletion with a marker and keeps what was there; but
//! objects are deleted because somebody said that their voice is not to be kept, so older versions go as well.

use super::object::Object;
use crate::storage::StorageError;

/// Deletes `object` and, where the bucket keeps them, all its versions. One that is not there is deleted already.
///
/// # Errors
/// When it, or a version of it, is still there.
pub async fn erase(object: Object) -> Result<(), StorageError> {
    let asked = object.client.delete_object().bucket(&object.bucket).key(&object.key).send().await;
    match asked.map_err(|error| object.failed(&error)) {
        Ok(deleted) if deleted.delete_marker == Some(true) => erase_versions(&object).await,
        // Some services say so where AWS is silent.
        Ok(_) | Err(StorageError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn erase_versions(object: &Object) -> Result<(), StorageError> {
    let list = || object.client.list_object_versions().bucket(&object.bucket).prefix(&object.key);
    let (mut from_key, mut from_version) = (None, None);
    loop {
        let page = list().set_key_marker(from_key).set_version_id_marker(from_version).send().await;
        let page = page.map_err(|error| object.failed(&error))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        for id in versions.chain(markers).filter_map(|(key, id)| id.filter(|_| key == Some(&object.key))) {
            let request = object.client.delete_object().bucket(&object.bucket).key(&object.key).version_id(id);
            match request.send().await.map_err(|error| object.failed(&error)) {
                Ok(_) | Err(StorageError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Keys are in order, and this one is the first with itself as prefix.
        let more = page.is_truncated() == Some(true) && page.next_key_marker() == Some(&object.key);
        if !more {
            return Ok(());
        }
        from_key = page.next_key_marker().map(str::to_owned);
        from_version = page.next_version_id_marker().map(str::to_owned);
    }
}
