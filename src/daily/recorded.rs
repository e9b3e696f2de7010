//! A folder that answers in Daily's stead: `recording.json` and `participants.json` hold the bodies of the REST API's
//! answers, the track files lie beside them. The folder is only ever read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{MeetingId, RecordingId};

use super::DailyError;
use super::consent::Consent;
use super::folder_index::FolderIndex;
use super::listing::{RecordingPage, RecordingQuery, page_of};
use super::rest::{ListedTrack, ParticipantRow, Recording, parse_participants, parse_recording};
use super::source::DailySource;
use super::track_name::{TrackKind, TrackName};
use super::tracks::recording_tracks;

const RECORDING: &str = "recording.json";
const PARTICIPANTS: &str = "participants.json";
const CONSENT: &str = "consent.json";

/// So that the same files always are the same recording, wherever they lie.
const NAMELESS_RECORDINGS: Uuid = Uuid::from_u128(0x5d0c_2f0e_7a41_4a53_9f0b_6f2d_61c8_e7a4);

/// A recorded meeting on disk, read once when it is opened.
#[derive(Debug, Clone)]
pub struct RecordedFolder {
    index: FolderIndex,
    recording: Recording,
    participants: Vec<ParticipantRow>,
    consent: Consent,
    notes: Vec<String>,
}

impl RecordedFolder {
    /// Reads the folder's JSON files and its list of files; blocks while it does.
    ///
    /// Without `recording.json` the tracks are found by Daily's file names, and the recording's id is derived from these
    /// names. Without `participants.json` nobody has a name. Both are noted.
    ///
    /// # Errors
    /// A folder or file that can't be read, JSON that is malformed or lacks a field, a folder without any track.
    pub fn open(dir: &Path) -> Result<Self, DailyError> {
        let index = FolderIndex::read(dir)?;
        let mut notes = Vec::new();
        let mut recording = match index.bytes(RECORDING)? {
            Some(body) => parse_recording(RECORDING, &body)?,
            None => {
                let recording = recording_by_names(&index)?;
                let found = recording.tracks.len();
                notes.push(format!("no {RECORDING}: {found} track files were found by their names"));
                recording
            }
        };
        let participants = match index.bytes(PARTICIPANTS)? {
            Some(body) => parse_participants(PARTICIPANTS, &body)?,
            None => {
                notes.push(format!("no {PARTICIPANTS}: nobody's name is known"));
                Vec::new()
            }
        };
        if recording.meeting_id.is_none() {
            // The API's participants hang on the meeting session; here the folder itself is one.
            recording.meeting_id = recording.id.as_str().parse().ok();
        }
        let consent = index.bytes(CONSENT)?.map(|body| Consent::parse(CONSENT, &body)).transpose()?.unwrap_or_default();
        let mut folder = Self { index, recording, participants, consent, notes };
        folder.note_ignored_files();
        Ok(folder)
    }

    /// The display names of sessions, by participant id.
    pub fn names(&self) -> BTreeMap<&str, &str> {
        let named =
            self.participants.iter().filter_map(|row| Some((row.participant_id.as_str(), row.user_name.as_deref()?)));
        named.filter(|(_, name)| !name.is_empty()).collect()
    }

    /// The recording, as the folder has it.
    pub fn only_recording(&self) -> &Recording {
        &self.recording
    }

    /// Who denied that audio is kept.
    pub fn consent(&self) -> &Consent {
        &self.consent
    }

    /// What people should know about how the folder was read, in a stable order.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The folder's path without links in it.
    pub fn root(&self) -> &Path {
        self.index.root()
    }

    /// The file of the track `key`: a file of this folder named as the key's last part, with or without `.webm`.
    pub fn locate(&self, key: &str) -> Option<PathBuf> {
        self.index.track(key).map(|(_, path)| path.to_owned())
    }

    /// Like [`Self::locate`], for a track that has to be there.
    ///
    /// # Errors
    /// [`DailyError::TrackMissing`] naming the key.
    pub fn track_file(&self, key: &str) -> Result<PathBuf, DailyError> {
        self.locate(key).ok_or_else(|| DailyError::TrackMissing { key: key.to_owned() })
    }

    /// Every file that is part of this recording, listed or read, sorted: what makes one replay differ from another.
    pub fn files(&self) -> Vec<PathBuf> {
        let json = [RECORDING, PARTICIPANTS, CONSENT].into_iter().filter_map(|name| self.index.file(name));
        let tracks = self.recording.tracks.iter().filter_map(|track| self.index.track(&track.s3_key));
        let all: BTreeSet<&Path> = json.chain(tracks.map(|(_, path)| path)).collect();
        all.into_iter().map(Path::to_owned).collect()
    }

