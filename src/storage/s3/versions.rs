//! What a bucket with versioning keeps: also of objects that are deleted, whose keys a listing does not show.

use super::object::Object;
use crate::storage::StorageError;

/// One version of an object, or the marker that a deletion set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The object's whole key in the bucket.
    pub key: String,
    /// Its name in the bucket; `null` for what was stored while the bucket kept no versions.
    pub id: String,
}

/// All versions of all objects whose keys begin with that of `below`, in the order of keys.
///
/// # Errors
/// When the service can't be asked, or does not let us.
pub async fn list(below: &Object) -> Result<Vec<Version>, StorageError> {
    let mut all = Vec::new();
    let (mut from_key, mut from_version) = (None, None);
    loop {
        let request = below.client.list_object_versions().bucket(&below.bucket).prefix(&below.key);
        let page = request.set_key_marker(from_key).set_version_id_marker(from_version).send().await;
        let page = page.map_err(|error| below.failed(&error))?;
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let named = versions.chain(markers).filter_map(|(key, id)| Some((key?, id?)));
        all.extend(named.map(|(key, id)| Version { key: key.to_owned(), id: id.to_owned() }));
        if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
            return Ok(all);
        }
        from_key = page.next_key_marker().map(str::to_owned);
        from_version = page.next_version_id_marker().map(str::to_owned);
    }
}
