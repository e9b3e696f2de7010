//! MP3 by LAME, gapless: the LAME tag over the first frame says how much to drop at both ends, so that the decoded
//! sound is as long as what went in and begins with it.
//!
//! Mono, 48 kHz, 64 kbit/s constant: speech is clean at that rate, an hour has 29 MB, and at a constant rate every
//! player seeks exactly without an index.

use std::io::{Seek, SeekFrom, Write};

use mp3lame_encoder::{Bitrate, Builder, Encoder, FlushGap, Mode, MonoPcm, Quality, VbrMode};

use super::error::AudioError;

/// LAME may still hold this many bytes when it is flushed.
const FLUSHED: usize = 7200;

/// Writes one MP3 file to `sink`, from wherever the sink stands.
pub struct Mp3Writer<'a, S> {
    encoder: Encoder,
    sink: &'a mut S,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a, S: Write + Seek> Mp3Writer<'a, S> {
    /// Sets LAME up.
    pub fn new(sink: &'a mut S) -> Result<Self, AudioError> {
        let failed = |error: mp3lame_encoder::BuildError| AudioError::Encoder(error.to_string());
        let encoder = Builder::new()
            .ok_or_else(|| AudioError::Encoder("out of memory".into()))?
            .with_num_channels(1)
            .and_then(|builder| builder.with_sample_rate(48_000))
            .and_then(|builder| builder.with_mode(Mode::Mono))
            .and_then(|builder| builder.with_vbr_mode(VbrMode::Off))
            .and_then(|builder| builder.with_brate(Bitrate::Kbps64))
            .and_then(|builder| builder.with_quality(Quality::Good))
            .and_then(|builder| builder.with_to_write_vbr_tag(true))
            .and_then(Builder::build)
            .map_err(failed)?;
        let start = sink.stream_position().map_err(AudioError::Write)?;
        Ok(Self { encoder, sink, start, bytes: Vec::new() })
    }

    /// Encodes samples at 48 kHz in -1..1.
    pub fn write(&mut self, sound: &[f32]) -> Result<(), AudioError> {
        self.bytes.clear();
        self.bytes.reserve(mp3lame_encoder::max_required_buffer_size(sound.len()));
        self.encoder
            .encode_to_vec(MonoPcm(sound), &mut self.bytes)
            .map_err(|error| AudioError::Encoder(error.to_string()))?;
        self.sink.write_all(&self.bytes).map_err(AudioError::Write)
    }

    /// Writes what LAME still holds, and the tag over the place kept for it. The sink ends up behind the file.
    pub fn finish(mut self) -> Result<(), AudioError> {
        self.bytes.clear();
        self.bytes.reserve(FLUSHED);
        self.encoder
            .flush_to_vec::<FlushGap>(&mut self.bytes)
            .map_err(|error| AudioError::Encoder(error.to_string()))?;
        self.sink.write_all(&self.bytes).map_err(AudioError::Write)?;
        self.bytes.clear();
        self.bytes.reserve(self.encoder.lame_tag_size());
        if self.encoder.lame_tag_encode_to_vec(&mut self.bytes).is_some() {
            self.sink.seek(SeekFrom::Start(self.start)).map_err(AudioError::Write)?;
            self.sink.write_all(&self.bytes).map_err(AudioError::Write)?;
            self.sink.seek(SeekFrom::End(0)).map_err(AudioError::Write)?;
        }
        self.sink.flush().map_err(AudioError::Write)
    }
}
