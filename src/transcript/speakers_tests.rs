//! Who is one person and who is two.

use proptest::prelude::*;

use super::*;
use crate::transcript::roster::{SpeechTrack, Stay};

const NEW_YEAR: f64 = 1_767_225_600.0;

fn stay(session: &str, user_id: Option<&str>, name: Option<&str>, joined: f64, duration: f64) -> Stay {
    Stay {
        session: session.parse().unwrap(),
        user_id: user_id.map(str::to_owned),
        name: name.map(str::to_owned),
        joined: Some(NEW_YEAR + joined),
        duration: Some(duration),
    }
}

fn track(track: &str, session: Option<&str>, start: f64) -> SpeechTrack {
    SpeechTrack { track: track.to_owned(), session: session.map(|id| id.parse().unwrap()), start }
}

fn speakers(stays: Vec<Stay>, tracks: Vec<SpeechTrack>) -> Speakers {
    Speakers::of(&Roster { recording_start: NEW_YEAR, stays, tracks }, &BTreeMap::new())
}

/// `name: session session | name: session`, with the reason for each but the first.
fn shown(speakers: &Speakers) -> String {
    let person = |who: &Speaker| {
        let sessions: Vec<String> = who
            .sessions
            .iter()
            .map(|session| match session.why {
                Belonging::First => session.id.clone(),
                Belonging::SameUserId => format!("{}=user", session.id),
                Belonging::SameName => format!("{}=name", session.id),
            })
            .collect();
        format!("{}: {}", who.name, sessions.join(" "))
    };
    speakers.speakers.iter().map(person).collect::<Vec<_>>().join(" | ")
}

#[test]
fn the_same_user_id_is_one_person_whatever_the_name_and_even_at_once() {
    let found = speakers(
        vec![
            stay("s1", Some("u"), Some("Bob"), 0.0, 100.0),
            stay("s2", Some("u"), Some("Bob (phone)"), 50.0, 100.0),
            stay("s3", Some("v"), Some("Bob"), 60.0, 10.0),
        ],
        vec![],
    );
    assert_eq!(shown(&found), "Bob: s1 s2=user | Bob: s3");
    assert_eq!(found.speakers[0].id, "u");
}

#[test]
fn a_user_id_that_is_null_empty_or_the_sessions_own_is_none() {
    let found = speakers(
        vec![
            stay("s1", Some("s1"), Some("Dave"), 0.0, 10.0),
            stay("s2", Some(" "), Some(" Dave "), 12.0, 10.0),
            stay("s3", None, Some("Dave"), 30.0, 10.0),
            stay("s4", Some("u"), Some("Dave"), 50.0, 10.0),
        ],
        vec![],
    );
    assert_eq!(shown(&found), "Dave: s1 s2=name s3=name | Dave: s4");
    assert_eq!(found.speakers[0].id, "s1");
}

#[test]
fn guests_of_one_name_who_are_there_at_once_are_two_and_an_overlap_of_two_seconds_is_none() {
    let guests = |second| vec![stay("a", None, Some("Guest"), 0.0, 20.0), stay("b", None, Some("Guest"), second, 20.0)];
    assert_eq!(shown(&speakers(guests(17.999), vec![])), "Guest: a | Guest: b");
    assert_eq!(shown(&speakers(guests(18.0), vec![])), "Guest: a b=name");
}

#[test]
fn a_guest_joins_the_group_that_ended_last() {
    let found = speakers(
        vec![
            stay("a", None, Some("Guest"), 0.0, 30.0),
            stay("b", None, Some("Guest"), 5.0, 10.0),
            stay("c", None, Some("Guest"), 40.0, 10.0),
            stay("d", None, Some("Guest"), 45.0, 10.0),
        ],
        vec![],
    );
    assert_eq!(shown(&found), "Guest: a c=name | Guest: b d=name");
}

#[test]
fn nobody_without_a_name_is_joined_to_anybody() {
    let found = speakers(vec![stay("a", None, None, 0.0, 1.0), stay("b", None, Some(""), 5.0, 1.0)], vec![]);
    assert_eq!(shown(&found), "Speaker 1: a | Speaker 2: b");
}

#[test]
fn two_stays_of_one_session_are_one_session() {
    let found = speakers(
        vec![
            stay("s", None, Some("Bob"), 20.0, 5.0),
            stay("s", None, None, 0.0, 5.0),
            stay("t", None, Some("Bob"), 8.0, 5.0),
        ],
        vec![track("two", Some("s"), 21.0), track("one", Some("s"), 1.0)],
    );
    assert_eq!(shown(&found), "Bob: s t=name", "the other call fits between the two stays");
    assert_eq!(found.speakers[0].tracks, ["one", "two"]);
}

