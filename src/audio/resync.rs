//! Finding the way back in a damaged WebM file: which bytes may follow an element, and where the next believable
//! place is.
//!
//! The next cluster is always one, because it carries its own time. Within the same cluster the next two blocks that
//! fit together are one as well, so that a few broken bytes do not cost the rest of a cluster (browsers write clusters
//! of up to half a minute): but only soon, and never backwards in time, or the blocks of a later cluster whose
//! start was lost would be taken for this one's.

use std::io::Read;

use tokio_util::sync::CancellationToken;

use super::ebml::{self, Parsed, id};
use super::error::AudioError;
use super::window::ByteWindow;

/// Bytes after the damage within which blocks are still taken for the same cluster's.
const SAME_CLUSTER: usize = 2048;

/// The largest block that counts as a sign of life.
const LARGEST_BLOCK: u64 = 4096;

/// Bytes looked ahead at each candidate: two blocks and their heads.
const LOOK_AHEAD: usize = 3 * LARGEST_BLOCK as usize;

/// Bytes searched at a time.
const STRIDE: usize = 64 * 1024;

/// What a block of the same cluster has to show.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The track's number.
    pub track: u64,
    /// The time of the last block, relative to the cluster.
    pub at_least: i16,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Bytes passed over.
    pub skipped: usize,
    /// Nothing more was found.
    pub at_end: bool,
}

/// Elements that may follow anything in a segment.
pub fn is_known(id: u32) -> bool {
    is_top_level(id)
        || matches!(id, id::TIMESTAMP | id::POSITION | id::PREV_SIZE | id::SIMPLE_BLOCK | id::BLOCK_GROUP | id::CRC_32)
}

/// Elements beside or above clusters, whose ids are long enough not to come about by chance; and padding.
pub fn is_top_level(id: u32) -> bool {
    matches!(
        id,
        id::EBML
            | id::SEGMENT
            | id::SEEK_HEAD
            | id::INFO
            | id::TRACKS
            | id::CLUSTER
            | id::CUES
            | id::CHAPTERS
            | id::TAGS
            | id::ATTACHMENTS
            | id::VOID
    )
}

/// Whether these bytes, up to twelve behind an element, are its believable surroundings: the end, a head that is still
/// coming, or a known element.
pub fn is_plausible(following: &[u8]) -> bool {
    match ebml::head(following) {
        Parsed::Head(head) => is_known(head.id),
        Parsed::Short => true,
        Parsed::Nonsense => false,
    }
}

/// Moves the window to the next believable place after its first byte.
pub fn find_next<R: Read>(
    window: &mut ByteWindow<R>,
    in_cluster: Option<Expected>,
    cancel: &CancellationToken,
) -> Result<Found, AudioError> {
    window.advance(1);
    let mut skipped = 1;
    loop {
        if cancel.is_cancelled() {
            return Err(AudioError::Cancelled);
        }
        let bytes = window.peek(STRIDE + LOOK_AHEAD).map_err(AudioError::Read)?;
        let at_end = bytes.len() < STRIDE + LOOK_AHEAD;
        let searched = if at_end { bytes.len() } else { STRIDE };
        let hit = (0..searched).find(|at| {
            let here = &bytes[*at..];
            is_cluster(here)
                || in_cluster.is_some_and(|expected| skipped + at <= SAME_CLUSTER && are_blocks(here, expected))
        });
        let passed = hit.unwrap_or(searched);
        window.advance(passed);
        skipped += passed;
        if hit.is_some() || at_end {
            return Ok(Found { skipped, at_end: hit.is_none() });
        }
    }
}

/// A cluster's head, and behind it what a cluster begins with.
fn is_cluster(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&id::CLUSTER.to_be_bytes()) {
        return false;
    }
    let Parsed::Head(cluster) = ebml::head(bytes) else { return false };
    match ebml::head(&bytes[cluster.length..]) {
        Parsed::Head(child) => match child.id {
            id::TIMESTAMP => child.size.is_some_and(|size| size <= 8),
            id::CRC_32 | id::VOID | id::POSITION | id::PREV_SIZE => {
                child.size.is_some_and(|size| size <= LARGEST_BLOCK)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Two blocks of the track in a row, in order; or one right before a cluster or the end.
fn are_blocks(bytes: &[u8], expected: Expected) -> bool {
    let Some((relative, length)) = block(bytes, expected) else { return false };
    let behind = &bytes[length..];
    behind.is_empty() || is_cluster(behind) || block(behind, Expected { at_least: relative, ..expected }).is_some()
}

/// A whole simple block that fits: its time relative to the cluster, and its bytes.
fn block(bytes: &[u8], expected: Expected) -> Option<(i16, usize)> {
    if bytes.first() != Some(&(id::SIMPLE_BLOCK as u8)) {
        return None;
    }
    let Parsed::Head(head) = ebml::head(bytes) else { return None };
    let size = head.size.filter(|size| *size <= LARGEST_BLOCK)? as usize;
    let body = bytes.get(head.length..head.length + size)?;
    let (number, at) = ebml::vint(body)?;
    let [high, low, flags] = body.get(at..at + 3)?.try_into().ok()?;
    let relative = i16::from_be_bytes([high, low]);
    let fits = number == Some(expected.track) && flags & 0x70 == 0 && relative >= expected.at_least;
    fits.then_some((relative, head.length + size))
}
