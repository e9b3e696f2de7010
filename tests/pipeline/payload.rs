//! A meeting of three hours with 500 track files and 40,000 words: whatever tasks hand each other stays small.

use std::sync::Arc;

use serde_json::{Value, json};
use trackscribe::engine::{Engine, RunStatus, StartOptions};
use trackscribe::pipeline::{DIARIZATION_PIPELINE, InputTrack, RecordedObjects};
use trackscribe::storage::Storage;
use trackscribe::workflow::{MAX_OUTER_INPUT_BYTES, MAX_PAYLOAD_BYTES};

use super::house::{Asked, Bench, MadeUp, Watched, output, soon};
use super::made_meeting::{MadeMeeting, MadeTrack};
use super::records;

const TRACKS: u32 = 500;
const WORDS: usize = 80;
const SECONDS: f64 = 10_800.0;

/// Sixty people who drop and re-join. Most of them in the first minute: a track that begins late has hours of silence
/// before it, which are decoded as fast as anything, but not five hundred times.
fn meeting() -> MadeMeeting {
    let track = |number: u32| {
        let start = if number % 100 == 99 { u64::from(number / 100 + 1) * 2_100_000 } else { u64::from(number) * 100 };
        MadeTrack {
            user: Some(format!("user-{}", number % 60)),
            ..MadeTrack::speaking(number, &format!("Person {}", number % 60), start, 3)
        }
    };
    MadeMeeting { duration: Some(SECONDS), tracks: (0..TRACKS).map(track).collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u19_nothing_that_tasks_hand_each_other_grows_with_the_meeting() {
    let folder = tempfile::tempdir().unwrap();
    // As long as keys may be.
    let prefix = format!("{}/", ["long-name-of-a-room-of-some-domain"; 24].join("/"));
    let recorded = meeting().write(&folder.path().join("meeting"), &prefix);
    let mut bench = Bench::new(folder, recorded, MadeUp::words("word", WORDS)).await;

    // An older trigger names all tracks in the run's input: about a megabyte.
    let mut input = bench.input();
    let originals = RecordedObjects::new(bench.recorded.clone());
    let keys = originals.list("").await.unwrap();
    let mut tracks: Vec<InputTrack> = keys.iter().map(|key| InputTrack { s3_key: key.to_string() }).collect();
    let size = |tracks: &[InputTrack]| serde_json::to_string(tracks).unwrap().len();
    for number in 0.. {
        if size(&tracks) > MAX_OUTER_INPUT_BYTES - 2000 {
            break;
        }
        let video = tracks[number].s3_key.replace("cam-audio", "cam-video");
        tracks.push(InputTrack { s3_key: video });
    }
    input.tracks = Some(tracks);
    let input = serde_json::to_value(&input).unwrap();
    assert!(input.to_string().len() > MAX_OUTER_INPUT_BYTES - 4000);

    bench.house.storage = mixed_before(&bench).await;
    let engine = bench.engine().await;
    let run = engine.start(DIARIZATION_PIPELINE, input, StartOptions::default()).await.unwrap();
    let outcome = soon(engine.wait(&run)).await.unwrap();
    engine.shutdown().await;
    assert_eq!(outcome.status, RunStatus::Completed, "{:?}", outcome.failure);
    assert_eq!(output(&outcome, "process_tracks")["words"], json!(TRACKS as usize * WORDS));
    assert_eq!(output(&outcome, "process_tracks")["tracks"], json!(TRACKS));
    assert_eq!(output(&outcome, "finalize")["speakers"], json!(60));
    assert_eq!(output(&outcome, "finalize")["duration"].as_f64(), Some(SECONDS));

    // Checks every output and every plan.
    let outputs = records::outputs(bench.database()).await;
    assert_eq!(outputs.len(), 13 + 2 * TRACKS as usize);
    let largest = outputs.iter().max_by_key(|(_, text)| text.len()).unwrap();
    let plan = records::task_records(bench.database()).await["process_tracks"].plan.clone().unwrap();
    println!("largest output: {} of {}; plan: {} bytes", largest.1.len(), largest.0, plan.len());
    assert!(plan.len() <= MAX_PAYLOAD_BYTES);

    let sql = "SELECT input FROM runs WHERE parent_run IS NOT NULL";
    let inputs: Vec<String> = sqlx::query_scalar(sql).fetch_all(bench.database().pool()).await.unwrap();
    assert_eq!(inputs.len(), TRACKS as usize);
    for input in inputs {
        let input: Value = serde_json::from_str(&input).unwrap();
        let fields = input.as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["track", "transcript_id"]);
        assert!(fields["track"].as_str().unwrap().len() <= 8, "{input}");
    }
}

/// Storage in which an earlier run left the mixdown: three hours of MP3 need not be made for what this is about.
async fn mixed_before(bench: &Bench) -> Arc<dyn Storage> {
    use trackscribe::audio::mix;
    use trackscribe::storage::ObjectKey;

    let peaks: ObjectKey = "earlier/peaks".parse().unwrap();
    let silence = mix(Vec::new(), 1.0, &mut std::io::Cursor::new(Vec::new()), 1, &Default::default(), &mut |_| {});
    bench.storage.put_bytes(&peaks, &silence.unwrap().envelope.to_bytes()).await.unwrap();
    let inner = bench.storage.clone();
    Watched::new(Arc::new(bench.storage.clone()), move |asked, key| {
        let (inner, peaks) = (inner.clone(), peaks.clone());
        async move {
            if asked == Asked::Size && key.contains("/mix/") {
                // Found where it is looked for.
                let bytes = inner.read(&peaks, 1 << 20).await?;
                inner.put_bytes(&key.parse()?, &bytes).await?;
            }
            Ok(())
        }
    })
}