#[test]
fn u5_u6_tracks_belong_to_speakers_by_session_however_the_lists_are_ordered() {
    let found = speakers(
        vec![
            stay("carol", Some("c"), Some("Carol"), 21.0, 50.0),
            stay("silent", Some("s"), Some("Silent"), 0.0, 70.0),
            stay("bob", Some("b"), Some("Bob"), 2.0, 70.0),
            stay("alice", Some("a"), Some("Alice"), 1.0, 70.0),
        ],
        vec![track("t0", Some("bob"), 2.5), track("t1", Some("carol"), 21.3), track("t2", Some("alice"), 1.1)],
    );
    assert_eq!(shown(&found), "Silent: silent | Alice: alice | Bob: bob | Carol: carol");
    assert_eq!(found.by_track(), BTreeMap::from([("t0", 2), ("t1", 3), ("t2", 1)]));
    assert_eq!(found.by_id()["b"], 2);
}

#[test]
fn who_joined_within_one_second_is_told_apart_by_the_exact_time_of_the_first_track() {
    let found = speakers(
        vec![stay("late", None, Some("L"), 1.0, 9.0), stay("early", None, Some("E"), 1.9, 9.0)],
        vec![track("a", Some("late"), 1.95), track("b", Some("early"), 1.92)],
    );
    assert_eq!(shown(&found), "E: early | L: late");
}

#[test]
fn unknown_participants_are_speakers_of_their_own() {
    let found = speakers(
        vec![stay("alice", None, Some("Alice"), 0.0, 9.0)],
        vec![
            track("odd.webm", None, 3.0),
            track("x1", Some("stranger"), 5.0),
            track("x0", Some("stranger"), 4.0),
            track("other.webm", None, 6.0),
        ],
    );
    assert_eq!(shown(&found), "Alice: alice | Speaker 2: odd.webm | Speaker 3: stranger | Speaker 4: other.webm");
    assert_eq!(found.speakers[2].tracks, ["x0", "x1"]);
}

#[test]
fn a_name_given_by_hand_renames_the_person_and_joins_nobody() {
    let roster = Roster {
        recording_start: NEW_YEAR,
        stays: vec![
            stay("s1", Some("u"), Some("Bob"), 0.0, 5.0),
            stay("s2", Some("u"), Some("Bob"), 9.0, 5.0),
            stay("s3", None, Some("Dave"), 10.0, 5.0),
            stay("s4", None, Some("Dave"), 20.0, 5.0),
            stay("s5", None, None, 30.0, 5.0),
        ],
        tracks: vec![],
    };
    let named = |names: &[(&str, &str)]| {
        shown(&Speakers::of(&roster, &names.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()))
    };
    assert_eq!(
        named(&[("u", "Robert"), ("s4", "David"), ("s5", "Dave"), ("nobody", "X")]),
        "Robert: s1 s2=user | David: s3 s4=name | Dave: s5"
    );
    assert_eq!(named(&[("s2", "Rob")]), "Rob: s1 s2=user | Dave: s3 s4=name | Speaker 3: s5");
}

#[test]
fn unknown_lengths_last_to_the_end_and_unknown_times_come_last() {
    let open = Stay { duration: None, ..stay("a", None, Some("Guest"), 0.0, 0.0) };
    let timeless = Stay { joined: None, ..stay("c", None, Some("Zoe"), 0.0, 0.0) };
    let found = speakers(vec![timeless, open, stay("b", None, Some("Guest"), 50.0, 5.0)], vec![]);
    assert_eq!(shown(&found), "Guest: a | Guest: b | Zoe: c");
}

prop_compose! {
    fn any_stay()(session in 0_u8..6, user in 0_u8..4, name in 0_u8..3, joined in 0_u8..40, length in 0_u8..40) -> Stay {
        let user = match user { 0 => None, 1 => Some(format!("s{session}")), n => Some(format!("u{n}")) };
        let name = ["", "Ann", "Bob"][usize::from(name)];
        stay(&format!("s{session}"), user.as_deref(), Some(name), f64::from(joined), f64::from(length))
    }
}

proptest! {
    #[test]
    fn the_order_of_rows_and_tracks_changes_nothing_and_everybody_is_exactly_one_speaker(
        (stays, shuffled) in prop::collection::vec(any_stay(), 0..10)
            .prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        owners in prop::collection::vec(prop::option::of(0_u8..8), 0..8),
    ) {
        let tracks: Vec<SpeechTrack> = owners.iter().enumerate().map(|(at, owner)| {
            track(&format!("t{at}"), owner.map(|owner| format!("s{owner}")).as_deref(), at as f64)
        }).collect();
        let found = speakers(stays.clone(), tracks.clone());
        prop_assert_eq!(&found, &speakers(shuffled, tracks.iter().rev().cloned().collect()));

        let mut sessions: Vec<&str> =
            found.speakers.iter().flat_map(|who| &who.sessions).map(|session| session.id.as_str()).collect();
        let all = sessions.len();
        sessions.sort_unstable();
        sessions.dedup();
        prop_assert_eq!(sessions.len(), all);
        prop_assert!(stays.iter().all(|stay| sessions.contains(&stay.session.as_str())));
        prop_assert_eq!(found.by_track().len(), tracks.len());
        prop_assert!(found.speakers.iter().enumerate().all(|(at, who)| who.speaker == at && !who.name.is_empty()));
    }
}
