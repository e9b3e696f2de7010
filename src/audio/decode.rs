//! Sound out of a track: any file that alignment leads to (aligned Ogg, or the WebM source itself) becomes mono
//! samples whose first is the recording's time 0. libopus decodes straight to the rate that is wanted, and mixes
//! stereo down by itself.

use std::io::{Cursor, Read};

use opus::Channels;
use tokio_util::sync::CancellationToken;

use super::Source;
use super::error::AudioError;
use super::ogg_reader::OggOpusReader;
use super::opus_packet::LONGEST_PACKET;
use super::placement::{Placed, PlacedTrack};

/// Samples a second to decode to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeRate {
    /// For speech.
    Hz16000,
    /// For listening.
    Hz48000,
}

impl DecodeRate {
    /// In Hz.
    pub fn hz(self) -> u32 {
        match self {
            Self::Hz16000 => 16_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Opus' own clock runs at 48 kHz: how many of its samples make one of these.
    fn divisor(self) -> u64 {
        u64::from(48_000 / self.hz())
    }
}

enum Packets {
    Webm(Box<PlacedTrack<Source>>),
    Ogg(Box<OggOpusReader<Source>>),
}

/// Packets of fill in a row after which the decoder has faded out completely and need not be asked.
const FADED_OUT: u32 = 8;

/// A track as a stream of mono samples in -1..1.
pub struct TrackDecoder {
    packets: Packets,
    decoder: opus::Decoder,
    rate: DecodeRate,
    /// Samples still to be dropped at the start.
    skip: usize,
    fill_in_a_row: u32,
    concealed: u64,
    scratch: Vec<f32>,
}

impl TrackDecoder {
    /// Opens an aligned track, or a source whose alignment said "passed through" (any other WebM track as well: its
    /// lead and gaps come out as silence).
    ///
    /// # Errors
    /// As [`super::align`].
    pub fn open(mut source: Source, rate: DecodeRate, cancel: &CancellationToken) -> Result<Self, AudioError> {
        let mut magic = Vec::with_capacity(4);
        source.by_ref().take(4).read_to_end(&mut magic).map_err(AudioError::Read)?;
        let is_ogg = magic == b"OggS";
        let source: Source = Box::new(Cursor::new(magic).chain(source));
        let (packets, pre_skip, gain) = if is_ogg {
            let reader = OggOpusReader::open(source, cancel)?;
            let head = reader.head();
            (Packets::Ogg(Box::new(reader)), u64::from(head.pre_skip), head.gain)
        } else {
            let track = PlacedTrack::open(source, None, cancel)?;
            let (pre_skip, gain) = (track.pre_skip().0, track.gain());
            (Packets::Webm(Box::new(track)), pre_skip, gain)
        };
        let mut decoder = opus::Decoder::new(rate.hz(), Channels::Mono).map_err(AudioError::Opus)?;
        decoder.set_gain(i32::from(gain)).map_err(AudioError::Opus)?;
        let skip = (pre_skip / rate.divisor()) as usize;
        let scratch = vec![0.0; (LONGEST_PACKET.0 / rate.divisor()) as usize];
        Ok(Self { packets, decoder, rate, skip, fill_in_a_row: 0, concealed: 0, scratch })
    }

    /// Decodes one packet and appends its samples (120 ms at most, possibly none) to `pcm`; `false` at the end.
    pub fn read(&mut self, pcm: &mut Vec<f32>) -> Result<bool, AudioError> {
        let packet = match &mut self.packets {
            Packets::Webm(track) => track.next_packet()?,
            Packets::Ogg(reader) => reader.next_packet()?,
        };
        let Some(packet) = packet else { return Ok(false) };
        let length = (packet.duration.0 / self.rate.divisor()) as usize;
        self.decode(&packet, length);
        let kept = length - (packet.discard.0 / self.rate.divisor()) as usize;
        let skipped = self.skip.min(kept);
        self.skip -= skipped;
        pcm.extend_from_slice(&self.scratch[skipped..kept]);
        Ok(true)
    }

    /// Fills the scratch with a packet's samples. What libopus can't read is concealed from what came before.
    fn decode(&mut self, packet: &Placed, length: usize) {
        let pcm = &mut self.scratch[..length];
        self.fill_in_a_row = if packet.is_fill { self.fill_in_a_row + 1 } else { 0 };
        if self.fill_in_a_row > FADED_OUT {
            pcm.fill(0.0);
            return;
        }
        if self.decoder.decode_float(&packet.data, pcm, false).ok() == Some(length) {
            return;
        }
        self.concealed += 1;
        if self.decoder.decode_float(&[], pcm, false).ok() != Some(length) {
            pcm.fill(0.0);
        }
    }

    /// Packets so far that could not be decoded.
    pub fn concealed(&self) -> u64 {
        self.concealed
    }

    /// Samples a second.
    pub fn rate(&self) -> DecodeRate {
        self.rate
    }
}
