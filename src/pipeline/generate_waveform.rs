//! `generate_waveform`: the mixdown's envelope, reduced to a picture. Decodes nothing.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::mixdown_tracks::MixdownTracksOutput;
use super::{Services, TranscriptInput};
use crate::audio::Envelope;
use crate::results::{self, Waveform};
use crate::workflow::{Task, TaskContext, TaskError};

/// How many values players expect.
const VALUES: usize = 255;
/// An envelope is bounded by construction; more is not one of ours. Bytes.
const LARGEST_ENVELOPE: u64 = 64 * 1024 * 1024;

/// The step.
pub struct GenerateWaveform;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    mixdown_tracks: MixdownTracksOutput,
}

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GenerateWaveformOutput {
    /// The waveform is in the store.
    Drawn {
        /// How many values it has.
        values: usize,
    },
    /// There is no audio to draw.
    ConsentDenied,
}

#[async_trait]
impl Task<Services> for GenerateWaveform {
    const NAME: &'static str = "generate_waveform";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = GenerateWaveformOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<GenerateWaveformOutput, TaskError> {
        let MixdownTracksOutput::Mixed { envelope_key, .. } = parents.mixdown_tracks else {
            return Ok(GenerateWaveformOutput::ConsentDenied);
        };
        let key = services.key(&input.transcript_id, &envelope_key)?;
        let bytes = services.storage.read(&key, LARGEST_ENVELOPE).await?;
        let peaks = Envelope::from_bytes(&bytes)?.reduce(VALUES);
        let values = peaks.len();
        results::put(&services.writer(ctx, &input.transcript_id), &Waveform { peaks }).await?;
        Ok(GenerateWaveformOutput::Drawn { values })
    }
}
