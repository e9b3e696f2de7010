//! Where a track's packets lie on the recording's clock, and how much silence goes between them.
//!
//! Packet times jitter by some milliseconds, so placing each packet by its own stamp would click. Packets therefore
//! follow each other on a running sample clock, and only where a packet's time is ahead of that clock by 20 ms or more
//! is there a gap. A short one is lost packets, and filled with whole packets of 20 ms, as many as fit best, so that
//! jitter does not change their number: off by 10 ms at most afterwards. A long one, or one between packets shorter than
//! 20 ms, is filled to the nearest 10 ms, and the lead before the first packet to the nearest 2.5 ms. A packet whose time is *behind* the clock follows
//! directly: sound is never dropped, and the next gap takes the drift back.
//!
//! A time that leaps ahead may be a mute or a damaged time. It is believed unless packets within the same or the next
//! cluster lie before it; otherwise one flipped bit would push everything behind it away from the truth.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Read;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::damage::Damage;
use super::error::AudioError;
use super::opus_packet::{self, ChannelCount};
use super::timeline::{RecordingTime, Samples48k, StartFrom, Timeline, TrackTime};
use super::webm::{Packet, WebmReader};

/// From this drift on there is a gap.
const GAP_FROM: i64 = 960;
/// Gaps shorter than this (200 ms) are lost packets.
const LOSS_BELOW: i64 = 9600;
/// Lost packets are filled to the nearest multiple of this.
const LOSS_GRAIN: i64 = 960;
/// Longer gaps are filled to the nearest multiple of this.
const GAP_GRAIN: i64 = 480;
/// The lead is filled to the nearest multiple of this.
const LEAD_GRAIN: i64 = 120;
/// From this many seconds on, what follows has to confirm a leap ahead.
const LEAP: f64 = 1.0;
/// Packets looked ahead for that at most: more than the longest cluster holds.
const LOOKED_AHEAD: usize = 4096;
/// Gaps that are named one by one: the longest.
const NAMED_GAPS: usize = 100;

/// A stretch that was filled with silence: a mute, lost packets, or a pause in discontinuous transmission.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// Seconds from the recording's start.
    pub start: f64,
    /// Seconds.
    pub duration: f64,
}

/// All gaps of a track, in bounded space.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gaps {
    /// How many there are.
    pub count: u64,
    /// Their length together, in seconds.
    pub total: f64,
    /// The longest hundred, in order of time.
    pub longest: Vec<Gap>,
}

impl Gaps {
    fn add(&mut self, gap: Gap) {
        self.count += 1;
        self.total += gap.duration;
        self.longest.push(gap);
        if self.longest.len() >= 2 * NAMED_GAPS {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.longest.sort_by(|a, b| b.duration.total_cmp(&a.duration).then(a.start.total_cmp(&b.start)));
        self.longest.truncate(NAMED_GAPS);
        self.longest.sort_by(|a, b| a.start.total_cmp(&b.start));
    }
}

/// A packet on the recording's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The packet's bytes: the source's own, or silence.
    pub data: Cow<'static, [u8]>,
    /// Its length.
    pub duration: Samples48k,
    /// Samples at its end that are not to be heard.
    pub discard: Samples48k,
    /// Whether it is silence from this program.
    pub is_fill: bool,
}

/// A track's packets without holes, from the recording's start.
pub struct PlacedTrack<R> {
    reader: WebmReader<R>,
    name: Option<RecordingTime>,
    timeline: Option<(Timeline, StartFrom)>,
    offset: RecordingTime,
    /// The recording's sample at which the next packet begins; below zero while priming sound is owed.
    clock: i64,
    /// Samples at the very start that are not to be heard.
    pre_skip: u64,
    fill: Samples48k,
    waiting: Option<Packet>,
    ahead: VecDeque<Packet>,
    lead: Samples48k,
    gaps: Gaps,
    packets: u64,
    last_discard: Samples48k,
}

impl<R: Read> PlacedTrack<R> {
    /// Opens a WebM track. `name`: the offset that the file's name tells, used where packets tell none.
    pub fn open(source: R, name: Option<RecordingTime>, cancel: &CancellationToken) -> Result<Self, AudioError> {
        let mut track = Self {
            reader: WebmReader::open(source, cancel)?,
            name,
            timeline: None,
            offset: RecordingTime(0.0),
            clock: 0,
            pre_skip: 0,
            fill: Samples48k(0),
            waiting: None,
            ahead: VecDeque::new(),
            lead: Samples48k(0),
            gaps: Gaps::default(),
            packets: 0,
            last_discard: Samples48k(0),
        };
        track.begin()?;
        Ok(track)
    }

    /// Looks at the first packet, which fixes the timeline, the lead and the pre-skip.
    fn begin(&mut self) -> Result<(), AudioError> {
        let Some(mut first) = self.reader.next_packet()? else { return Ok(()) };
        if let Some(wrong) = self.contradicted(&first, TrackTime(0.0))? {
            let before: u64 = self.ahead.range(..wrong).map(|packet| packet.duration.0).sum::<u64>() + first.duration.0;
            let known = self.ahead[wrong].time.unwrap_or_default().0;
            first.time = Some(TrackTime((known - before as f64 / 48_000.0).max(0.0)));
            self.distrust(wrong);
        }
        let (timeline, from) = Timeline::of_track(first.time, self.name);
        self.timeline = Some((timeline, from));
        self.offset = timeline.on_recording(first.time.unwrap_or_default());
        let target = self.target(self.offset);
        if target < 0 {
            self.pre_skip = target.unsigned_abs();
            self.clock = target;
        } else {
            self.lead = Samples48k(round_to(target, LEAD_GRAIN));
            self.fill = self.lead;
        }
        self.waiting = Some(first);
        Ok(())
    }

