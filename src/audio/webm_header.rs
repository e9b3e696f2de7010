//! A WebM file up to its first cluster: is it one, and which of its tracks is the Opus track to read.

use std::io::Read;

use tokio_util::sync::CancellationToken;

use super::ebml::{self, Head, LONGEST_HEAD, Parsed, id};
use super::error::AudioError;
use super::opus_packet::ChannelCount;
use super::window::ByteWindow;

/// Headers have a few hundred bytes; what claims more than this is not read.
const LARGEST_HEADER: u64 = 4 << 20;

/// Nanoseconds of a tick where the file does not say.
const DEFAULT_TICK: u64 = 1_000_000;

/// What the header says.
pub struct Header {
    pub track: AudioTrack,
    /// Nanoseconds of one tick of cluster and block times.
    pub tick: u64,
}

/// The Opus track.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioTrack {
    /// The number its blocks carry.
    pub number: u64,
    /// Its channels.
    pub channels: ChannelCount,
    /// Seconds of sound at the start that are not to be heard; block times count them in.
    pub codec_delay: f64,
    /// Output gain of the Opus header, in 1/256 dB.
    pub gain: i16,
    /// Whether the file has other tracks beside.
    pub has_company: bool,
}

/// Reads up to the first cluster, which stays in the window.
pub fn read_header<R: Read>(window: &mut ByteWindow<R>, cancel: &CancellationToken) -> Result<Header, AudioError> {
    let mut tick = DEFAULT_TICK;
    let mut track = None;
    let mut first = true;
    loop {
        if cancel.is_cancelled() {
            return Err(AudioError::Cancelled);
        }
        let bytes = window.peek(LONGEST_HEAD).map_err(AudioError::Read)?;
        let empty = bytes.is_empty();
        let head = match ebml::head(bytes) {
            Parsed::Head(head) => head,
            _ if first && empty => return Err(AudioError::Empty),
            _ if first => return Err(AudioError::NotMedia("no EBML header")),
            _ => break,
        };
        if first != (head.id == id::EBML) {
            return Err(AudioError::NotMedia(if first { "no EBML header" } else { "a second EBML header" }));
        }
        match head {
            Head { id: id::CLUSTER, .. } => break,
            Head { id: id::SEGMENT, length, .. } => window.advance(length),
            Head { id, size: Some(size), length } if size <= LARGEST_HEADER => {
                let whole = length + size as usize;
                let bytes = window.peek(whole).map_err(AudioError::Read)?;
                let Some(body) = bytes.get(length..whole) else { break };
                match id {
                    id::EBML => check_type(body)?,
                    id::INFO => tick = tick_of(body).unwrap_or(tick),
                    id::TRACKS if track.is_none() => track = Some(choose(body)?),
                    _ => {}
                }
                window.advance(whole);
            }
            _ => break,
        }
        first = false;
    }
    match track {
        Some(track) => Ok(Header { track, tick }),
        None if first => Err(AudioError::NotMedia("no EBML header")),
        None => Err(AudioError::NoAudioStream),
    }
}

fn check_type(ebml: &[u8]) -> Result<(), AudioError> {
    let kind = ebml::children(ebml).find(|(id, _)| *id == id::DOC_TYPE).map_or(&b"matroska"[..], |(_, kind)| kind);
    let kind = kind.split(|byte| *byte == 0).next().unwrap_or_default();
    if matches!(kind, b"webm" | b"matroska") { Ok(()) } else { Err(AudioError::NotMedia("EBML, but not WebM")) }
}

fn tick_of(info: &[u8]) -> Option<u64> {
    let (_, body) = ebml::children(info).find(|(id, _)| *id == id::TIMESTAMP_SCALE)?;
    ebml::unsigned(body).filter(|tick| (1..=1_000_000_000).contains(tick))
}

/// The first audio track, which has to be Opus.
fn choose(tracks: &[u8]) -> Result<AudioTrack, AudioError> {
    const SOUND: u64 = 2;
    let entries = || ebml::children(tracks).filter(|(id, _)| *id == id::TRACK_ENTRY).map(|(_, body)| body);
    let field = |entry, wanted| ebml::children(entry).find(|(id, _)| *id == wanted).map(|(_, body)| body);
    let number = |entry, wanted| field(entry, wanted).and_then(ebml::unsigned);
    let entry =
        entries().find(|entry| number(entry, id::TRACK_TYPE) == Some(SOUND)).ok_or(AudioError::NoAudioStream)?;
    let codec = field(entry, id::CODEC_ID).unwrap_or_default();
    if codec.split(|byte| *byte == 0).next() != Some(b"A_OPUS") {
        let shown: String = String::from_utf8_lossy(codec).chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(AudioError::UnsupportedCodec(format!("codec {shown:?} in WebM; only Opus is read")));
    }
    if field(entry, id::CONTENT_ENCODINGS).is_some() {
        return Err(AudioError::UnsupportedCodec("compressed or encrypted blocks".into()));
    }
    let head = field(entry, id::CODEC_PRIVATE).and_then(OpusHead::parse);
    let in_audio = || {
        let (_, body) = ebml::children(field(entry, id::AUDIO)?).find(|(id, _)| *id == id::CHANNELS)?;
        ebml::unsigned(body)
    };
    let channels = match head.map(|head| u64::from(head.channels)).or_else(in_audio).unwrap_or(1) {
        1 => ChannelCount::Mono,
        2 => ChannelCount::Stereo,
        more => return Err(AudioError::UnsupportedCodec(format!("Opus with {more} channels"))),
    };
    let pre_skip = head.map_or(0.0, |head| f64::from(head.pre_skip) / 48_000.0);
    let delay = number(entry, id::CODEC_DELAY).map_or(pre_skip, |nanoseconds| nanoseconds as f64 / 1e9);
    Ok(AudioTrack {
        number: number(entry, id::TRACK_NUMBER).unwrap_or(1),
        channels,
        // The Opus header's own field ends at 1.4 s: more is damage.
        codec_delay: if delay <= f64::from(u16::MAX) / 48_000.0 { delay } else { 0.0 },
        gain: head.map_or(0, |head| head.gain),
        has_company: entries().count() > 1,
    })
}

/// The identification header of Opus, RFC 7845 section 5.1, as far as it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusHead {
    pub channels: u8,
    pub pre_skip: u16,
    pub gain: i16,
}

impl OpusHead {
    /// Reads it; `None` when these bytes are none, or of a later major version.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', 0..=15, channels, p0, p1, _, _, _, _, g0, g1, ..] => {
                Some(Self {
                    channels: *channels,
                    pre_skip: u16::from_le_bytes([*p0, *p1]),
                    gain: i16::from_le_bytes([*g0, *g1]),
                })
            }
            _ => None,
        }
    }

    /// The header's bytes, for 48 kHz input and mapping family 0 (mono or stereo).
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = b"OpusHead\x01".to_vec();
        bytes.push(self.channels);
        bytes.extend(self.pre_skip.to_le_bytes());
        bytes.extend(48_000u32.to_le_bytes());
        bytes.extend(self.gain.to_le_bytes());
        bytes.push(0);
        bytes
    }
}
