//! Hatchet's messages and calls, made from `proto/*.proto` by `build.rs`.
#![allow(missing_docs, clippy::pedantic, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/hatchet_client/mod.rs"));

impl From<crate::clock::Timestamp> for Moment {
    fn from(at: crate::clock::Timestamp) -> Self {
        let micros = at.as_micros();
        // Below a second's worth of nanoseconds.
        Self { seconds: micros.div_euclid(1_000_000), nanos: (micros.rem_euclid(1_000_000) * 1000) as i32 }
    }
}
