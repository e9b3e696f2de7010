//! Writes a file as an object: in one request when it is small, else in parts, of which two at most are in memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::object::Object;
use crate::storage::StorageError;

const MIB: u64 = 1024 * 1024;
/// Bytes of a part; S3 takes no part below 5 MiB but the last.
const PART: u64 = 8 * MIB;
/// Parts that S3 takes at most.
const MOST_PARTS: u64 = 10_000;
/// Up to here one request does: as much memory as two parts.
const SMALL: u64 = 2 * PART;

/// Stores the file at `from`.
///
/// # Errors
/// When it can't be read or stored. Then there is no new object.
pub async fn put_file(object: Object, from: &Path) -> Result<(), StorageError> {
    let source = Source::open(from.to_owned()).await?;
    if source.length <= SMALL {
        let (bytes, _) = source.next(SMALL).await?;
        return object.put(bytes).await;
    }
    let mut upload = Upload::begin(object).await?;
    match upload.send(source).await {
        Ok(parts) => upload.complete(parts).await,
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

/// Bytes of each part of a file so long.
fn part_size(length: u64) -> u64 {
    PART.max(length.div_ceil(MOST_PARTS).next_multiple_of(MIB))
}

/// A file that is read piece by piece, away from the async threads.
struct Source {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Source {
    async fn open(path: PathBuf) -> Result<Self, StorageError> {
        blocking(move || {
            let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (length, file) =
                opened.map_err(|source| StorageError::Io { key: path.display().to_string(), source })?;
            Ok(Self { file, path, length })
        })
        .await
    }

    /// The next `most` bytes; fewer at the end, none behind it.
    async fn next(mut self, most: u64) -> Result<(Bytes, Self), StorageError> {
        blocking(move || {
            let mut bytes = Vec::with_capacity(usize::try_from(most.min(self.length)).unwrap_or_default());
            match (&mut self.file).take(most).read_to_end(&mut bytes) {
                Ok(_) => Ok((bytes.into(), self)),
                Err(source) => Err(StorageError::Io { key: self.path.display().to_string(), source }),
            }
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StorageError::Interrupted)?
}

/// An upload that has begun. Its parts cost storage until it is completed or aborted, so it is aborted however it ends.
struct Upload {
    object: Object,
    id: String,
    open: bool,
}

impl Upload {
    async fn begin(object: Object) -> Result<Self, StorageError> {
        let request = object.client.create_multipart_upload().bucket(&object.bucket).key(&object.key);
        let begun = request.send().await.map_err(|error| object.failed(&error))?;
        let id = begun.upload_id.ok_or_else(|| object.unavailable("the answer has no upload id"))?;
        Ok(Self { object, id, open: true })
    }

    /// Sends all parts: one is sent while the next is read.
    async fn send(&self, source: Source) -> Result<Vec<CompletedPart>, StorageError> {
        let size = part_size(source.length);
        let mut parts = Vec::new();
        let (mut bytes, mut source) = source.next(size).await?;
        while !bytes.is_empty() {
            // At most MOST_PARTS by size; a file that grew meanwhile is refused by S3.
            let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
            let (part, next) = tokio::try_join!(self.part(number, bytes), source.next(size))?;
            parts.push(part);
            (bytes, source) = next;
        }
        Ok(parts)
    }

    async fn part(&self, number: i32, bytes: Bytes) -> Result<CompletedPart, StorageError> {
        let Self { object, id, .. } = self;
        let request = object.client.upload_part().bucket(&object.bucket).key(&object.key).upload_id(id);
        let request = request.part_number(number).body(ByteStream::from(bytes));
        let sent = request.customize().config_override(object.for_uploads()).send().await;
        let sent = sent.map_err(|error| object.failed(&error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .build())
    }

    async fn complete(mut self, parts: Vec<CompletedPart>) -> Result<(), StorageError> {
        let object = &self.object;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = object.client.complete_multipart_upload().bucket(&object.bucket).key(&object.key);
        let request = request.upload_id(&self.id).multipart_upload(parts);
        // Putting many parts together takes S3 its time before it answers.
        let sent = request.customize().config_override(object.for_uploads()).send().await;
        match sent.map_err(|error| object.failed(&error)) {
            Ok(_) => self.open = false,
            Err(error) => {
                self.abort().await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn abort(&mut self) {
        self.open = false;
        abort(&self.object, &self.id).await;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.open
            && let Ok(runtime) = Handle::try_current()
        {
            let (object, id) = (self.object.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move { abort(&object, &id).await });
        }
    }
}

/// What can't be aborted stays until the bucket's own rule for incomplete uploads removes it.
async fn abort(object: &Object, id: &str) {
    let request = object.client.abort_multipart_upload().bucket(&object.bucket).key(&object.key).upload_id(id);
    if let Err(error) = request.send().await {
        let error = object.failed(&error);
        tracing::warn!("parts of an unfinished upload may be left behind: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_few_as_s3_takes() {
        for (length, size) in [
            (17 * MIB, PART),
            (2048 * MIB, PART),
            (PART * MOST_PARTS, PART),
            (PART * MOST_PARTS + 1, PART + MIB),
            (5 * 1024 * 1024 * MIB, 525 * MIB),
        ] {
            assert_eq!(part_size(length), size, "{length}");
            assert!(length.div_ceil(part_size(length)) <= MOST_PARTS);
        }
    }
}
