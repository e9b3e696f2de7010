//! Sound out of a track: any file that alignment leads to (aligned Ogg, or the WebM source itself) becomes mono
//! samples whose first is the recording's time 0. libopus decodes straight to the rate that is wanted, and mixes
//! stereo down by itself.
//!
//! A gap of up to 60 ms between packets is loss, not a pause. Where alignment put silence, the decoder is told of the
//! loss instead: it restores what the next packet carries of the lost one (in-band FEC), or else goes on with the
//! sound as it was, which is how an Opus receiver plays it.

use std::collections::VecDeque;
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

/// Gaps up to this are lost packets: 60 ms.
const LONGEST_LOSS: u64 = 2880;

impl Packets {
    fn next(&mut self) -> Result<Option<Placed>, AudioError> {
        match self {
            Self::Webm(track) => track.next_packet(),
            Self::Ogg(reader) => reader.next_packet(),
        }
    }
}

/// Packets of fill in a row after which the decoder has faded out completely and need not be asked.
const FADED_OUT: u32 = 8;

/// A track as a stream of mono samples in -1..1.
pub struct TrackDecoder {
    packets: Packets,
    /// Packets looked at ahead of their time.
    upcoming: VecDeque<Placed>,
    decoder: opus::Decoder,
    rate: DecodeRate,
    /// Samples still to be dropped at the start.
    skip: usize,
    fill_in_a_row: u32,
    /// Whether the last packet was the source's own, so that a loss may follow.
    is_in_sound: bool,
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
        Ok(Self {
            packets,
            upcoming: VecDeque::new(),
            decoder,
            rate,
            skip,
            fill_in_a_row: 0,
            is_in_sound: false,
            concealed: 0,
            scratch,
        })
    }

    /// Decodes one packet and appends its samples (120 ms at most, possibly none) to `pcm`; `false` at the end.
    pub fn read(&mut self, pcm: &mut Vec<f32>) -> Result<bool, AudioError> {
        let Some(packet) = self.next_packet()? else { return Ok(false) };
        let lost = if packet.is_fill && self.is_in_sound { self.loss(&packet)? } else { None };
        self.is_in_sound = lost.is_some() || !packet.is_fill;
        let length = (lost.unwrap_or(packet.duration.0) / self.rate.divisor()) as usize;
        if lost.is_none() || !self.restore(length) {
            self.decode(&packet, length);
        }
        let kept = length - (packet.discard.0 / self.rate.divisor()) as usize;
        let skipped = self.skip.min(kept);
        self.skip -= skipped;
        pcm.extend_from_slice(&self.scratch[skipped..kept]);
        Ok(true)
    }

    fn next_packet(&mut self) -> Result<Option<Placed>, AudioError> {
        match self.upcoming.pop_front() {
            Some(packet) => Ok(Some(packet)),
            None => self.packets.next(),
        }
    }

    /// If this fill and those right behind it stand for lost packets: their length together; they are taken.
    fn loss(&mut self, first: &Placed) -> Result<Option<u64>, AudioError> {
        let mut length = first.duration.0;
        for index in 0.. {
            if index == self.upcoming.len() {
                let Some(packet) = self.packets.next()? else { return Ok(None) };
                self.upcoming.push_back(packet);
            }
            let next = &self.upcoming[index];
            if !next.is_fill {
                self.upcoming.drain(..index);
                return Ok(Some(length));
            }
            length += next.duration.0;
            if length > LONGEST_LOSS {
                break;
            }
        }
        Ok(None)
    }

    /// Fills the scratch with lost sound, by the packet behind it; `false` when libopus can't.
    fn restore(&mut self, length: usize) -> bool {
        let Some(next) = self.upcoming.front() else { return false };
        self.decoder.decode_float(&next.data, &mut self.scratch[..length], true).ok() == Some(length)
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
