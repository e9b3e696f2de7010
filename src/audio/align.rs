//! Aligning a track: the same Opus packets, byte for byte, in an Ogg file that starts at the recording's start and has
//! silence wherever nothing was sent. Nothing is decoded or encoded.

use std::io::{self, BufWriter, Read, Write};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::Source;
use super::error::AudioError;
use super::ogg_writer::OggOpusWriter;
use super::placement::{Gaps, PlacedTrack};
use super::timeline::{RecordingTime, StartFrom};

/// What became of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The source starts at zero and has no gap: use it as it is. What was written to the sink is of no use.
    PassedThrough,
    /// The sink holds the aligned track.
    Aligned,
}

/// A report on one aligned track. Times in seconds on the recording's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alignment {
    /// Which file to go on with.
    pub outcome: Outcome,
    /// When the track's first packet begins; 0 without packets.
    pub offset: f64,
    /// Where the offset came from.
    pub start_from: StartFrom,
    /// When the track's last packet ends; 0 without packets.
    pub duration: f64,
    /// What was filled after the start.
    pub gaps: Gaps,
    /// Packets of the source, all of which are in the aligned file.
    pub packets: u64,
    /// Channels of the track, 1 or 2.
    pub channels: u8,
    /// What was wrong with the source, if anything was.
    pub damage: Option<String>,
    /// BLAKE3 of all of the source's bytes, as hex.
    pub content: String,
}

/// Hashes what is read through it.
struct Hashing {
    source: Source,
    hasher: blake3::Hasher,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Aligns the WebM/Opus track `source` to the recording's start and writes it to `sink` as Ogg Opus.
///
/// `hint` is the offset that the file's name tells, in seconds: used only where the packets carry no usable start.
/// `progress` is given seconds of the track done. Blocking; memory does not grow with the track.
///
/// # Errors
/// [`AudioError::is_unreadable_media`] tells the source's faults from those of reading and writing. A track without
/// packets is no error: it has zero duration.
pub fn align(
    source: Source,
    sink: &mut dyn Write,
    hint: Option<f64>,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(f64),
) -> Result<Alignment, AudioError> {
    let source = Hashing { source, hasher: blake3::Hasher::new() };
    let mut track = PlacedTrack::open(source, hint.map(RecordingTime), cancel)?;
    let sink = BufWriter::with_capacity(64 * 1024, sink);
    let mut writer =
        OggOpusWriter::new(sink, track.channels(), track.pre_skip(), track.gain()).map_err(AudioError::Write)?;
    let mut told = 0;
    while let Some(packet) = track.next_packet()? {
        writer.write(packet).map_err(AudioError::Write)?;
        let second = track.reached().0 / 48_000;
        if second != told {
            told = second;
            if cancel.is_cancelled() {
                return Err(AudioError::Cancelled);
            }
            progress(second as f64);
        }
    }
    writer.finish().and_then(|mut sink| sink.flush()).map_err(AudioError::Write)?;
    progress(track.end().0);

    let gaps = track.gaps();
    let start_from = track.start_from();
    let is_true = track.lead().0 == 0 && gaps.count == 0 && track.damage().is_none();
    let outcome = if track.packets() == 0 || (is_true && start_from == StartFrom::Packets) {
        Outcome::PassedThrough
    } else {
        Outcome::Aligned
    };
    Ok(Alignment {
        outcome,
        offset: track.offset().0,
        start_from,
        duration: track.end().0,
        gaps,
        packets: track.packets(),
        channels: track.channels().get(),
        damage: track.damage().note(),
        content: hash_of_all(track.into_source(), cancel)?,
    })
}

/// Reads whatever is left and tells the hash of everything.
fn hash_of_all(mut source: Hashing, cancel: &CancellationToken) -> Result<String, AudioError> {
    let mut rest = vec![0; 64 * 1024];
    loop {
        if cancel.is_cancelled() {
            return Err(AudioError::Cancelled);
        }
        match source.read(&mut rest) {
            Ok(0) => return Ok(source.hasher.finalize().to_hex().to_string()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(AudioError::Read(error)),
        }
    }
}
