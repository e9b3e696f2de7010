//! Objects in a bucket of Amazon S3 or of a service that speaks its protocol.
//!
//! Everything streams: a track of any length passes through a few MiB of memory. Short failures are bridged here; what
//! lasts longer is an error with a class, for the engine to try again.

mod answer;
mod client;
mod erase;
mod object;
mod patience;
mod reader;
mod upload;
mod versions;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::Bytes;
use tokio::sync::OnceCell;

use self::object::Object;
use super::{BucketPlace, ObjectKey, ObjectReader, Storage, StorageError};
use crate::failure::{Failure, FailureClass};
use crate::secret::{Secret, redacted};

pub use patience::Patience;

/// A bucket, or what is in it below a prefix. Cheap to clone; clones share connections and credentials, which are made
/// when first needed.
#[derive(Clone)]
pub struct S3Storage(Arc<Inner>);

struct Inner {
    place: BucketPlace,
    patience: Patience,
    client: OnceCell<Client>,
}

impl S3Storage {
    /// The objects of `place`. Nothing is asked yet.
    pub fn new(place: BucketPlace, patience: Patience) -> Self {
        Self(Arc::new(Inner { place, patience, client: OnceCell::new() }))
    }

    async fn client(&self) -> Result<&Client, StorageError> {
        self.0.client.get_or_try_init(|| client::connect(&self.0.place, &self.0.patience)).await
    }

    async fn object(&self, key: &ObjectKey) -> Result<Object, StorageError> {
        self.named(format!("{}{key}", self.0.place.base())).await
    }

    /// By a whole key, or what keys begin with.
    async fn named(&self, key: String) -> Result<Object, StorageError> {
        let Inner { place, patience, .. } = &*self.0;
        let client = self.client().await?.clone();
        Ok(Object { client, bucket: place.bucket.clone(), key, patience: patience.clone() })
    }
}

#[async_trait]
impl Storage for S3Storage {
    async fn open(&self, key: &ObjectKey) -> Result<ObjectReader, StorageError> {
        reader::open(self.object(key).await?).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        let object = self.object(key).await?;
        let asked = object.client.head_object().bucket(&object.bucket).key(&object.key).send().await;
        match asked.map_err(|error| object.failed(&error)) {
            Ok(found) => Ok(Some(found.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0))),
            Err(StorageError::Missing { .. }) => Ok(None),
            // Answers to HEAD have no body that says why: the first byte's does.
            Err(error @ (StorageError::Denied { .. } | StorageError::Refused { .. })) => {
                let first = object.client.get_object().bucket(&object.bucket).key(&object.key).range("bytes=0-0");
                Err(first.send().await.err().map_or(error, |error| object.failed(&error)))
            }
            Err(error) => Err(error),
        }
    }

    async fn put_file(&self, key: &ObjectKey, from: &Path) -> Result<(), StorageError> {
        upload::put_file(self.object(key).await?, from).await
    }

    async fn put_bytes(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), StorageError> {
        self.object(key).await?.put(Bytes::copy_from_slice(bytes)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        let base = self.0.place.base();
        let below = self.named(format!("{base}{prefix}")).await?;
        let request = below.client.list_objects_v2().bucket(&below.bucket).prefix(&below.key);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| below.failed(&error))?;
            let names = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&base));
            // Markers of folders and the like are no objects of ours.
            keys.extend(names.filter_map(|name| name.parse::<ObjectKey>().ok()));
        }
        keys.sort_unstable();
        Ok(keys)
    }

    async fn list_ever(&self, prefix: &str) -> Result<Vec<ObjectKey>, StorageError> {
        let base = self.0.place.base();
        let mut keys: BTreeSet<ObjectKey> = self.list(prefix).await?.into_iter().collect();
        let below = self.named(format!("{base}{prefix}")).await?;
        match versions::list(&below).await {
            Ok(found) => {
                keys.extend(
                    found.iter().filter_map(|version| version.key.strip_prefix(&base)?.parse::<ObjectKey>().ok()),
                );
            }
            Err(error) if error.class() == FailureClass::Permanent => {
                let error = redacted(&error.to_string());
                tracing::warn!(error, "older versions can't be listed: those of what was deleted before stay");
            }
            Err(error) => return Err(error),
        }
        Ok(keys.into_iter().collect())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        erase::erase(self.object(key).await?).await
    }

    async fn presign(&self, key: &ObjectKey, valid_for: Duration) -> Result<Option<Secret>, StorageError> {
        let object = self.object(key).await?;
        let refused = |why: &str| StorageError::Refused { object: object.address(), why: why.to_owned() };
        let valid = PresigningConfig::expires_in(valid_for)
            .map_err(|_| refused("an address can't be valid for more than a week"))?;
        let request = object.client.get_object().bucket(&object.bucket).key(&object.key);
        let signed = request.presigned(valid).await.map_err(|error| object.failed(&error))?;
        Ok(Some(Secret::new(signed.uri())))
    }

    /// Asks for one key. An answer to a listing, unlike others, tells a missing bucket from a denied one.
    async fn check(&self) -> Result<(), StorageError> {
        let below = self.named(self.0.place.base()).await?;
        let request = below.client.list_objects_v2().bucket(&below.bucket).prefix(&below.key).max_keys(1);
        request.send().await.map(drop).map_err(|error| below.failed(&error))
    }
}
