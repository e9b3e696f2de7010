//! Who is a speaker. Daily's participant id names a *session*; a person who drops and re-joins gets a new one. Sessions
//! become speakers by these rules, and why each was joined is kept:
//!
//! 1. The same usable `user_id` (not null, not empty, not the session's own id) is one person.
//! 2. Where neither side has one, a session joins, in order of start, the most recently ended group of the same non-empty
//!    display name that it does not overlap by more than 2 s. A stay of unknown length lasts to the end.
//! 3. All others are somebody of their own: two people of one name with different user ids are two.
//!
//! Speakers are numbered in order of first appearance. Tracks belong to speakers by session id, never by their place in
//! a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::roster::{Roster, Session};

/// How long two stays of one person may overlap: the server notices a dropped call late.
const LONGEST_OVERLAP_MS: i64 = 2000;

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// 0-based, in order of first appearance.
    pub speaker: usize,
    /// The usable user id, else the first session's id, else the track's.
    pub id: String,
    /// The display name, one given by hand, or `Speaker N`.
    pub name: String,
    /// The sessions that are this person, in order of appearance, and why.
    pub sessions: Vec<SpeakerSession>,
    /// The person's tracks of speech, earliest first within each session.
    pub tracks: Vec<String>,
}

/// A session that was found to be a speaker's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeakerSession {
    /// Daily's participant id; of a track whose participant is unknown, the track.
    pub id: String,
    /// Why this session belongs to this speaker.
    pub why: Belonging,
}

/// Why a session belongs to a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Belonging {
    /// It was the speaker's first.
    First,
    /// It has the user id of the speaker's earlier sessions.
    SameUserId,
    /// Neither has a usable user id, the names are the same, and they were not there at once.
    SameName,
}

/// Everybody who joined, silent ones too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speakers {
    /// By number.
    pub speakers: Vec<Speaker>,
}

impl Speakers {
    /// Finds the speakers of a meeting. `names` are given by hand, for a session's, a user's or a nameless track's id;
    /// they change what people are called, never who is who.
    pub fn of(roster: &Roster, names: &BTreeMap<String, String>) -> Self {
        let mut groups: Vec<Vec<(Session, Belonging)>> = Vec::new();
        for session in roster.sessions() {
            match group_of(&session, &groups) {
                Some((at, why)) => groups[at].push((session, why)),
                None => groups.push(vec![(session, Belonging::First)]),
            }
        }
        let speakers = groups.into_iter().enumerate().map(|(number, group)| speaker(number, &group, names)).collect();
        Self { speakers }
    }

    /// The speaker of each track.
    pub fn by_track(&self) -> BTreeMap<&str, usize> {
        self.speakers.iter().flat_map(|who| who.tracks.iter().map(|track| (track.as_str(), who.speaker))).collect()
    }

    /// The ids under which somebody can be meant, of users and of sessions, and the speaker each means.
    pub fn by_id(&self) -> BTreeMap<&str, usize> {
        self.speakers
            .iter()
            .flat_map(|who| {
                let sessions = who.sessions.iter().map(|session| session.id.as_str());
                sessions.chain([who.id.as_str()]).map(|id| (id, who.speaker))
            })
            .collect()
    }
}

/// The group that `session` joins, among those of sessions that appeared before it.
fn group_of(session: &Session, groups: &[Vec<(Session, Belonging)>]) -> Option<(usize, Belonging)> {
    if session.user_id.is_some() {
        let same = |group: &[(Session, Belonging)]| group.iter().any(|(other, _)| other.user_id == session.user_id);
        return groups.iter().position(|group| same(group)).map(|at| (at, Belonging::SameUserId));
    }
    session.name.as_ref()?;
    groups
        .iter()
        .enumerate()
        .filter(|(_, group)| {
            group.iter().all(|(other, _)| other.user_id.is_none() && other.name == session.name)
                && overlap(session, group) <= LONGEST_OVERLAP_MS
        })
        .max_by_key(|(at, group)| (group.iter().flat_map(|(other, _)| &other.spans).map(|span| span.1).max(), *at))
        .map(|(at, _)| (at, Belonging::SameName))
}

/// Milliseconds for which the session and the group were there at once.
fn overlap(session: &Session, group: &[(Session, Belonging)]) -> i64 {
    let theirs = super::segments::union(group.iter().flat_map(|(other, _)| other.spans.clone()).collect());
    let mine = super::segments::union(session.spans.clone());
    let pairs = mine.iter().flat_map(|a| theirs.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    pairs.fold(0, |sum: i64, (start, end)| sum.saturating_add(end.saturating_sub(start).max(0)))
}

fn speaker(number: usize, group: &[(Session, Belonging)], names: &BTreeMap<String, String>) -> Speaker {
    let sessions = || group.iter().map(|(session, _)| session);
    let by_hand = sessions()
        .flat_map(|session| [Some(&session.id), session.user_id.as_ref()])
        .flatten()
        .find_map(|id| names.get(id).map(|name| name.trim()).filter(|name| !name.is_empty()));
    let name = by_hand.or_else(|| sessions().find_map(|session| session.name.as_deref()));
    let user_id = sessions().find_map(|session| session.user_id.clone());
    let first = sessions().map(|session| session.id.clone()).next();
    Speaker {
        speaker: number,
        id: user_id.or(first).unwrap_or_default(),
        name: name.map_or_else(|| format!("Speaker {}", number + 1), str::to_owned),
        sessions: group.iter().map(|(session, why)| SpeakerSession { id: session.id.clone(), why: *why }).collect(),
        tracks: sessions().flat_map(|session| session.tracks.clone()).collect(),
    }
}

#[cfg(test)]
#[path = "speakers_tests.rs"]
mod tests;
