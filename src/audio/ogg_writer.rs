//! Ogg Opus files (RFC 7845): the form of aligned tracks. Unlike WebM they have no start time of their own, so no
//! player can shift an aligned track twice.

use std::io::{self, Write};

use ogg::{PacketWriteEndInfo, PacketWriter};

use super::opus_packet::ChannelCount;
use super::placement::Placed;
use super::timeline::Samples48k;
use super::webm_header::OpusHead;

/// The stream's number within the file: any will do, and the same bytes come out each time.
const SERIAL: u32 = 0x7473_6372;

/// A page holds about a second.
const PAGE: u64 = 48_000;

/// Writes packets to `sink`, one behind, because the last one must be known as such.
pub struct OggOpusWriter<W: Write> {
    pages: PacketWriter<'static, W>,
    held: Option<Placed>,
    /// Samples so far, pre-skip included: what Ogg calls the granule position.
    position: u64,
    page_began: u64,
}

impl<W: Write> OggOpusWriter<W> {
    /// Writes the two header pages. `gain` in 1/256 dB.
    pub fn new(sink: W, channels: ChannelCount, pre_skip: Samples48k, gain: i16) -> io::Result<Self> {
        let mut pages = PacketWriter::new(sink);
        let pre_skip = u16::try_from(pre_skip.0).unwrap_or(u16::MAX);
        let head = OpusHead { channels: channels.get(), pre_skip, gain }.to_bytes();
        let vendor = b"trackscribe";
        let mut tags = b"OpusTags".to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend(0u32.to_le_bytes());
        pages.write_packet(head, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        pages.write_packet(tags, SERIAL, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self { pages, held: None, position: 0, page_began: 0 })
    }

    /// Adds a packet.
    pub fn write(&mut self, packet: Placed) -> io::Result<()> {
        match self.held.replace(packet) {
            Some(before) => self.emit(before, false),
            None => Ok(()),
        }
    }

    /// Writes the last packet, as such, and gives the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(last) = self.held.take() {
            self.emit(last, true)?;
        }
        Ok(self.pages.into_inner())
    }

    fn emit(&mut self, packet: Placed, is_last: bool) -> io::Result<()> {
        self.position += packet.duration.0;
        let end = if is_last {
            // A final position short of the packets' length is how Ogg Opus trims the end.
            self.position -= packet.discard.0;
            PacketWriteEndInfo::EndStream
        } else if self.position - self.page_began >= PAGE {
            self.page_began = self.position;
            PacketWriteEndInfo::EndPage
        } else {
            PacketWriteEndInfo::NormalPacket
        };
        self.pages.write_packet(packet.data, SERIAL, end, self.position)
    }
}
