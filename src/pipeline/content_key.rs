//! Names for derived objects: a hash of what they are made from. Whoever makes one again makes the same under the same
//! name, so a retried, resumed or new run uses what is there.

/// Hash of `parts`, each told apart from its neighbours: 32 hex digits.
pub fn content_key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(content_key(["ab", "c"]), content_key(["a", "bc"]));
        assert_eq!(content_key(["ab", "c"]), content_key(["ab", "c"]));
        assert_eq!(content_key([]).len(), 32);
    }
}
