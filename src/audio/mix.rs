//! The mixdown: all aligned tracks summed, limited and encoded, a block of two seconds at a time.
//!
//! While one block is encoded, the next is decoded: each thread takes the next track that nobody has taken. The sum
//! is kept in whole numbers, so that it does not depend on the order in which threads finish, and the file comes out
//! byte for byte the same with any number of them.

use std::io::{Seek, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Source;
use super::decode::{DecodeRate, TrackDecoder};
use super::envelope::Envelope;
use super::error::AudioError;
use super::limiter::Limiter;
use super::mp3::Mp3Writer;
use super::opus_packet::LONGEST_PACKET;
use super::timeline::{LONGEST_RECORDING, RecordingTime, Timeline};

/// Samples at 48 kHz of a block.
const BLOCK: usize = 96_000;

/// One in the whole numbers of a sum: finer than 24-bit sound.
const ONE: f32 = 16_777_216.0;

/// What came out beside the MP3.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixdown {
    /// Seconds, exact to the sample.
    pub duration: f64,
    /// Peaks of what is heard.
    pub envelope: Envelope,
    /// Seconds during which the limiter had something to do.
    pub limited: f64,
    /// Packets of all tracks that could not be decoded and were concealed.
    pub concealed: u64,
}

/// Mixes aligned tracks (or sources that were passed through) to one gapless mono MP3 at `sink`, which begins at the
/// recording's start and covers the longer of `duration` (seconds) and the last track's end.
///
/// `threads`: at most so many at work, this one included. `progress` is given seconds done. Blocking; holds a few
/// hundred KB a track. The bytes do not depend on `threads`.
///
/// # Errors
/// A track that can't be opened or read, a sink that can't be written, cancellation. What stands in the sink then is
/// of no use.
pub fn mix<S: Write + Seek>(
    tracks: Vec<Source>,
    duration: f64,
    sink: &mut S,
    threads: usize,
    cancel: &CancellationToken,
    progress: &mut dyn FnMut(f64),
) -> Result<Mixdown, AudioError> {
    let tracks: Vec<_> =
        tracks.into_iter().map(|source| Feed::open(source, cancel)).collect::<Result<_, AudioError>>()?;
    let helpers = threads.clamp(1, tracks.len().max(1)) - 1;
    let tracks: Vec<_> = tracks.into_iter().map(Mutex::new).collect();
    let duration = RecordingTime(duration.clamp(0.0, LONGEST_RECORDING.0));
    let wanted = Timeline::RECORDING.samples_48k(duration).0;
    let mut output = Output {
        mp3: Mp3Writer::new(sink)?,
        limiter: Limiter::new(),
        envelope: Envelope::default(),
        owed_delay: Limiter::DELAY,
        sound: Vec::new(),
    };

    let mut ready: Option<Vec<i64>> = None;
    let mut done = 0u64;
    loop {
        let round = Round { tracks: &tracks, next: AtomicUsize::new(0), sum: Mutex::new(Sum::default()) };
        let (encoded, decoded) = std::thread::scope(|scope| {
            let helping: Vec<_> = (0..helpers).map(|_| scope.spawn(|| round.work())).collect();
            let encoded = ready.take().map_or(Ok(()), |block| output.block(&block));
            let mut decoded = round.work();
            for helper in helping {
                decoded = decoded.and(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            (encoded, decoded)
        });
        encoded.and(decoded)?;
        if cancel.is_cancelled() {
            return Err(AudioError::Cancelled);
        }
        let Sum { mut samples, longest } = round.sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        let length = (wanted.saturating_sub(done) as usize).min(BLOCK).max(longest);
        done += length as u64;
        if length > 0 {
            samples.resize(length, 0);
            ready = Some(samples);
            progress(done as f64 / 48_000.0);
        }
        if length < BLOCK {
            break;
        }
    }
    if let Some(block) = ready.take() {
        output.block(&block)?;
    }
    let (envelope, limited) = output.finish()?;
    let concealed = tracks.iter().map(|track| lock(track).concealed).sum();
    Ok(Mixdown { duration: done as f64 / 48_000.0, envelope, limited: limited as f64 / 48_000.0, concealed })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One track, block by block.
struct Feed {
    /// Gone once the track has ended.
    decoder: Option<TrackDecoder>,
    /// Decoded, not yet summed.
    sound: Vec<f32>,
    concealed: u64,
}

impl Feed {
    fn open(source: Source, cancel: &CancellationToken) -> Result<Self, AudioError> {
        let decoder = TrackDecoder::open(source, DecodeRate::Hz48000, cancel)?;
        Ok(Self { decoder: Some(decoder), sound: Vec::new(), concealed: 0 })
    }

    /// Decodes until there is a block; shorter only at the track's end.
    fn fill(&mut self) -> Result<&[f32], AudioError> {
        if self.decoder.is_some() {
            self.sound.reserve(BLOCK + LONGEST_PACKET.0 as usize);
        }
        while self.sound.len() < BLOCK {
            let Some(decoder) = &mut self.decoder else { break };
            let more = decoder.read(&mut self.sound)?;
            self.concealed = decoder.concealed();
            if !more {
                self.decoder = None;
            }
        }
        Ok(&self.sound[..self.sound.len().min(BLOCK)])
    }

    /// Forgets the block, and the room it took.
    fn drain(&mut self) {
        let taken = self.sound.len().min(BLOCK);
        self.sound = self.sound.split_off(taken);
    }
}

/// The sum of one block, and the length of its longest track.
#[derive(Default)]
struct Sum {
    samples: Vec<i64>,
    longest: usize,
}

/// The decoding of one block.
struct Round<'a> {
    tracks: &'a [Mutex<Feed>],
    next: AtomicUsize,
    sum: Mutex<Sum>,
}

impl Round<'_> {
    /// Decodes tracks that nobody has taken, until none is left.
    fn work(&self) -> Result<(), AudioError> {
        while let Some(track) = self.tracks.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let mut track = lock(track);
            let sound = track.fill()?;
            if !sound.is_empty() {
                let mut sum = lock(&self.sum);
                sum.longest = sum.longest.max(sound.len());
                if sum.samples.len() < sound.len() {
                    sum.samples.resize(BLOCK, 0);
                }
                for (sum, sample) in sum.samples.iter_mut().zip(sound) {
                    *sum += (sample * ONE) as i64;
                }
            }
            track.drain();
        }
        Ok(())
    }
}

/// Limiter, peaks and encoder, in this order.
struct Output<'a, S> {
    mp3: Mp3Writer<'a, S>,
    limiter: Limiter,
    envelope: Envelope,
    /// Samples of the limiter's delay that are still to be dropped.
    owed_delay: usize,
    sound: Vec<f32>,
}

impl<S: Write + Seek> Output<'_, S> {
    fn block(&mut self, sum: &[i64]) -> Result<(), AudioError> {
        self.sound.clear();
        self.sound.extend(sum.iter().map(|sum| *sum as f32 / ONE));
        self.limiter.process(&mut self.sound);
        let heard = &self.sound[self.owed_delay.min(self.sound.len())..];
        self.owed_delay -= self.sound.len() - heard.len();
        self.envelope.push(heard);
        self.mp3.write(heard)
    }

    fn finish(mut self) -> Result<(Envelope, u64), AudioError> {
        if self.limiter.has_heard_anything() {
            self.block(&[0; Limiter::DELAY])?;
        }
        let limited = self.limiter.limited();
        self.mp3.finish()?;
        Ok((self.envelope, limited))
    }
}