    /// The recording's sample at which a packet with this time begins to decode.
    fn target(&self, time: RecordingTime) -> i64 {
        ((time.0 - self.reader.track().codec_delay) * 48_000.0).round() as i64
    }

    /// The next packet, of silence or of the source; `None` at the end.
    pub fn next_packet(&mut self) -> Result<Option<Placed>, AudioError> {
        if self.waiting.is_none() {
            let next = match self.ahead.pop_front() {
                Some(packet) => Some(packet),
                None => self.reader.next_packet()?,
            };
            let Some(mut packet) = next else { return Ok(None) };
            let now = Timeline::RECORDING.time_48k(self.reached());
            let now = self.timeline.map_or(TrackTime(0.0), |(timeline, _)| timeline.on_track(now));
            if let Some(wrong) = self.contradicted(&packet, now)? {
                packet.time = None;
                self.distrust(wrong);
            }
            self.fill = self.gap_before(&packet);
            self.waiting = Some(packet);
        }
        if let Some((data, duration)) = opus_packet::silence(self.fill, self.channels()) {
            self.fill = Samples48k(self.fill.0 - duration.0);
            self.clock += duration.0 as i64;
            return Ok(Some(Placed { data: data.into(), duration, discard: Samples48k(0), is_fill: true }));
        }
        Ok(self.waiting.take().map(|packet| {
            self.clock += packet.duration.0 as i64;
            self.packets += 1;
            self.last_discard = packet.discard;
            let Packet { duration, discard, data, .. } = packet;
            Placed { data: data.into(), duration, discard, is_fill: false }
        }))
    }

    /// Whether a packet's leap ahead of `now` is taken back by those behind it: how many
    /// of them share the wrong time.
    fn contradicted(&mut self, packet: &Packet, now: TrackTime) -> Result<Option<usize>, AudioError> {
        let Some(time) = packet.time.filter(|time| time.0 - now.0 >= LEAP) else { return Ok(None) };
        for index in 0..LOOKED_AHEAD {
            if index == self.ahead.len() {
                match self.reader.next_packet()? {
                    Some(packet) => self.ahead.push_back(packet),
                    None => return Ok(None),
                }
            }
            let next = &self.ahead[index];
            match next.time {
                Some(next) if next.0 < time.0 - LEAP => return Ok(Some(index)),
                Some(_) if next.opens_cluster => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Takes the times from packets that are known to be wrong: they follow what came before.
    fn distrust(&mut self, packets: usize) {
        self.ahead.range_mut(..packets).for_each(|packet| packet.time = None);
        self.reader.note_wrong_time();
    }

    fn gap_before(&mut self, packet: &Packet) -> Samples48k {
        let (Some((timeline, _)), Some(time)) = (self.timeline, packet.time) else { return Samples48k(0) };
        let drift = self.target(timeline.on_recording(time)) - self.clock;
        if drift < GAP_FROM {
            return Samples48k(0);
        }
        let is_loss = drift < LOSS_BELOW && packet.duration.0 >= LOSS_GRAIN.unsigned_abs();
        let fill = Samples48k(round_to(drift, if is_loss { LOSS_GRAIN } else { GAP_GRAIN }));
        let start = self.clock.max(0) as f64 / 48_000.0;
        self.gaps.add(Gap { start, duration: fill.0 as f64 / 48_000.0 });
        fill
    }

    /// One channel or two, as the header says; all silence has the same.
    pub fn channels(&self) -> ChannelCount {
        self.reader.channels()
    }

    /// Output gain of the Opus header, in 1/256 dB.
    pub fn gain(&self) -> i16 {
        self.reader.track().gain
    }

    /// Samples at the very start that are not to be heard.
    pub fn pre_skip(&self) -> Samples48k {
        Samples48k(self.pre_skip)
    }

    /// The recording's sample reached so far.
    pub fn reached(&self) -> Samples48k {
        Samples48k(self.clock.max(0).unsigned_abs())
    }

    /// Where the last packet's sound ends.
    pub fn end(&self) -> RecordingTime {
        Timeline::RECORDING.time_48k(Samples48k(self.reached().0.saturating_sub(self.last_discard.0)))
    }

    /// The track's first packet on the recording's clock.
    pub fn offset(&self) -> RecordingTime {
        self.offset
    }

    /// Where the offset came from.
    pub fn start_from(&self) -> StartFrom {
        self.timeline.map_or(StartFrom::Packets, |(_, from)| from)
    }

    /// Silence before the first packet.
    pub fn lead(&self) -> Samples48k {
        self.lead
    }

    /// Packets of the source so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Gaps so far.
    pub fn gaps(&self) -> Gaps {
        let mut gaps = self.gaps.clone();
        gaps.trim();
        gaps
    }

    /// What was wrong so far.
    pub fn damage(&self) -> &Damage {
        self.reader.damage()
    }

    /// The source, to read on behind the last element.
    pub fn into_source(self) -> R {
        self.reader.into_source()
    }
}

/// The multiple of `grain` nearest to a length.
fn round_to(samples: i64, grain: i64) -> u64 {
    (((samples.max(0) + grain / 2) / grain) * grain).unsigned_abs()
}
