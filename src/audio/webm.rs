//! Opus packets out of a WebM file, as Daily writes them: live, so without Duration and Cues, with clusters of unknown
//! size, and sometimes cut off by a crash.
//!
//! Why not Symphonia: its reader stops at the first damaged byte and can't be put back on a stream that does not seek,
//! takes a live file's ordinary end for the same error as a cut one, and drops DiscardPadding. This reader is flat: it
//! enters segments and clusters whatever their size says, and believes any other element only if something known
//! follows it. Where that fails it looks for the next cluster, or for the next blocks of the same cluster
//! ([`super::resync`]).

use std::collections::VecDeque;
use std::io::Read;

use tokio_util::sync::CancellationToken;

use super::damage::Damage;
use super::ebml::{self, Head, LONGEST_HEAD, Parsed, id};
use super::error::AudioError;
use super::opus_packet::{self, ChannelCount};
use super::resync;
use super::timeline::{LONGEST_RECORDING, Samples48k, TrackTime};
use super::webm_header::{AudioTrack, Header, read_header};
use super::window::ByteWindow;

/// The largest element that is looked at as a whole. Blocks of sound have a few hundred bytes; more is damage, or video.
const LARGEST_ELEMENT: u64 = 1 << 20;

/// One Opus packet as the container tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// The block's timestamp; `None` when the container gives none: the packet follows the one before.
    pub time: Option<TrackTime>,
    /// Whether it is the first of its cluster, whose time it shares.
    pub opens_cluster: bool,
    /// From the packet itself.
    pub duration: Samples48k,
    /// Samples at the packet's end that are not to be heard (DiscardPadding).
    pub discard: Samples48k,
    /// The packet's bytes.
    pub data: Vec<u8>,
}

/// A stream of packets of the first audio track.
pub struct WebmReader<R> {
    window: ByteWindow<R>,
    track: AudioTrack,
    /// Nanoseconds of one tick of cluster and block times.
    tick: u64,
    cluster: Option<u64>,
    is_cluster_fresh: bool,
    last_relative: i16,
    /// Where the last packet ended, in seconds: the place named in notes.
    reached: f64,
    ready: VecDeque<Packet>,
    damage: Damage,
    finished: bool,
    cancel: CancellationToken,
}

impl<R: Read> WebmReader<R> {
    /// Reads up to the first cluster.
    pub fn open(source: R, cancel: &CancellationToken) -> Result<Self, AudioError> {
        let mut window = ByteWindow::new(source);
        let Header { track, tick } = read_header(&mut window, cancel)?;
        Ok(Self {
            window,
            track,
            tick,
            cluster: None,
            is_cluster_fresh: true,
            last_relative: i16::MIN,
            reached: 0.0,
            ready: VecDeque::new(),
            damage: Damage::default(),
            finished: false,
            cancel: cancel.clone(),
        })
    }

    /// What the header says of the track.
    pub fn track(&self) -> &AudioTrack {
        &self.track
    }

    /// What was wrong so far.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The source, to read on behind the last element.
    pub fn into_source(self) -> R {
        self.window.into_source()
    }

