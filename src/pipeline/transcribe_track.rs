//! `transcribe_track`: words out of one aligned track. Each finished window is kept in the store, so that a killed or
//! retried attempt, or a new run, goes on from there.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::content_key::content_key;
use super::pad_track::PadTrackOutput;
use super::spoken_language::spoken_language;
use super::{Services, TrackInput};
use crate::audio::{DecodeRate, TrackDecoder};
use crate::speech::{
    KeptWindow, SamplesSource, SpeechError, TrackSettings, TrackTranscript, WindowKeeper, transcribe_track,
};
use crate::store::{Database, StoreError, speech_windows};
use crate::transcript::round_seconds;
use crate::workflow::{Task, TaskContext, TaskError};

/// Part of each piece's key: raise it when the way from audio to windows changes.
const TRANSCRIBE_VERSION: &str = "transcribe-1";

/// The step.
pub struct TranscribeTrack;

/// What it reads.
#[derive(Debug, Deserialize)]
pub struct Parents {
    pad_track: PadTrackOutput,
}

/// What the tasks after it are told. The words themselves are in the store, under `work`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscribeTrackOutput {
    /// The key under which the finished windows are kept; null when the track can't be read.
    pub work: Option<String>,
    /// How many of them.
    pub windows: usize,
    /// Words in them.
    pub words: usize,
    /// ISO 639-1; null when nothing was said.
    pub language: Option<String>,
    /// Seconds of speech.
    pub speech_seconds: f64,
    /// Text that was heard and not believed (loops, noise).
    pub dropped: usize,
    /// Why some of the track could not be used.
    pub reason: Option<String>,
}

#[async_trait]
impl Task<Services> for TranscribeTrack {
    const NAME: &'static str = "transcribe_track";
    type Input = TrackInput;
    type Parents = Parents;
    type Output = TranscribeTrackOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TrackInput,
        parents: Parents,
    ) -> Result<TranscribeTrackOutput, TaskError> {
        let pad = parents.pad_track;
        let (Some(object), Some(content)) = (pad.object, pad.content) else {
            return Ok(TranscribeTrackOutput {
                work: None,
                windows: 0,
                words: 0,
                language: None,
                speech_seconds: 0.0,
                dropped: 0,
                reason: None,
            });
        };
        let language = spoken_language(ctx, services, &input.track).await?;
        let offset = format!("{:.3}", pad.offset);
        let identity = services.speech.identity();
        let work = content_key([content.as_str(), &offset, &identity, &language, TRANSCRIBE_VERSION]);
        let settings = TrackSettings { expected_seconds: Some(pad.end), ..TrackSettings::new(language) };

        let keeper = StoreKeeper {
            runtime: Handle::current(),
            database: services.database().clone(),
            work: work.clone(),
            ctx: ctx.clone(),
        };
        let (house, transcript, runtime) = (services.house().clone(), input.transcript_id, Handle::current());
        let (recognizer, progress) = (Arc::clone(&services.speech), ctx.clone());
        let threads = services.settings.speech_threads;
        let heard = services.cpu.run(threads, ctx, move |cancel| {
            let open = || -> Result<Box<dyn SamplesSource>, SpeechError> {
                let source = runtime.block_on(house.open_track(&transcript, &object)).map_err(SpeechError::audio)?;
                let track = TrackDecoder::open(source, DecodeRate::Hz16000, cancel).map_err(SpeechError::audio)?;
                Ok(Box::new(track))
            };
            transcribe_track(&open, recognizer.as_ref(), &settings, &keeper, cancel, &mut |at| {
                let doing = match at.windows {
                    0 => "looking for speech".to_owned(),
                    windows => format!("window {} of {windows}", at.windows_done),
                };
                progress.progress(at.fraction, &doing);
            })
        });
        Ok(report(work, heard.await??))
    }
}

fn report(work: String, heard: TrackTranscript) -> TranscribeTrackOutput {
    TranscribeTrackOutput {
        work: Some(work),
        windows: heard.windows,
        words: heard.words.len(),
        language: heard.language,
        speech_seconds: round_seconds(heard.speech_seconds),
        dropped: heard.dropped.len(),
        reason: heard.missing_seconds.map(|seconds| format!("the last {seconds:.1} s could not be decoded")),
    }
}

/// Keeps finished windows in the store, from a blocking thread.
struct StoreKeeper {
    runtime: Handle,
    database: Database,
    work: String,
    ctx: TaskContext,
}

impl WindowKeeper for StoreKeeper {
    fn kept(&self, index: usize) -> Result<Option<KeptWindow>, SpeechError> {
        let body = self.runtime.block_on(speech_windows::read(&self.database, &self.work, index));
        body.map_err(SpeechError::keeping)?.map(|body| read_window(&body).map_err(SpeechError::keeping)).transpose()
    }

    fn keep(&self, index: usize, window: &KeptWindow) -> Result<(), SpeechError> {
        let body = serde_json::to_string(window).map_err(|error| SpeechError::keeping(garbled(error)))?;
        let now = self.ctx.clock().now();
        let kept = speech_windows::keep(&self.database, &self.work, index, &body, now);
        self.runtime.block_on(kept).map_err(SpeechError::keeping)?;
        self.ctx.piece_kept();
        Ok(())
    }
}

/// A finished window as it was kept.
pub(super) fn read_window(body: &str) -> Result<KeptWindow, StoreError> {
    serde_json::from_str(body).map_err(garbled)
}

fn garbled(error: serde_json::Error) -> StoreError {
    StoreError::garbled("speech window", error)
}
