//! The grammar under WebM: elements of id, size and body (RFC 8794), and the ids that matter here (RFC 9559).

/// Ids of the elements that a recording of sound may hold, marker bits included.
pub mod id {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const INFO: u32 = 0x1549_A966;
    pub const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CODEC_DELAY: u32 = 0x56AA;
    pub const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub const AUDIO: u32 = 0xE1;
    pub const CHANNELS: u32 = 0x9F;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIMESTAMP: u32 = 0xE7;
    pub const POSITION: u32 = 0xA7;
    pub const PREV_SIZE: u32 = 0xAB;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const BLOCK_GROUP: u32 = 0xA0;
    pub const BLOCK: u32 = 0xA1;
    pub const DISCARD_PADDING: u32 = 0x75A2;
    pub const CUES: u32 = 0x1C53_BB6B;
    pub const CHAPTERS: u32 = 0x1043_A770;
    pub const TAGS: u32 = 0x1254_C367;
    pub const ATTACHMENTS: u32 = 0x1941_A469;
    pub const VOID: u32 = 0xEC;
    pub const CRC_32: u32 = 0xBF;
}

/// An element's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub id: u32,
    /// Bytes of the body; `None` when the writer did not know.
    pub size: Option<u64>,
    /// Bytes of the head itself.
    pub length: usize,
}

/// The longest head: four bytes of id, eight of size.
pub const LONGEST_HEAD: usize = 12;

/// What stands at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A whole head.
    Head(Head),
    /// What may become one with more bytes.
    Short,
    /// No element begins here.
    Nonsense,
}

/// Reads an element's head.
pub fn head(bytes: &[u8]) -> Parsed {
    let Some(&first) = bytes.first() else { return Parsed::Short };
    let id_length = first.leading_zeros() as usize + 1;
    if id_length > 4 {
        return Parsed::Nonsense;
    }
    let Some(id) = bytes.get(..id_length) else { return Parsed::Short };
    let id = id.iter().fold(0, |id, byte| (id << 8) | u32::from(*byte));
    let Some(&mark) = bytes.get(id_length) else { return Parsed::Short };
    if mark == 0 {
        return Parsed::Nonsense;
    }
    match vint(&bytes[id_length..]) {
        Some((size, size_length)) => Parsed::Head(Head { id, size, length: id_length + size_length }),
        None => Parsed::Short,
    }
}

/// Reads a number of variable length without its marker: the value (`None`: all ones, "unknown") and its bytes.
pub fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let field = bytes.get(..length.min(9))?;
    if length > 8 {
        return None;
    }
    let bits = 7 * length as u32;
    let all_ones = (1u64 << bits) - 1;
    let value = field.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte)) & all_ones;
    Some(((value != all_ones).then_some(value), length))
}

/// A body as an unsigned number; `None` when it is longer than one can be.
pub fn unsigned(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| body.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

/// A body as a signed number.
pub fn signed(body: &[u8]) -> Option<i64> {
    let value = unsigned(body)?;
    let unused = 64 - 8 * body.len() as u32;
    Some(if unused == 64 { 0 } else { ((value << unused) as i64) >> unused })
}

/// The children within a body that lies in memory, up to the first that makes no sense.
pub fn children(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let Parsed::Head(head) = head(rest) else { return None };
        let size = usize::try_from(head.size?).ok()?;
        let child = rest.get(head.length..head.length.checked_add(size)?)?;
        rest = &rest[head.length + size..];
        Some((head.id, child))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn heads_are_read_in_every_length() {
        assert_eq!(head(&[0xA3, 0x85]), Parsed::Head(Head { id: id::SIMPLE_BLOCK, size: Some(5), length: 2 }));
        let unknown = [0x1F, 0x43, 0xB6, 0x75, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(head(&unknown), Parsed::Head(Head { id: id::CLUSTER, size: None, length: 12 }));
        assert_eq!(head(&unknown[..11]), Parsed::Short);
        assert_eq!(head(&[0x08, 0x80]), Parsed::Nonsense);
        assert_eq!(head(&[0xA3, 0x00]), Parsed::Nonsense);
    }

    #[test]
    fn numbers_keep_their_sign() {
        assert_eq!(unsigned(&[1, 0]), Some(256));
        assert_eq!(unsigned(&[0; 9]), None);
        assert_eq!(signed(&[0xFF, 0xFE]), Some(-2));
        assert_eq!(signed(&[0x7F]), Some(127));
        assert_eq!(signed(&[]), Some(0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = head(&bytes);
            let total: usize = children(&bytes).map(|(_, body)| body.len()).sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
