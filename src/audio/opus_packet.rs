//! What an Opus packet says without being decoded: how long it is; and the silence that this program writes.
//!
//! The container gives no duration (WebM's SimpleBlock has none), so it is read from the packet's table-of-contents
//! byte, RFC 6716 section 3.1.

use super::timeline::Samples48k;

/// The longest packet the format allows: 120 ms.
pub const LONGEST_PACKET: Samples48k = Samples48k(5760);

/// Bytes of one compressed frame, RFC 6716 section 3.4 [R2].
const LONGEST_FRAME: usize = 1275;

/// A packet's length; `None` when these bytes are no Opus packet.
pub fn duration(packet: &[u8]) -> Option<Samples48k> {
    let toc = *packet.first()?;
    let frame = frame_duration(toc);
    let frames = match toc & 0b11 {
        0 if packet.len() - 1 <= LONGEST_FRAME => 1,
        1 if (packet.len() - 1) % 2 == 0 => 2,
        2 if packet.len() > 1 => 2,
        3 => u64::from(*packet.get(1)? & 0x3F),
        _ => return None,
    };
    let total = Samples48k(frame * frames);
    (frames > 0 && total <= LONGEST_PACKET).then_some(total)
}

/// Length of one frame in samples at 48 kHz, from the five configuration bits.
fn frame_duration(toc: u8) -> u64 {
    match toc >> 3 {
        silk @ 0..=11 => [480, 960, 1920, 2880][usize::from(silk % 4)],
        hybrid @ 12..=15 => [480, 960][usize::from(hybrid % 2)],
        celt => [120, 240, 480, 960][usize::from(celt % 4)],
    }
}

/// One channel or two: what silence has to match, so that no decoder is made to switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelCount {
    /// One channel.
    Mono,
    /// Two channels.
    Stereo,
}

impl ChannelCount {
    /// 1 or 2.
    pub fn get(self) -> u8 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// Silence as full-band CELT, in which "silent" is one bit: the bytes that libopus itself writes for 20 ms of digital
/// silence, and the same frame in CELT's shorter lengths. Longest first.
const SILENCE: [(u64, [&[u8]; 2]); 4] = [
    (960, [&[0xF8, 0xFF, 0xFE], &[0xFC, 0xFF, 0xFE]]),
    (480, [&[0xF0, 0xFF, 0xFE], &[0xF4, 0xFF, 0xFE]]),
    (240, [&[0xE8, 0xFF, 0xFE], &[0xEC, 0xFF, 0xFE]]),
    (120, [&[0xE0, 0xFF, 0xFE], &[0xE4, 0xFF, 0xFE]]),
];

/// The longest packet of silence that fits into `wanted`, and its length; `None` below 2.5 ms.
pub fn silence(wanted: Samples48k, channels: ChannelCount) -> Option<(&'static [u8], Samples48k)> {
    let (length, packets) = SILENCE.iter().find(|(length, _)| *length <= wanted.0)?;
    Some((packets[usize::from(channels == ChannelCount::Stereo)], Samples48k(*length)))
}

/// Whether a packet is one of this program's own packets of silence.
pub fn is_silence(packet: &[u8]) -> bool {
    matches!(packet, [toc, 0xFF, 0xFE] if toc & 0b1110_0011 == 0b1110_0000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn durations_agree_with_libopus(packet in proptest::collection::vec(any::<u8>(), 0..64)) {
            let ours = duration(&packet).map(|samples| samples.0 as usize);
            if let Some(ours) = ours {
                prop_assert_eq!(Some(ours), opus::packet::get_nb_samples(&packet, 48_000).ok());
            } else {
                prop_assert!(opus::packet::parse(&packet).is_err());
            }
        }
    }

    #[test]
    fn silence_packets_are_as_long_as_they_say_and_decode_to_nothing() {
        for channels in [ChannelCount::Mono, ChannelCount::Stereo] {
            for wanted in [120, 240, 480, 960, 5000] {
                let (packet, length) = silence(Samples48k(wanted), channels).unwrap();
                assert!(is_silence(packet));
                assert_eq!(duration(packet), Some(length));
                let parsed = opus::packet::get_nb_channels(packet).unwrap();
                assert_eq!(parsed as u8, channels.get());
                let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono).unwrap();
                let mut pcm = [1.0f32; 960];
                assert_eq!(decoder.decode_float(packet, &mut pcm, false).unwrap() as u64, length.0);
                assert!(pcm[..length.0 as usize].iter().all(|sample| sample.abs() < 1e-6));
            }
        }
        assert_eq!(silence(Samples48k(119), ChannelCount::Mono), None);
    }
}
