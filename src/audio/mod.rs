//! Audio: demux, timeline, align, decode, mix, encode, peaks, voice activity. Knows nothing else of the program.

mod periodicity;
pub mod voice_activity;
