//! The tasks of `DiarizationPipeline` and `TrackProcessing`, one file each, named as the task.
//!
//! Tasks hand each other small outputs and keep everything that grows with a meeting in the store and in storage, under
//! the run's id or under a key that holds the hash of what it was made from.

mod cleanup_consent;
mod content_key;
mod cpu;
mod detect_topics;
mod finalize;
mod generate_summary;
mod generate_title;
mod generate_waveform;
mod get_participants;
mod get_recording;
mod identify_action_items;
mod input;
mod mark_failed;
mod meeting;
mod mixdown_tracks;
mod pad_track;
mod post_zulip;
mod process_tracks;
mod recorded_objects;
mod send_webhook;
mod services;
mod spoken_language;
mod transcribe_track;

pub use cpu::CpuBudget;
pub use input::{InputTrack, PipelineInput, TrackInput, TranscriptInput};
pub use recorded_objects::RecordedObjects;
pub use services::{PipelineHouse, PipelineSettings, Services};

use crate::workflow::{DefinitionErrors, Definitions, Registry};

/// The workflow that makes a transcript.
pub const DIARIZATION_PIPELINE: &str = "DiarizationPipeline";
/// Its child, for one track.
pub const TRACK_PROCESSING: &str = "TrackProcessing";

/// Joins the workflows with the code of their tasks: the one place where pipeline and engine meet.
///
/// # Errors
/// Every task without code, every code without task, and every parent that code reads and the workflow does not declare.
pub fn registry(house: PipelineHouse, definitions: Definitions) -> Result<Registry, DefinitionErrors> {
    Registry::builder(house, definitions)
        .task(DIARIZATION_PIPELINE, get_recording::GetRecording)
        .task(DIARIZATION_PIPELINE, get_participants::GetParticipants)
        .fan_out(DIARIZATION_PIPELINE, process_tracks::ProcessTracks)
        .task(DIARIZATION_PIPELINE, mixdown_tracks::MixdownTracks)
        .task(DIARIZATION_PIPELINE, generate_waveform::GenerateWaveform)
        .task(DIARIZATION_PIPELINE, detect_topics::DetectTopics)
        .task(DIARIZATION_PIPELINE, generate_title::GenerateTitle)
        .task(DIARIZATION_PIPELINE, generate_summary::GenerateSummary)
        .task(DIARIZATION_PIPELINE, identify_action_items::IdentifyActionItems)
        .task(DIARIZATION_PIPELINE, finalize::Finalize)
        .task(DIARIZATION_PIPELINE, cleanup_consent::CleanupConsent)
        .task(DIARIZATION_PIPELINE, post_zulip::PostZulip)
        .task(DIARIZATION_PIPELINE, send_webhook::SendWebhook)
        .task(DIARIZATION_PIPELINE, mark_failed::MarkFailed)
        .task(TRACK_PROCESSING, pad_track::PadTrack)
        .task(TRACK_PROCESSING, transcribe_track::TranscribeTrack)
        .build()
}
