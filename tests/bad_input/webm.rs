//! WebM files that no recorder would make.

fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    bytes.extend((0x1000_0000 | u32::try_from(body.len()).unwrap()).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn file(track: &[u8], start_ms: u64, blocks: &[(i16, &[u8])]) -> Vec<u8> {
    let mut cluster = element(0xE7, &start_ms.to_be_bytes());
    for (relative_ms, packet) in blocks {
        cluster.extend(element(0xA3, &[&[0x81][..], &relative_ms.to_be_bytes(), &[0x80], packet].concat()));
    }
    let tracks = element(0x1654_AE6B, &element(0xAE, track));
    let segment = [tracks, if blocks.is_empty() { Vec::new() } else { element(0x1F43_B675, &cluster) }].concat();
    [element(0x1A45_DFA3, &element(0x4282, b"webm")), element(0x1853_8067, &segment)].concat()
}

/// One Opus track; each packet with its milliseconds after the start.
pub fn opus(start_ms: u64, packets: &[(i16, &[u8])]) -> Vec<u8> {
    let audio = element(0xE1, &element(0x9F, &[1]));
    let track = [element(0xD7, &[1]), element(0x83, &[2]), element(0x86, b"A_OPUS"), audio].concat();
    file(&track, start_ms, packets)
}

/// A picture and no sound.
pub fn video_only() -> Vec<u8> {
    let track = [element(0xD7, &[1]), element(0x83, &[1]), element(0x86, b"V_VP8")].concat();
    file(&track, 0, &[(0, &[0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A])])
}
