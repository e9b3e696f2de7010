//! The trigger knows no pipeline; this holds what it must agree on with it.

use trackscribe::pipeline::{DIARIZATION_PIPELINE, PipelineInput};
use trackscribe::trigger::{Origin, WORKFLOW, Wanted};

use crate::support::{Scene, id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_started_by_the_name_and_with_the_input_that_the_pipeline_has() {
    let scene = Scene::on_sqlite().await;
    for room in [None, Some("standup".to_owned())] {
        let recording = id(room.as_deref().unwrap_or("r"));
        let wanted = Wanted { room: room.clone(), ..Wanted::new(recording.clone(), Origin::Api) };
        let triggered = scene.trigger().start(wanted).await.unwrap();
        let (workflow, input, _) = scene.engine.last();
        assert_eq!((workflow.as_str(), WORKFLOW), (DIARIZATION_PIPELINE, DIARIZATION_PIPELINE));
        let input: PipelineInput = serde_json::from_value(input).unwrap();
        assert_eq!(input, PipelineInput::new(triggered.transcript, recording, room));
    }
}
