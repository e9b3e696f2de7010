//! One object of a bucket, and the requests that its reader and writer share.

use std::error::Error;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::{Patience, answer, client};
use crate::storage::StorageError;

/// An object by its whole key, the place's prefix included.
#[derive(Clone)]
pub struct Object {
    pub client: Client,
    pub bucket: String,
    pub key: String,
    pub patience: Patience,
}

impl Object {
    /// `s3://bucket/key`, for people.
    pub fn address(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The meaning of a request that failed.
    pub fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> StorageError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let asked = self.client.config().region().map(ToString::to_string).unwrap_or_default();
        answer::meaning(error, &self.address(), &asked)
    }

    /// A failure that is no answer to a request.
    pub fn unavailable(&self, why: impl Into<String>) -> StorageError {
        StorageError::Unavailable { object: self.address(), why: why.into() }
    }

    /// Begins to read at the start.
    pub async fn get(&self) -> Result<GetObjectOutput, StorageError> {
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key);
        request.send().await.map_err(|error| self.failed(&error))
    }

    /// Begins to read at byte `from` of the object that had this `etag`. Tried once: the reader counts its own tries.
    pub async fn get_rest(&self, from: u64, etag: &str) -> Result<GetObjectOutput, StorageError> {
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key);
        let request = request.range(format!("bytes={from}-")).if_match(etag);
        let once = Builder::new().retry_config(RetryConfig::disabled());
        request.customize().config_override(once).send().await.map_err(|error| self.failed(&error))
    }

    /// Writes the object in one go.
    pub async fn put(&self, bytes: Bytes) -> Result<(), StorageError> {
        let request = self.client.put_object().bucket(&self.bucket).key(&self.key).body(ByteStream::from(bytes));
        let sent = request.customize().config_override(self.for_uploads()).send().await;
        sent.map(drop).map_err(|error| self.failed(&error))
    }

    /// Settings of requests that send much: their answer begins only when all is sent.
    pub fn for_uploads(&self) -> Builder {
        let timeouts = client::timeouts(&self.patience).read_timeout(self.patience.upload);
        Builder::new().timeout_config(timeouts.build())
    }
}
