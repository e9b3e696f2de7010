//! Words out of audio.
