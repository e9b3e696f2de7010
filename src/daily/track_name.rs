//! What the name of a track file says. Daily names each object
//! `{recording_start_ms}-{participant_uuid}-{track}-{track_start_ms}`, without an extension; browsers add `.webm` when
//! they save one. Both times are 13-digit milliseconds since the epoch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::ParticipantId;

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackKind {
    /// A participant's microphone.
    CamAudio,
    /// A participant's camera.
    CamVideo,
    /// The sound of a shared screen or tab.
    ScreenAudio,
    /// A shared screen's picture.
    ScreenVideo,
}

impl TrackKind {
    const ALL: [Self; 4] = [Self::CamAudio, Self::CamVideo, Self::ScreenAudio, Self::ScreenVideo];

    /// As in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CamAudio => "cam-audio",
            Self::CamVideo => "cam-video",
            Self::ScreenAudio => "screen-audio",
            Self::ScreenVideo => "screen-video",
        }
    }

    /// Whether this is somebody's voice: only such tracks are transcribed and make speakers.
    pub fn is_speech(self) -> bool {
        self == Self::CamAudio
    }
}

impl fmt::Display for TrackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A track file's name, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackName {
    /// Milliseconds since the epoch; the same for all tracks of a recording.
    pub recording_start_ms: u64,
    /// Whose track it is: a session.
    pub participant: ParticipantId,
    /// What it carries.
    pub kind: TrackKind,
    /// Milliseconds since the epoch.
    pub track_start_ms: u64,
}

/// The name is not in Daily's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file name is not in Daily's format")]
pub struct InvalidTrackName;

/// A key's last part, with `.webm` taken off: what names a track, wherever its file lies.
pub fn last_part(key: &str) -> &str {
    let name = key.rsplit('/').next().unwrap_or(key);
    match name.len().checked_sub(".webm".len()).and_then(|at| name.split_at_checked(at)) {
        Some((stem, extension)) if extension.eq_ignore_ascii_case(".webm") => stem,
        _ => name,
    }
}

impl TrackName {
    /// Reads the last part of an object's key, or a file's name.
    pub fn from_key(key: &str) -> Result<Self, InvalidTrackName> {
        last_part(key).parse()
    }

    /// Seconds from the recording's start to the track's. Accurate to about 0.2 s: the first packet's own time is the
    /// precise one. A track that claims to have begun before the recording began with it.
    pub fn offset(&self) -> f64 {
        self.track_start_ms.saturating_sub(self.recording_start_ms) as f64 / 1000.0
    }
}

const UUID_LENGTH: usize = 36;

fn milliseconds(text: &str) -> Option<u64> {
    (text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl FromStr for TrackName {
    type Err = InvalidTrackName;

    /// Reads a name without folder and extension.
    fn from_str(name: &str) -> Result<Self, InvalidTrackName> {
        let parse = || {
            let (recording_start, rest) = name.split_once('-')?;
            let (participant, rest) = rest.split_at_checked(UUID_LENGTH).filter(|(id, _)| is_uuid(id))?;
            let (kind, track_start) = rest.strip_prefix('-')?.rsplit_once('-')?;
            Some(Self {
                recording_start_ms: milliseconds(recording_start)?,
                participant: participant.parse().ok()?,
                kind: TrackKind::ALL.into_iter().find(|known| known.as_str() == kind)?,
                track_start_ms: milliseconds(track_start)?,
            })
        };
        parse().ok_or(InvalidTrackName)
    }
}

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recording_start_ms, participant, kind, track_start_ms } = self;
        write!(f, "{recording_start_ms:013}-{participant}-{kind}-{track_start_ms:013}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "1767776400004-fbd5a293-a18b-442f-8912-b8e383d833a9-screen-audio-1767776406554";

    #[test]
    fn a_name_is_read_with_and_without_folder_and_extension() {
        for key in [NAME.to_owned(), format!("{NAME}.webm"), format!("domain/room/{NAME}"), format!("/{NAME}.WEBM")] {
            let name = TrackName::from_key(&key).unwrap();
            assert_eq!(name.kind, TrackKind::ScreenAudio);
            assert_eq!(name.participant.as_str(), "fbd5a293-a18b-442f-8912-b8e383d833a9");
            assert_eq!(name.offset(), 6.55);
            assert_eq!(name.to_string(), NAME);
        }
    }

    #[test]
    fn a_track_from_before_the_recording_begins_with_it() {
        let early = NAME.replace("1767776406554", "1767776400000");
        assert_eq!(TrackName::from_key(&early).unwrap().offset(), 0.0);
    }

    #[test]
    fn names_that_are_nearly_right_are_refused() {
        let hostile = [
            String::new(),
            "/".to_owned(),
            "..".to_owned(),
            format!("{NAME}.webm.webm"),
            format!("{NAME}.mp4"),
            format!("{NAME}/"),
            format!(" {NAME}"),
            format!("{NAME}\0"),
            NAME.replace("screen-audio", "custom-audio"),
            NAME.replace("screen-audio", "screen-audio-cam-audio"),
            NAME.replace("fbd5a293", "fbd5a29g"),
            NAME.replace("fbd5a293", "fbd5a29é"),
            NAME.replacen('1', "+", 1),
            NAME.replacen('1', "", 1),
            NAME.replacen("1767776400004", "99999999999999999999999", 1),
            NAME.replace("1767776406554", "١٧٦٧٧٧٦٤٠٦٥٥٤"),
        ];
        for name in hostile {
            assert_eq!(TrackName::from_key(&name), Err(InvalidTrackName), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_written_the_same(key in "\\PC*") {
            if let Ok(name) = TrackName::from_key(&key) {
                prop_assert_eq!(name.to_string(), last_part(&key));
            }
        }

        #[test]
        fn every_name_daily_can_make_is_read_back(
            start in 1_000_000_000_000_u64..10_000_000_000_000,
            later in 0_u64..100_000_000,
            id: u128,
            kind in 0_usize..4,
            extension: bool,
        ) {
            let name = TrackName {
                recording_start_ms: start,
                participant: uuid::Uuid::from_u128(id).to_string().parse().unwrap(),
                kind: TrackKind::ALL[kind],
                track_start_ms: (start + later).min(9_999_999_999_999),
            };
            let key = format!("domain/room/{name}{}", if extension { ".webm" } else { "" });
            prop_assert_eq!(TrackName::from_key(&key).unwrap(), name);
        }
    }
}
