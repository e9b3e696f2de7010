//! What the tests share: places on a test's server, little patience, bytes to store, readers read to their end.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use trackscribe::secret::Secret;
use trackscribe::storage::{BucketPlace, ObjectKey, ObjectReader, Patience, Place, S3Settings, S3Storage};

use super::s3::{ACCESS_KEY_ID, REGION, S3Server, SECRET_ACCESS_KEY};

pub const BUCKET: &str = "tracks";

/// Tries and waits of a test: enough to see them, not enough to feel them.
pub fn impatient() -> Patience {
    Patience {
        connect: Duration::from_secs(2),
        first_byte: Duration::from_secs(2),
        stall: Duration::from_millis(300),
        upload: Duration::from_secs(5),
        tries: 3,
        resumes: 3,
        backoff: Duration::from_millis(5),
        longest_backoff: Duration::from_millis(20),
    }
}

pub fn settings(server: &S3Server) -> S3Settings {
    S3Settings {
        endpoint: Some(server.endpoint().parse().unwrap()),
        region: Some(REGION.to_owned()),
        access_key_id: Some(Secret::new(ACCESS_KEY_ID)),
        secret_access_key: Some(Secret::new(SECRET_ACCESS_KEY)),
        ..S3Settings::default()
    }
}

pub fn place(address: &str, settings: S3Settings) -> BucketPlace {
    match Place::parse(&address.parse().unwrap(), settings).unwrap() {
        Place::Bucket(place) => *place,
        Place::Folder(folder) => panic!("{}", folder.display()),
    }
}

/// The server's bucket, or what is in it below a prefix (`"tracks/a/b"`).
pub fn storage(server: &S3Server, bucket: &str) -> S3Storage {
    S3Storage::new(place(&format!("s3://{bucket}"), settings(server)), impatient())
}

pub fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

/// Bytes that are nowhere the same.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

/// Reads to the end, away from the async threads.
pub async fn read_all(mut reader: ObjectReader) -> io::Result<Vec<u8>> {
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    read.await.unwrap()
}

/// Waits until it is so, 10 s at most.
pub async fn until(so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never came to be");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
