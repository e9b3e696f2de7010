//! `mixdown_tracks`: all aligned tracks as one MP3, and the envelope of its peaks. Asks for consent before it writes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::content_key::content_key;
use super::get_recording::GetRecordingOutput;
use super::{Services, TranscriptInput};
use crate::audio::{AudioError, mix};
use crate::results::{self, Mixdown, TracksResult};
use crate::store::consents;
use crate::transcript::{meeting_duration, round_seconds};
use crate::workflow::{LogLevel, Task, TaskContext, TaskError};

/// Part of each mixdown's key: raise it when mixing gives other bytes than before.
const MIX_VERSION: &str = "mix-1";

/// The step.
pub struct MixdownTracks;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    get_recording: GetRecordingOutput,
}

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum MixdownTracksOutput {
    /// The audio is there.
    Mixed {
        /// The MP3, relative to the transcript's prefix.
        key: String,
        /// Its peaks, relative to the transcript's prefix.
        envelope_key: String,
        /// Seconds.
        duration: f64,
    },
    /// Somebody said no: there is no audio.
    ConsentDenied {
        /// For people.
        reason: String,
    },
}

#[async_trait]
impl Task<Services> for MixdownTracks {
    const NAME: &'static str = "mixdown_tracks";
    type Input = TranscriptInput;
    type Parents = Parents;
    type Output = MixdownTracksOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        parents: Parents,
    ) -> Result<MixdownTracksOutput, TaskError> {
        let recording = parents.get_recording;
        if is_denied(services, &recording).await? {
            return Ok(denied());
        }
        let writer = services.writer(ctx, &input.transcript_id);
        let tracks: TracksResult = results::require(services.database(), writer.run()).await?;
        let duration = meeting_duration(recording.duration, 0.0);
        let made = MadeOf::new(&tracks, duration);
        let (mp3, peaks) =
            (services.key(&input.transcript_id, &made.mp3)?, services.key(&input.transcript_id, &made.envelope)?);
        let has_peaks = services.storage.size(&peaks).await?.is_some();
        if !has_peaks || services.storage.size(&mp3).await?.is_none() {
            let mut sources = Vec::new();
            for object in tracks.tracks.iter().filter_map(|track| track.object.as_ref()) {
                sources.push(services.open_track(&input.transcript_id, object).await?);
            }
            let mut scratch = services.scratch_file()?;
            let (progress, threads) = (ctx.clone(), services.cpu.cores());
            let total = duration.max(tracks.media_end()).max(0.001);
            let mixed = services.cpu.run(threads, ctx, move |cancel| {
                let mut tell = |seconds: f64| progress.progress(seconds / total, &format!("{seconds:.0} s mixed"));
                let mixdown = mix(sources, duration, scratch.as_file_mut(), threads, cancel, &mut tell)?;
                Ok::<_, AudioError>((mixdown, scratch))
            });
            let (mixdown, file) = mixed.await??;
            if mixdown.concealed > 0 {
                ctx.log(LogLevel::Warn, format!("{} packets could not be decoded", mixdown.concealed));
            }
            if mixdown.cut_short > 0 {
                ctx.log(LogLevel::Warn, format!("{} tracks ended before their time", mixdown.cut_short));
            }
            // Consent may have been withdrawn while mixing; what comes later is cleaned up later.
            if is_denied(services, &recording).await? {
                return Ok(denied());
            }
            // Storage may have gone away between the two the last time.
            if !has_peaks {
                services.storage.put_bytes(&peaks, &mixdown.envelope.to_bytes()).await?;
            }
            services.storage.put_file(&mp3, file.path()).await?;
        }
        let duration = round_seconds(duration.max(tracks.media_end()));
        let result = Mixdown { key: made.mp3.clone(), envelope_key: made.envelope.clone(), duration };
        results::put(&writer, &result).await?;
        Ok(MixdownTracksOutput::Mixed { key: made.mp3, envelope_key: made.envelope, duration })
    }
}

async fn is_denied(services: &Services, recording: &GetRecordingOutput) -> Result<bool, TaskError> {
    Ok(!consents::denied(services.database(), &recording.recording_id).await?.is_empty())
}

fn denied() -> MixdownTracksOutput {
    MixdownTracksOutput::ConsentDenied { reason: "a participant did not consent to audio being kept".to_owned() }
}

/// Where the mixdown of these tracks is kept.
struct MadeOf {
    mp3: String,
    envelope: String,
}

impl MadeOf {
    fn new(tracks: &TracksResult, duration: f64) -> Self {
        let mut parts = vec![MIX_VERSION.to_owned(), format!("{duration:.3}")];
        for track in tracks.tracks.iter().filter(|track| track.object.is_some()) {
            parts.push(format!("{}@{:.3}", track.content.as_deref().unwrap_or_default(), track.offset));
        }
        let name = content_key(parts.iter().map(String::as_str));
        Self { mp3: format!("mix/{name}.mp3"), envelope: format!("mix/{name}.peaks") }
    }
}
