//! Audio: demux, timeline, align, decode, mix, encode, peaks, voice activity. Knows nothing else of the program.
//!
//! Everything here blocks and streams: callers run it on blocking threads, hand in a cancellation token that every
//! loop looks at, and get progress in seconds of audio. Memory does not grow with a track's length.

mod align;
#[cfg(test)]
mod align_tests;
mod damage;
mod decode;
mod ebml;
mod envelope;
mod error;
mod lacing;
mod limiter;
mod mix;
mod mp3;
mod ogg_reader;
mod ogg_writer;
mod opus_packet;
mod placement;
mod resync;
#[cfg(test)]
mod sample_webm;
mod timeline;
pub mod voice_activity;
mod webm;
mod webm_header;
mod window;

pub use align::{Alignment, Outcome, align};
pub use decode::{DecodeRate, TrackDecoder};
pub use envelope::Envelope;
pub use error::AudioError;
pub use mix::{Mixdown, mix};
pub use placement::{Gap, Gaps};
pub use timeline::{RecordingTime, Samples16k, Samples48k, StartFrom, Timeline, TrackTime};

/// Where audio is read from: a file, a buffer, or a stream from object storage that can't seek.
pub type Source = Box<dyn std::io::Read + Send>;
