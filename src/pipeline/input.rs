//! What runs are started with.

use serde::{Deserialize, Deserializer, Serialize};

use crate::ids::{RecordingId, TrackId, TranscriptId};

/// The input of `DiarizationPipeline`, in the shape that triggers of the system before this one send too: each field but
/// the transcript's id may be missing, null or empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineInput {
    /// The transcript to make.
    pub transcript_id: TranscriptId,
    /// Daily's recording; else the transcript's own row says which.
    #[serde(default, deserialize_with = "empty_is_none")]
    pub recording_id: Option<RecordingId>,
    /// The room.
    #[serde(default, deserialize_with = "empty_is_none")]
    pub room_name: Option<String>,
    /// Where the tracks are.
    #[serde(default, deserialize_with = "empty_is_none")]
    pub bucket_name: Option<String>,
    /// The tracks; else Daily says which. Read by `get_recording` only.
    #[serde(default)]
    pub tracks: Option<Vec<InputTrack>>,
}

impl PipelineInput {
    /// What our own triggers send.
    pub fn new(transcript_id: TranscriptId, recording_id: RecordingId, room_name: Option<String>) -> Self {
        Self { transcript_id, recording_id: Some(recording_id), room_name, bucket_name: None, tracks: None }
    }
}

/// A track in a run's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputTrack {
    /// The object's key.
    pub s3_key: String,
}

/// The same input, for tasks that need to know nothing but the transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptInput {
    /// The transcript to make.
    pub transcript_id: TranscriptId,
}

/// The input of `TrackProcessing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackInput {
    /// The transcript the track is for.
    pub transcript_id: TranscriptId,
    /// The track.
    pub track: TrackId,
}

fn empty_is_none<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.filter(|text| !text.is_empty()).map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workflow::{Definitions, default_pool_sizes};

    #[test]
    fn the_workflow_files_describe_these_inputs() {
        let definitions = Definitions::embedded(default_pool_sizes(1, 1)).unwrap();
        let properties = |workflow: &str| {
            let schema = definitions.workflow(workflow).unwrap().input_schema.clone().unwrap();
            schema["properties"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
        };
        let fields = |input: serde_json::Value| input.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let (transcript, recording) = (TranscriptId::generate(), "r".parse().unwrap());
        let pipeline = PipelineInput::new(transcript.clone(), recording, None);
        assert_eq!(properties("DiarizationPipeline"), fields(serde_json::to_value(pipeline).unwrap()));
        let track = TrackInput { transcript_id: transcript, track: TrackId::at(0) };
        assert_eq!(properties("TrackProcessing"), fields(serde_json::to_value(track).unwrap()));
    }

    #[test]
    fn inputs_of_older_triggers_are_read() {
        let full = r#"{"transcript_id":"t","recording_id":"r","room_name":"daily","bucket_name":"b","tracks":[{"s3_key":"k"}]}"#;
        let input: PipelineInput = serde_json::from_str(full).unwrap();
        assert_eq!(input.tracks.unwrap()[0].s3_key, "k");
        for sparse in [
            r#"{"transcript_id":"t"}"#,
            r#"{"transcript_id":"t","recording_id":null,"room_name":null,"bucket_name":null,"tracks":null}"#,
            r#"{"transcript_id":"t","recording_id":"","room_name":"","bucket_name":"","tracks":[]}"#,
        ] {
            let input: PipelineInput = serde_json::from_str(sparse).unwrap();
            assert_eq!((input.recording_id, input.room_name, input.bucket_name), (None, None, None), "{sparse}");
        }
        assert!(serde_json::from_str::<PipelineInput>(r#"{"transcript_id":""}"#).is_err());
    }
}
