//! Which language a participant speaks, found out once: somebody who re-joined has several tracks, and a few words after
//! a re-join are too little to tell. The longest file of a participant decides for all of them.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Services;
use crate::audio::{DecodeRate, TrackDecoder};
use crate::failure::FailureClass;
use crate::ids::TrackId;
use crate::results;
use crate::speech::{SamplesSource, SpeechError, track_language};
use crate::store::recordings::{self, TrackRow};
use crate::transcript::Speakers;
use crate::workflow::{LogLevel, TaskContext, TaskError};

/// The configured language, or for `auto` that of the participant's longest track; still `auto` for somebody with one
/// track only, which is its own longest.
pub async fn spoken_language(ctx: &TaskContext, services: &Services, track: &TrackId) -> Result<String, TaskError> {
    let configured = services.settings.speech_language.clone();
    if configured != "auto" {
        return Ok(configured);
    }
    let tracks = tracks_of_same_speaker(ctx, services, track).await?;
    if tracks.len() < 2 {
        return Ok(configured);
    }
    let mut longest: Option<(u64, TrackRow)> = None;
    for track in tracks {
        let size = services.originals.size(&track.source_key.parse()?).await?.unwrap_or(0);
        if longest.as_ref().is_none_or(|(largest, _)| size > *largest) {
            longest = Some((size, track));
        }
    }
    let Some((_, longest)) = longest else { return Ok(configured) };
    let key = longest.source_key.parse()?;
    let (house, recognizer, progress) = (services.house().clone(), Arc::clone(&services.speech), ctx.clone());
    let runtime = Handle::current();
    let heard = services.cpu.run(services.settings.speech_threads, ctx, move |cancel| {
        let open = || -> Result<Box<dyn SamplesSource>, SpeechError> {
            let source = runtime.block_on(house.originals.open(&key)).map_err(SpeechError::audio)?;
            let track = TrackDecoder::open(source, DecodeRate::Hz16000, cancel).map_err(SpeechError::audio)?;
            Ok(Box::new(track))
        };
        track_language(&open, recognizer.as_ref(), cancel, &mut |_| progress.progress(0.0, "finding out the language"))
    });
    match heard.await? {
        Ok(language) => Ok(language.unwrap_or(configured)),
        Err(SpeechError::Audio { class: FailureClass::Permanent, source }) => {
            ctx.log(LogLevel::Warn, format!("{}: {source}; the language is found out by track", longest.source_key));
            Ok(configured)
        }
        Err(error) => Err(error.into()),
    }
}

async fn tracks_of_same_speaker(
    ctx: &TaskContext,
    services: &Services,
    track: &TrackId,
) -> Result<Vec<TrackRow>, TaskError> {
    let run = &ctx.identity().root_run;
    let speakers: Speakers = results::require(services.database(), run).await?;
    let by_track = speakers.by_track();
    let speaker = by_track.get(track.as_str());
    let mut tracks = recordings::tracks(services.database(), run).await?;
    tracks.retain(|other| by_track.get(other.id.as_str()) == speaker);
    Ok(tracks)
}
