//! Packets out of an Ogg Opus file as this program writes it. Each page is checked by its sum; where one is damaged,
//! its time is filled with silence, because the next page says where it ends.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Read;

use ogg::reading::{BasePacketReader, PageParser};
use tokio_util::sync::CancellationToken;

use super::error::AudioError;
use super::opus_packet::{self, ChannelCount};
use super::placement::Placed;
use super::timeline::{LONGEST_RECORDING, Samples48k};
use super::webm_header::OpusHead;
use super::window::ByteWindow;

/// The longest head of a page: fixed fields and 255 segment lengths.
const LONGEST_HEAD: usize = 27 + 255;

/// A stream of packets.
pub struct OggOpusReader<R> {
    window: ByteWindow<R>,
    packets: BasePacketReader,
    head: OpusHead,
    channels: ChannelCount,
    /// Samples so far, pre-skip included.
    position: u64,
    ready: VecDeque<Placed>,
    is_damaged: bool,
    finished: bool,
    cancel: CancellationToken,
}

impl<R: Read> OggOpusReader<R> {
    /// Reads the two headers.
    pub fn open(source: R, cancel: &CancellationToken) -> Result<Self, AudioError> {
        let mut reader = Self {
            window: ByteWindow::new(source),
            packets: BasePacketReader::new(),
            head: OpusHead { channels: 1, pre_skip: 0, gain: 0 },
            channels: ChannelCount::Mono,
            position: 0,
            ready: VecDeque::new(),
            is_damaged: false,
            finished: false,
            cancel: cancel.clone(),
        };
        let head = reader.header()?.ok_or(AudioError::NotMedia("an Ogg file without a stream"))?;
        let unsupported = || AudioError::UnsupportedCodec("Ogg, but not Opus".into());
        reader.head = OpusHead::parse(&head).ok_or_else(unsupported)?;
        reader.channels = match reader.head.channels {
            1 => ChannelCount::Mono,
            2 => ChannelCount::Stereo,
            more => return Err(AudioError::UnsupportedCodec(format!("Opus with {more} channels"))),
        };
        reader.header()?;
        Ok(reader)
    }

    /// One header packet.
    fn header(&mut self) -> Result<Option<Vec<u8>>, AudioError> {
        loop {
            if let Some(packet) = self.packets.read_packet() {
                return Ok(Some(packet.data));
            }
            if !self.page()? {
                return Ok(None);
            }
        }
    }

    /// The identification header.
    pub fn head(&self) -> OpusHead {
        self.head
    }

    /// The next packet; `None` at the end.
    pub fn next_packet(&mut self) -> Result<Option<Placed>, AudioError> {
        while self.ready.is_empty() && !self.finished {
            self.finished = !self.page()?;
            self.take_packets();
        }
        Ok(self.ready.pop_front())
    }

    /// Reads the next sound page; `false` at the end.
    fn page(&mut self) -> Result<bool, AudioError> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(AudioError::Cancelled);
            }
            let bytes = self.window.peek(LONGEST_HEAD).map_err(AudioError::Read)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let whole = page_length(bytes);
            let bytes = self.window.peek(whole).map_err(AudioError::Read)?;
            if let Some((page, length)) = parse_page(bytes) {
                self.window.advance(length);
                if self.packets.push_page(page).is_ok() {
                    return Ok(true);
                }
                self.is_damaged = true;
                continue;
            }
            self.is_damaged = true;
            let next = bytes[1..].windows(4).position(|four| four == b"OggS");
            let step = next.map_or(bytes.len().saturating_sub(3).max(1), |at| at + 1);
            self.window.advance(step);
        }
    }

    /// Takes what the page completed. Its position says where its last packet ends.
    fn take_packets(&mut self) {
        let mut page = Vec::new();
        let mut ends_at = None;
        while let Some(packet) = self.packets.read_packet() {
            ends_at = Some((packet.absgp_page(), packet.last_in_stream()));
            if let Some(duration) = opus_packet::duration(&packet.data) {
                let is_fill = opus_packet::is_silence(&packet.data);
                page.push(Placed { data: packet.data.into(), duration, discard: Samples48k(0), is_fill });
            }
        }
        let Some((ends_at, is_last)) = ends_at else { return };
        let length: u64 = page.iter().map(|packet| packet.duration.0).sum();
        if self.is_damaged {
            self.fill_up_to(ends_at.saturating_sub(length));
        }
        self.is_damaged = false;
        self.position += length;
        if let (true, Some(last)) = (is_last, page.last_mut()) {
            last.discard = Samples48k(self.position.saturating_sub(ends_at)).min(last.duration);
        }
        self.ready.extend(page);
    }

    /// Silence for what a damaged page held.
    fn fill_up_to(&mut self, position: u64) {
        let position = position.min((LONGEST_RECORDING.0 * 48_000.0) as u64);
        while let Some((data, duration)) =
            opus_packet::silence(Samples48k(position.saturating_sub(self.position)), self.channels)
        {
            self.position += duration.0;
            self.ready.push_back(Placed { data: Cow::Borrowed(data), duration, discard: Samples48k(0), is_fill: true });
        }
    }
}

/// What the head of a page says of its length, 65,307 bytes at most; 1 where none begins.
fn page_length(bytes: &[u8]) -> usize {
    match bytes.get(26) {
        Some(&segments) if bytes.starts_with(b"OggS") => {
            let lengths = bytes.iter().skip(27).take(segments.into());
            27 + usize::from(segments) + lengths.map(|length| usize::from(*length)).sum::<usize>()
        }
        _ => 1,
    }
}

/// A whole, undamaged page at the start of these bytes, and its length.
fn parse_page(bytes: &[u8]) -> Option<(ogg::reading::OggPage, usize)> {
    let header: [u8; 27] = bytes.get(..27)?.try_into().ok()?;
    let (mut parser, segments) = PageParser::new(header).ok()?;
    let behind = bytes.get(27..27 + segments)?;
    let body = parser.parse_segments(behind.to_vec());
    let start = 27 + segments;
    let page = parser.parse_packet_data(bytes.get(start..start + body)?.to_vec()).ok()?;
    Some((page, start + body))
}
