//! `pad_track`: puts one track on the recording's clock, without re-encoding. A track that can't be read is a success
//! that says so: one bad file does not cost the others their words.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::content_key::content_key;
use super::{Services, TrackInput};
use crate::audio::{Alignment, Outcome, StartFrom, align};
use crate::results::{Place, TrackObject};
use crate::store::recordings;
use crate::transcript::round_seconds;
use crate::workflow::{LogLevel, NoParents, Task, TaskContext, TaskError};

/// Part of each aligned file's key: raise it when aligning gives other bytes than before.
const ALIGN_VERSION: &str = "align-1";

/// The step.
pub struct PadTrack;

/// What the tasks after it are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PadTrackOutput {
    /// The aligned file; null when the track can't be read.
    pub object: Option<TrackObject>,
    /// Hash of the source's bytes; null when the track can't be read.
    pub content: Option<String>,
    /// Seconds from the recording's start to the first packet.
    pub offset: f64,
    /// Seconds from the recording's start to the end of the last packet.
    pub end: f64,
    /// Spans after the first packet in which nothing was sent.
    pub gaps: u64,
    /// Seconds in them.
    pub gap_seconds: f64,
    /// Opus packets.
    pub packets: u64,
    /// 1 or 2; 0 when the track can't be read.
    pub channels: u8,
    /// Why the track, or some of it, can't be used.
    pub reason: Option<String>,
}

#[async_trait]
impl Task<Services> for PadTrack {
    const NAME: &'static str = "pad_track";
    type Input = TrackInput;
    type Parents = NoParents;
    type Output = PadTrackOutput;

    async fn run(
        &self,
        ctx: &TaskContext,
        services: &Services,
        input: TrackInput,
        _: NoParents,
    ) -> Result<PadTrackOutput, TaskError> {
        let run = &ctx.identity().root_run;
        let track = recordings::track(services.database(), run, &input.track)
            .await?
            .ok_or_else(|| TaskError::permanent(format!("track {} is not in the store", input.track)))?;
        let source = services.originals.open(&track.source_key.parse()?).await?;
        let mut scratch = services.scratch_file()?;
        let (progress, hint) = (ctx.clone(), track.name_offset);
        let aligned = services.cpu.run(1, ctx, move |cancel| {
            let mut tell = |seconds: f64| progress.progress(0.0, &format!("aligned {seconds:.0} s"));
            align(source, scratch.as_file_mut(), hint, cancel, &mut tell).map(|alignment| (alignment, scratch))
        });
        let (alignment, file) = match aligned.await? {
            Ok(aligned) => aligned,
            Err(error) if error.is_unreadable_media() => {
                ctx.log(LogLevel::Warn, format!("{}: {error}", track.source_key));
                return Ok(unreadable(error.to_string()));
            }
            Err(error) => return Err(TaskError::from(error).context(&track.source_key)),
        };
        let object = match alignment.outcome {
            Outcome::PassedThrough => TrackObject { place: Place::Original, key: track.source_key.clone() },
            Outcome::Aligned => {
                let offset = format!("{:.3}", alignment.offset);
                let key = format!("aligned/{}.opus", content_key([alignment.content.as_str(), ALIGN_VERSION, &offset]));
                let target = services.key(&input.transcript_id, &key)?;
                if services.storage.size(&target).await?.is_none() {
                    services.storage.put_file(&target, file.path()).await?;
                }
                TrackObject { place: Place::Derived, key }
            }
        };
        if alignment.start_from == StartFrom::FileName {
            ctx.log(LogLevel::Warn, format!("{}: offset taken from the file's name", track.source_key));
        }
        Ok(report(alignment, object))
    }
}

fn report(alignment: Alignment, object: TrackObject) -> PadTrackOutput {
    PadTrackOutput {
        object: Some(object),
        content: Some(alignment.content),
        offset: round_seconds(alignment.offset),
        end: round_seconds(alignment.duration),
        gaps: alignment.gaps.count,
        gap_seconds: round_seconds(alignment.gaps.seconds),
        packets: alignment.packets,
        channels: alignment.channels,
        reason: alignment.damage,
    }
}

fn unreadable(reason: String) -> PadTrackOutput {
    PadTrackOutput {
        object: None,
        content: None,
        offset: 0.0,
        end: 0.0,
        gaps: 0,
        gap_seconds: 0.0,
        packets: 0,
        channels: 0,
        reason: Some(reason),
    }
}