    /// Checks that the recording can be transcribed from here: it is a raw-tracks recording, somebody's microphone is in
    /// it, and the file of each microphone is there. Absent video and screen files don't matter.
    ///
    /// # Errors
    /// [`DailyError::NotRawTracks`], [`DailyError::NoSpeechTrack`], [`DailyError::TrackMissing`]: all permanent.
    pub fn require_speech_tracks(&self) -> Result<(), DailyError> {
        self.recording.require_raw_tracks()?;
        let mut speech =
            recording_tracks(&self.recording).into_iter().filter(|track| track.kind.is_speech()).peekable();
        if speech.peek().is_none() {
            return Err(DailyError::NoSpeechTrack { id: self.recording.id.to_string() });
        }
        speech.try_for_each(|track| self.track_file(&track.key).map(drop))
    }

    fn note_ignored_files(&mut self) {
        let listed: BTreeSet<&str> = self
            .recording
            .tracks
            .iter()
            .filter_map(|track| self.index.track(&track.s3_key))
            .map(|(name, _)| name)
            .collect();
        let known = [RECORDING, PARTICIPANTS, CONSENT];
        let ignored: Vec<&str> = self
            .index
            .names()
            .filter(|name| !listed.contains(name) && !known.contains(name) && !name.starts_with('.'))
            .collect();
        if !ignored.is_empty() {
            self.notes.push(format!("ignored, not listed in the recording: {}", some_of(&ignored)));
        }
        if !self.index.refused().is_empty() {
            let refused: Vec<&str> = self.index.refused().iter().map(String::as_str).collect();
            self.notes.push(format!("ignored, links that lead out of the folder: {}", some_of(&refused)));
        }
        self.notes.extend(recording_tracks(&self.recording).into_iter().filter_map(|track| track.note));
    }
}

/// At most ten names, and how many more.
fn some_of(names: &[&str]) -> String {
    let shown = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(10) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A recording made of nothing but the names of its files.
fn recording_by_names(index: &FolderIndex) -> Result<Recording, DailyError> {
    let mut named: Vec<(TrackName, &str)> =
        index.names().filter_map(|name| Some((TrackName::from_key(name).ok()?, name))).collect();
    named.sort_by_cached_key(|(name, _)| (name.recording_start_ms, name.track_start_ms, name.to_string()));
    // The same track saved both with and without its extension is one track.
    named.dedup_by(|(later, _), (earlier, _)| later == earlier);
    let Some((first, _)) = named.first() else {
        return Err(DailyError::NothingRecorded { path: index.root().to_owned() });
    };
    let mut names: Vec<String> = named.iter().map(|(name, _)| name.to_string()).collect();
    names.sort_unstable();
    let id = Uuid::new_v5(&NAMELESS_RECORDINGS, names.join("\n").as_bytes());
    let id: RecordingId = id.to_string().parse().map_err(|error| DailyError::Malformed {
        document: "derived recording".to_owned(),
        problem: format!("id: {error}"),
    })?;
    let start_ts = Some(first.recording_start_ms as f64 / 1000.0);
    let tracks = named
        .iter()
        .map(|(name, file)| ListedTrack {
            media_type: Some(
                match name.kind {
                    TrackKind::CamAudio | TrackKind::ScreenAudio => "audio",
                    TrackKind::CamVideo | TrackKind::ScreenVideo => "video",
                }
                .to_owned(),
            ),
            s3_key: (*file).to_owned(),
            size: index.file(file).and_then(|path| path.metadata().ok()).map(|metadata| metadata.len()),
        })
        .collect();
    Ok(Recording {
        id,
        room_name: None,
        start_ts,
        status: None,
        declared_type: None,
        max_participants: None,
        duration: None,
        s3: None,
        s3key: None,
        tracks,
        meeting_id: None,
    })
}

#[async_trait]
impl DailySource for RecordedFolder {
    fn lists_later(&self) -> bool {
        false
    }

    async fn recording(&self, id: &RecordingId) -> Result<Recording, DailyError> {
        if *id != self.recording.id {
            return Err(DailyError::Unknown { what: "recording", id: id.to_string() });
        }
        Ok(self.recording.clone())
    }

    async fn participants(&self, meeting: &MeetingId) -> Result<Vec<ParticipantRow>, DailyError> {
        if Some(meeting) != self.recording.meeting_id.as_ref() {
            return Err(DailyError::Unknown { what: "meeting", id: meeting.to_string() });
        }
        Ok(self.participants.clone())
    }

    async fn list(&self, query: &RecordingQuery) -> Result<RecordingPage, DailyError> {
        page_of(vec![self.recording.clone()], query)
    }
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod tests;
