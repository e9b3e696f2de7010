//! Test tracks: a WebM writer small enough to be wrong on purpose.

use super::ebml::id;

/// What the tests vary.
#[derive(Clone)]
pub struct SampleTrack {
    pub channels: u8,
    pub codec: &'static [u8],
    pub track_type: u8,
    pub codec_delay_ns: Option<u64>,
    /// Sizes of segment and clusters are written where they are known.
    pub known_sizes: bool,
    /// Packets per cluster.
    pub cluster: usize,
}

impl Default for SampleTrack {
    fn default() -> Self {
        Self { channels: 1, codec: b"A_OPUS", track_type: 2, codec_delay_ns: None, known_sizes: false, cluster: 50 }
    }
}

/// An element with its size in four bytes.
pub fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    bytes.extend((0x1000_0000 | body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn unknown_size(id: u32, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], body].concat()
}

impl SampleTrack {
    /// The file up to its first cluster.
    pub fn header(&self) -> Vec<u8> {
        let mut entry = [
            element(id::TRACK_NUMBER, &[1]),
            element(id::TRACK_TYPE, &[self.track_type]),
            element(id::CODEC_ID, self.codec),
            element(id::AUDIO, &element(id::CHANNELS, &[self.channels])),
        ]
        .concat();
        if let Some(delay) = self.codec_delay_ns {
            entry.extend(element(id::CODEC_DELAY, &delay.to_be_bytes()));
        }
        let mut file = element(id::EBML, &element(id::DOC_TYPE, b"webm"));
        file.extend(unknown_size(id::SEGMENT, &element(id::TRACKS, &element(id::TRACK_ENTRY, &entry))));
        file
    }

    /// One cluster of simple blocks: (milliseconds, packet).
    pub fn cluster(&self, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let start = packets.first().map_or(0, |(time, _)| *time);
        let mut body = element(id::TIMESTAMP, &start.to_be_bytes());
        for (time, packet) in packets {
            body.extend(element(id::SIMPLE_BLOCK, &block((*time - start) as i16, packet)));
        }
        if self.known_sizes { element(id::CLUSTER, &body) } else { unknown_size(id::CLUSTER, &body) }
    }

    /// A whole file.
    pub fn file(&self, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let mut file = self.header();
        for cluster in packets.chunks(self.cluster) {
            file.extend(self.cluster(cluster));
        }
        file
    }
}

/// A block's body, not laced.
pub fn block(relative: i16, packet: &[u8]) -> Vec<u8> {
    [&[0x81][..], &relative.to_be_bytes(), &[0x80], packet].concat()
}

/// Packets of 20 ms at these milliseconds, each telling them apart by its body: wide-band SILK, mono.
pub fn packets(times: impl IntoIterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    times
        .into_iter()
        .enumerate()
        .map(|(at, time)| {
            let body = (0..40).map(|byte| (at * 31 + byte * 7) as u8);
            (time, std::iter::once(0x48).chain(body).collect())
        })
        .collect()
}
