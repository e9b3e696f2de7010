//! What a model's file says about itself, read before whisper.cpp gets it: whisper.cpp trusts the sizes in the file's
//! head, and ends the process when they make no sense.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::SpeechError;

/// `ggml` as a little-endian number: the first four bytes of every whisper.cpp model.
const MAGIC: [u8; 4] = *b"lmgg";
/// The numbers that follow the magic, in their order, each with the range that real models keep to with room to spare.
const HEAD: [(&str, std::ops::RangeInclusive<i32>); 11] = [
    ("n_vocab", 51_864..=52_000),
    ("n_audio_ctx", 1..=6_000),
    ("n_audio_state", 1..=8_192),
    ("n_audio_head", 1..=256),
    ("n_audio_layer", 1..=256),
    ("n_text_ctx", 1..=4_096),
    ("n_text_state", 1..=8_192),
    ("n_text_head", 1..=256),
    ("n_text_layer", 1..=256),
    ("n_mels", 1..=512),
    ("ftype", 0..=10_000),
];
/// BLAKE3 of the model that comes with the tests' meetings and knows 200 words.
const FIXTURE_CHECKSUM: &str = "c115d480c4c582b44640c20a711a1b68d595545b0615aa9cebebe53bc4ea96b5";

/// A file that looks like a model, and its checksum.
#[derive(Debug, Clone)]
pub(super) struct ModelFile {
    pub path: PathBuf,
    /// BLAKE3 of the whole file, hexadecimal.
    pub checksum: String,
}

impl ModelFile {
    /// Reads the file once from end to end.
    pub fn open(path: &Path) -> Result<Self, SpeechError> {
        let unreadable = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                SpeechError::ModelMissing { path: path.to_owned() }
            }
            _ => SpeechError::ModelUnreadable { path: path.to_owned(), source },
        };
        let not_a_model = |reason: &str| SpeechError::NotAModel { path: path.to_owned(), reason: reason.to_owned() };
        let mut file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.is_dir() {
            return Err(not_a_model("it is a folder"));
        }
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(4 + 4 * HEAD.len() as u64).read_to_end(&mut head).map_err(unreadable)?;
        let smallest = check_head(&head).map_err(|reason| not_a_model(&reason))?;
        if file.metadata().map_err(unreadable)?.len() < smallest {
            return Err(not_a_model("it is cut off"));
        }
        let mut hash = blake3::Hasher::new();
        hash.update(&head);
        hash.update_reader(file).map_err(unreadable)?;
        Ok(Self { path: path.to_owned(), checksum: hash.finalize().to_hex().to_string() })
    }

    /// The last part of the path.
    pub fn file_name(&self) -> String {
        file_name(&self.path)
    }

    /// Whether this is the tests' model, under whatever name, or another one made like it.
    pub fn is_fixture(&self) -> bool {
        self.checksum == FIXTURE_CHECKSUM || self.file_name().starts_with("ggml-fixture")
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Returns the least bytes that such a model has: a quarter of a byte for each weight of its token embedding, which is less
/// than any quantisation takes and more than all that comes before. (A file that ends before its first weights would
/// load: whisper.cpp takes it for one of its own tests, and later computes with nothing.)
fn check_head(head: &[u8]) -> Result<u64, String> {
    if head.is_empty() {
        return Err("it is empty".into());
    }
    if !head.starts_with(&MAGIC) {
        return Err("it does not begin as ggml models do".into());
    }
    let numbers = head[MAGIC.len()..].chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let mut read = Vec::with_capacity(HEAD.len());
    for ((name, range), number) in HEAD.iter().zip(numbers) {
        if !range.contains(&number) {
            return Err(format!("its {name} is {number}"));
        }
        read.push(number.unsigned_abs());
    }
    if read.len() < HEAD.len() {
        return Err("it ends inside its head".into());
    }
    Ok(u64::from(read[0]) * u64::from(read[6]) / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_missing_file_says_how_to_get_one() {
        let error = ModelFile::open(Path::new("no/such/model.bin")).unwrap_err().to_string();
        assert!(error.contains("no/such/model.bin") && error.contains("--model"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_model_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [("empty.bin", &b""[..]), ("text.bin", b"hello, this is no model"), ("cut.bin", b"lmgg\x98\xca")]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = ModelFile::open(&path).unwrap_err();
            assert!(matches!(error, SpeechError::NotAModel { .. }), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(matches!(ModelFile::open(folder.path()), Err(SpeechError::NotAModel { .. })));
    }

    proptest! {
        #[test]
        fn any_head_is_judged_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = check_head(&bytes);
            let _ = check_head(&[&MAGIC[..], &bytes].concat());
        }
    }
}
