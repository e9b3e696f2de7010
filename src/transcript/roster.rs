//! Who was there, as it is known before anybody is a speaker: stays and tracks, by session id, in no certain order.

use serde::{Deserialize, Serialize};

use crate::ids::ParticipantId;

/// One row of the meeting's participants: one stay of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stay {
    /// The session: a person who re-joins mostly gets a new one.
    pub session: ParticipantId,
    /// The person's id, where the application that made the room gave one.
    pub user_id: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// Seconds since the epoch, mostly whole.
    pub joined: Option<f64>,
    /// Seconds; unknown counts as until the end.
    pub duration: Option<f64>,
}

/// A track of speech.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechTrack {
    /// What names the track from here on: its id or key, unique among the tracks.
    pub track: String,
    /// Whose it is; unknown when the file's name does not say.
    pub session: Option<ParticipantId>,
    /// Seconds from the recording's start.
    pub start: f64,
}

/// All that is known of who was there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// When the recording began, seconds since the epoch: places stays and tracks on one clock.
    pub recording_start: f64,
    /// The meeting's participants.
    pub stays: Vec<Stay>,
    /// The tracks of speech only: nobody is a speaker for sharing a screen.
    pub tracks: Vec<SpeechTrack>,
}

/// Who one session is: its stays and tracks together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    /// The session's id, or for a track of an unknown participant the track itself.
    pub(super) id: String,
    /// Only where it is usable: neither empty nor the session's own id.
    pub(super) user_id: Option<String>,
    /// Not empty, no outer space.
    pub(super) name: Option<String>,
    /// When it was there, milliseconds since the epoch.
    pub(super) spans: Vec<(i64, i64)>,
    /// Its tracks, earliest first.
    pub(super) tracks: Vec<String>,
    pub(super) appearance: Appearance,
}

/// When a session first appeared. Join times are mostly cut to whole seconds, so two who join within one second are told
/// apart by their first track, which is exact, then by the rest of what is known of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Appearance {
    second: i64,
    first_track_ms: i64,
    exact_ms: i64,
    id: String,
}

impl Roster {
    /// Gathers the sessions, in order of first appearance. The order of rows and tracks does not matter.
    pub(super) fn sessions(&self) -> Vec<Session> {
        let mut ids: Vec<(&str, bool)> = Vec::new();
        ids.extend(self.stays.iter().map(|stay| (stay.session.as_str(), true)));
        ids.extend(self.tracks.iter().map(|track| match &track.session {
            Some(session) => (session.as_str(), true),
            None => (track.track.as_str(), false),
        }));
        ids.sort_unstable();
        ids.dedup();
        let mut sessions: Vec<Session> = ids.into_iter().map(|(id, known)| self.session(id, known)).collect();
        sessions.sort_by(|a, b| a.appearance.cmp(&b.appearance));
        sessions
    }

    fn session(&self, id: &str, known: bool) -> Session {
        let mut stays: Vec<&Stay> = self.stays.iter().filter(|stay| known && stay.session.as_str() == id).collect();
        stays.sort_by(|a, b| {
            let time = |stay: &Stay| millis_or_last(stay.joined);
            time(a).cmp(&time(b)).then_with(|| a.name.cmp(&b.name)).then_with(|| a.user_id.cmp(&b.user_id))
        });
        let mut tracks: Vec<&SpeechTrack> = self
            .tracks
            .iter()
            .filter(|track| match &track.session {
                Some(session) => known && session.as_str() == id,
                None => !known && track.track == id,
            })
            .collect();
        tracks.sort_by(|a, b| a.start.total_cmp(&b.start).then_with(|| a.track.cmp(&b.track)));

        let first_track = tracks.first().map(|track| super::to_millis(self.recording_start + track.start));
        let first_join = stays.iter().find_map(|stay| stay.joined).map(super::to_millis);
        let exact_ms = match (first_join, first_track) {
            (Some(join), Some(track)) => join.min(track),
            (join, track) => join.or(track).unwrap_or(i64::MAX),
        };
        let mut spans: Vec<(i64, i64)> = stays
            .iter()
            .map(|stay| {
                let start = stay.joined.map(super::to_millis).or(first_track).unwrap_or(i64::MIN);
                let length = stay.duration.map_or(i64::MAX, |duration| super::to_millis(duration.max(0.0)));
                (start, start.saturating_add(length))
            })
            .collect();
        if spans.is_empty() {
            spans.extend(first_track.map(|start| (start, i64::MAX)));
        }
        Session {
            user_id: stays
                .iter()
                .find_map(|stay| usable(stay.user_id.as_deref()).filter(|user| *user != id))
                .map(str::to_owned),
            name: stays.iter().find_map(|stay| usable(stay.name.as_deref())).map(str::to_owned),
            spans,
            tracks: tracks.iter().map(|track| track.track.clone()).collect(),
            appearance: Appearance {
                second: exact_ms.div_euclid(1000),
                first_track_ms: first_track.unwrap_or(i64::MAX),
                exact_ms,
                id: id.to_owned(),
            },
            id: id.to_owned(),
        }
    }
}

fn usable(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn millis_or_last(seconds: Option<f64>) -> i64 {
    seconds.map_or(i64::MAX, super::to_millis)
}
