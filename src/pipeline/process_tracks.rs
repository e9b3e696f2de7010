//! `process_tracks`: fans out over the tracks of speech, then merges all words on one clock. From here on the transcript
//! can be read.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::pad_track::PadTrackOutput;
use super::transcribe_track::{TranscribeTrackOutput, read_window};
use super::{Services, TrackInput, TranscriptInput};
use crate::daily::TrackKind;
use crate::ids::TrackId;
use crate::results::{self, SpeechResult, TrackUse, TracksResult};
use crate::store::recordings::{self, TrackRow};
use crate::store::speech_windows;
use crate::transcript::{Speakers, SpokenWord, WordMerger, round_seconds};
use crate::workflow::{Child, ChildOutputs, FanOut, LogLevel, NoParents, TaskContext, TaskError};

/// What a transcript's language is called when nothing was said.
const UNDETERMINED: &str = "und";

/// The step.
pub struct ProcessTracks;

/// What a child says.
#[derive(Debug, Deserialize)]
pub struct TrackOutput {
    pad_track: PadTrackOutput,
    transcribe_track: TranscribeTrackOutput,
}

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessTracksOutput {
    /// Tracks of speech.
    pub tracks: usize,
    /// Those that could not be used, or not whole.
    pub incomplete_tracks: usize,
    /// Words of all of them.
    pub words: usize,
    /// Segments they make.
    pub segments: usize,
    /// ISO 639-1; that of most words.
    pub language: String,
    /// Seconds from the recording's start to the end of the last track.
    pub media_end: f64,
}

#[async_trait]
impl FanOut<Services> for ProcessTracks {
    const NAME: &'static str = "process_tracks";
    type Input = TranscriptInput;
    type Parents = NoParents;
    type ChildInput = TrackInput;
    type ChildOutput = TrackOutput;
    type Output = ProcessTracksOutput;

    async fn plan(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        _: NoParents,
    ) -> Result<Vec<Child<TrackInput>>, TaskError> {
        let child = |track: TrackRow| Child {
            key: track.id.to_string(),
            input: TrackInput { transcript_id: input.transcript_id.clone(), track: track.id },
        };
        Ok(speech_tracks(ctx, services).await?.into_iter().map(child).collect())
    }

    async fn collect(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TranscriptInput,
        _: NoParents,
        children: &mut dyn ChildOutputs<TrackOutput>,
    ) -> Result<ProcessTracksOutput, TaskError> {
        let writer = services.writer(ctx, &input.transcript_id);
        let speakers: Speakers = results::require(services.database(), writer.run()).await?;
        let by_track = speakers.by_track();
        let mut rows: BTreeMap<TrackId, TrackRow> =
            speech_tracks(ctx, services).await?.into_iter().map(|row| (row.id.clone(), row)).collect();

        let mut words = WordMerger::new();
        let mut languages: BTreeMap<String, usize> = BTreeMap::new();
        let mut tracks = TracksResult { tracks: Vec::new() };
        while let Some((key, output)) = children.next().await? {
            let unknown = || TaskError::permanent(format!("child {key:?} is of no track of this recording"));
            let row = key.parse().ok().and_then(|id: TrackId| rows.remove(&id)).ok_or_else(unknown)?;
            let speaker = *by_track.get(row.id.as_str()).ok_or_else(unknown)?;
            let used = track_use(row, speaker, &output);
            if let Some(work) = &output.transcribe_track.work {
                words.add_track(speaker, words_of(services, work, output.transcribe_track.windows).await?);
            }
            if let Some(language) = output.transcribe_track.language {
                *languages.entry(language).or_default() += used.words;
            }
            tracks.tracks.push(used);
        }
        if let Some(first) = tracks.tracks.first().filter(|_| tracks.tracks.iter().all(|track| track.object.is_none()))
        {
            let reason = first.reasons.first().map_or("unknown", String::as_str);
            let message =
                format!("none of the {} tracks can be read; {}: {reason}", tracks.tracks.len(), first.source_key);
            return Err(TaskError::permanent(message));
        }

        let words = words.finish();
        let language = most_used(&languages).unwrap_or(UNDETERMINED).to_owned();
        results::put(&writer, &tracks).await?;
        results::put(&writer, &SpeechResult { backend: services.speech.name(), language: language.clone() }).await?;
        let segments = results::put_words(&writer, &words).await?;
        ctx.log(LogLevel::Info, format!("{} words in {segments} segments", words.len()));
        Ok(ProcessTracksOutput {
            tracks: tracks.tracks.len(),
            incomplete_tracks: tracks.tracks.iter().filter(|track| !track.reasons.is_empty()).count(),
            words: words.len(),
            segments,
            language,
            media_end: round_seconds(tracks.media_end()),
        })
    }
}

async fn speech_tracks(ctx: &TaskContext, services: &Services) -> Result<Vec<TrackRow>, TaskError> {
    let mut tracks = recordings::tracks(services.database(), &ctx.identity().root_run).await?;
    tracks.retain(|track| track.kind == TrackKind::CamAudio.as_str());
    Ok(tracks)
}

async fn words_of(services: &Services, work: &str, windows: usize) -> Result<Vec<SpokenWord>, TaskError> {
    let kept = speech_windows::all(services.database(), work).await?;
    let mut words = Vec::new();
    for (index, body) in kept {
        if index < windows {
            words.extend(read_window(&body)?.words.into_iter().map(|word| SpokenWord {
                text: word.text,
                start: word.start,
                end: word.end,
                probability: word.probability,
            }));
        }
    }
    Ok(words)
}

fn track_use(row: TrackRow, speaker: usize, output: &TrackOutput) -> TrackUse {
    let (pad, heard) = (&output.pad_track, &output.transcribe_track);
    TrackUse {
        track: row.id,
        source_key: row.source_key,
        speaker,
        object: pad.object.clone(),
        content: pad.content.clone(),
        offset: pad.offset,
        end: pad.end,
        words: heard.words,
        reasons: pad.reason.iter().chain(&heard.reason).cloned().collect(),
    }
}

/// The language of most words; of equals the first by name.
fn most_used(languages: &BTreeMap<String, usize>) -> Option<&str> {
    languages.iter().rev().max_by_key(|(_, words)| **words).map(|(language, _)| language.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_most_words_and_ties_are_settled_by_name() {
        let languages = |pairs: &[(&str, usize)]| pairs.iter().map(|(l, n)| ((*l).to_owned(), *n)).collect();
        assert_eq!(most_used(&languages(&[("de", 3), ("en", 5)])), Some("en"));
        assert_eq!(most_used(&languages(&[("en", 5), ("de", 5)])), Some("de"));
        assert_eq!(most_used(&BTreeMap::new()), None);
    }
}
