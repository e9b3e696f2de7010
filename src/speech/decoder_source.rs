//! The audio room's decoder as a source of samples.

use super::error::SpeechError;
use super::track::SamplesSource;
use crate::audio::TrackDecoder;

impl SamplesSource for TrackDecoder {
    fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, SpeechError> {
        out.clear();
        TrackDecoder::read(self, out).map_err(SpeechError::audio)
    }
}
