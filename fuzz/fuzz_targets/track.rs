#![no_main]
//! Whatever the bytes: no panic, no hang, bounded memory, and a duration that is the decoded length.

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tokio_util::sync::CancellationToken;
use trackscribe::audio::{DecodeRate, Outcome, TrackDecoder, align};

/// Seconds of sound beyond which decoding would only cost time.
const WORTH_DECODING: f64 = 600.0;

fuzz_target!(|bytes: &[u8]| {
    let cancel = CancellationToken::new();
    let mut sink = Vec::new();
    let source = bytes.to_vec();
    let Ok(report) = align(Box::new(Cursor::new(source.clone())), &mut sink, Some(1.0), &cancel, &mut |_| {}) else {
        return;
    };
    if report.duration > WORTH_DECODING {
        return;
    }
    let track = if report.outcome == Outcome::Aligned { sink } else { source };
    let Ok(mut decoder) = TrackDecoder::open(Box::new(Cursor::new(track)), DecodeRate::Hz16000, &cancel) else {
        panic!("what was aligned can't be opened");
    };
    let (mut sound, mut samples) = (Vec::new(), 0);
    while decoder.read(&mut sound).expect("memory can be read") {
        samples += sound.len();
        sound.clear();
    }
    assert!((samples as f64 / 16_000.0 - report.duration).abs() < 0.001);
});
