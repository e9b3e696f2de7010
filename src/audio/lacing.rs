//! Several frames in one WebM block ("lacing", RFC 9559 section 10.3). Browsers do not lace Opus, muxers on the way may.

use super::ebml;

/// The frames of a block's body behind its flags; `None` when the sizes do not fit.
pub fn frames(body: &[u8], flags: u8) -> Option<Vec<&[u8]>> {
    let kind = (flags >> 1) & 0b11;
    if kind == 0 {
        return Some(vec![body]);
    }
    let count = usize::from(*body.first()?) + 1;
    let mut rest = &body[1..];
    let sizes = match kind {
        0b01 => xiph_sizes(&mut rest, count)?,
        0b11 => ebml_sizes(&mut rest, count)?,
        _ if rest.len() % count == 0 => vec![rest.len() / count; count - 1],
        _ => return None,
    };
    let mut frames = Vec::with_capacity(count);
    for size in sizes {
        let (frame, behind) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = behind;
    }
    frames.push(rest);
    Some(frames)
}

/// All sizes but the last: runs of 255 and a rest.
fn xiph_sizes(rest: &mut &[u8], count: usize) -> Option<Vec<usize>> {
    let mut sizes = Vec::with_capacity(count);
    for _ in 1..count {
        let mut size = 0;
        loop {
            let (byte, behind) = rest.split_first()?;
            *rest = behind;
            size += usize::from(*byte);
            if *byte != 255 {
                break;
            }
        }
        sizes.push(size);
    }
    Some(sizes)
}

/// All sizes but the last: the first as it is, the others as signed differences.
fn ebml_sizes(rest: &mut &[u8], count: usize) -> Option<Vec<usize>> {
    let mut sizes: Vec<usize> = Vec::with_capacity(count);
    for _ in 1..count {
        let (value, length) = ebml::vint(rest)?;
        *rest = &rest[length..];
        let value = i64::try_from(value?).ok()?;
        let size = match sizes.last() {
            None => value,
            Some(before) => *before as i64 + value - ((1i64 << (7 * length - 1)) - 1),
        };
        sizes.push(usize::try_from(size).ok()?);
    }
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_lacings_and_none() {
        assert_eq!(frames(b"abc", 0x80), Some(vec![&b"abc"[..]]));
        assert_eq!(frames(b"\x02aabbcc", 0x04), Some(vec![&b"aa"[..], b"bb", b"cc"]));
        assert_eq!(frames(b"\x02aabbccd", 0x04), None);
        assert_eq!(frames(b"\x02\x01\x03abbbcc", 0x02), Some(vec![&b"a"[..], b"bbb", b"cc"]));
        assert_eq!(frames(b"\x02\x82\xbeaabcc", 0x06), Some(vec![&b"aa"[..], b"b", b"cc"]));
        assert_eq!(frames(b"", 0x02), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), flags: u8) {
            if let Some(frames) = frames(&bytes, flags) {
                prop_assert!(frames.iter().map(|frame| frame.len()).sum::<usize>() <= bytes.len());
            }
        }
    }
}