    /// The next packet in file order; `None` at the end.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, AudioError> {
        while self.ready.is_empty() && !self.finished {
            if self.cancel.is_cancelled() {
                return Err(AudioError::Cancelled);
            }
            self.step()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Takes one element.
    fn step(&mut self) -> Result<(), AudioError> {
        let bytes = self.window.peek(LONGEST_HEAD).map_err(AudioError::Read)?;
        if bytes.is_empty() {
            self.finished = true;
            return Ok(());
        }
        match ebml::head(bytes) {
            Parsed::Head(Head { id: id::SEGMENT, length, .. }) => {
                self.window.advance(length);
                Ok(())
            }
            Parsed::Head(Head { id: id::CLUSTER, length, .. }) => {
                self.window.advance(length);
                self.cluster = None;
                self.is_cluster_fresh = true;
                self.last_relative = i16::MIN;
                Ok(())
            }
            Parsed::Head(Head { id, size: Some(size), length }) => self.element(id, size, length),
            Parsed::Short | Parsed::Nonsense | Parsed::Head(_) => self.recover(),
        }
    }

    fn element(&mut self, id: u32, size: u64, length: usize) -> Result<(), AudioError> {
        if size > LARGEST_ELEMENT {
            let passable = resync::is_top_level(id) || (self.track.has_company && resync::is_known(id));
            return if passable { self.pass_over(size, length) } else { self.recover() };
        }
        let whole = length + size as usize;
        let bytes = self.window.peek(whole + LONGEST_HEAD).map_err(AudioError::Read)?;
        if bytes.len() < whole || !resync::is_plausible(&bytes[whole..]) {
            return self.recover();
        }
        // The body moves out of the window's borrow; a block has a few hundred bytes.
        let body = bytes[length..whole].to_vec();
        self.window.advance(whole);
        match id {
            id::TIMESTAMP => self.cluster = ebml::unsigned(&body),
            id::SIMPLE_BLOCK => self.block(&body, 0),
            id::BLOCK_GROUP => self.block_group(&body),
            _ => {}
        }
        Ok(())
    }

    /// Passes over an element too large to be looked at.
    fn pass_over(&mut self, size: u64, length: usize) -> Result<(), AudioError> {
        let mut left = size.saturating_add(length as u64);
        while left > 0 {
            if self.cancel.is_cancelled() {
                return Err(AudioError::Cancelled);
            }
            let seen = self.window.peek(1).map_err(AudioError::Read)?.len() as u64;
            if seen == 0 {
                self.damage.cut_short(self.reached);
                return Ok(());
            }
            let step = seen.min(left);
            self.window.advance(step as usize);
            left -= step;
        }
        Ok(())
    }

    fn block_group(&mut self, body: &[u8]) {
        let nanoseconds = ebml::children(body)
            .find(|(id, _)| *id == id::DISCARD_PADDING)
            .and_then(|(_, body)| ebml::signed(body))
            .unwrap_or(0);
        if let Some((_, block)) = ebml::children(body).find(|(id, _)| *id == id::BLOCK) {
            self.block(block, nanoseconds.max(0) as u64);
        }
    }

    /// Takes a block's frames: track number, time relative to the cluster, flags, lacing.
    fn block(&mut self, body: &[u8], discard_nanoseconds: u64) {
        let Some((Some(number), at)) = ebml::vint(body) else { return self.damage.unreadable_packet() };
        if number != self.track.number {
            return;
        }
        let Some([high, low, flags]) = body.get(at..at + 3) else { return self.damage.unreadable_packet() };
        let relative = i16::from_be_bytes([*high, *low]);
        self.last_relative = relative;
        let Some(frames) = super::lacing::frames(&body[at + 3..], *flags) else {
            return self.damage.unreadable_packet();
        };
        let mut time = self.time_of(relative);
        let last = frames.len();
        for (index, frame) in frames.into_iter().enumerate() {
            let Some(duration) = opus_packet::duration(frame) else {
                self.damage.unreadable_packet();
                continue;
            };
            let discard = if index + 1 == last { discard_nanoseconds.saturating_mul(48) / 1_000_000 } else { 0 };
            let discard = Samples48k(discard).min(duration);
            let start = time.take();
            self.reached = start.map_or(self.reached, |start| start.0) + duration.0 as f64 / 48_000.0;
            let opens_cluster = std::mem::take(&mut self.is_cluster_fresh);
            self.ready.push_back(Packet { time: start, opens_cluster, duration, discard, data: frame.to_vec() });
        }
    }

    /// A block's moment; `None` without a cluster time, or when it is later than any recording lasts.
    fn time_of(&self, relative: i16) -> Option<TrackTime> {
        let ticks = i128::from(self.cluster?) + i128::from(relative);
        let seconds = (ticks * i128::from(self.tick)) as f64 / 1e9;
        (seconds >= 0.0 && seconds < LONGEST_RECORDING.0).then_some(TrackTime(seconds))
    }

    /// Nothing sensible begins here: goes on at the next place that does.
    fn recover(&mut self) -> Result<(), AudioError> {
        let expected = resync::Expected { track: self.track.number, at_least: self.last_relative };
        let in_cluster = self.cluster.is_some().then_some(expected);
        let found = resync::find_next(&mut self.window, in_cluster, &self.cancel)?;
        if found.at_end {
            self.damage.cut_short(self.reached);
            self.finished = true;
        } else {
            self.damage.broken_at(self.reached);
            self.damage.skipped(found.skipped);
        }
        Ok(())
    }

    /// Notes that what follows contradicts the time of a packet.
    pub fn note_wrong_time(&mut self) {
        self.damage.wrong_time();
    }

    /// How many channels silence in this track has to have.
    pub fn channels(&self) -> ChannelCount {
        self.track.channels
    }
}
