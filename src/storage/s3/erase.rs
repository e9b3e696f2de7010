//! Deletes an object for good. A bucket with versioning answers a deletion with a marker and keeps what was there; but
//! objects are deleted because somebody said that their voice is not to be kept, so older versions go as well.

use super::object::Object;
use super::versions;
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
    for version in versions::list(object).await? {
        // Others begin with this one's key.
        if version.key != object.key {
            continue;
        }
        let request = object.client.delete_object().bucket(&object.bucket).key(&object.key).version_id(version.id);
        match request.send().await.map_err(|error| object.failed(&error)) {
            Ok(_) | Err(StorageError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
