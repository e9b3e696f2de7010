//! Documents that the exports' tests write out.

use crate::transcript::{
    ActionItem, ActionItems, AudioInfo, Backends, IncompleteTrack, Participant, Segment, Status, Topic,
    TranscriptDocument, Word,
};

pub(in crate::transcript) fn empty() -> TranscriptDocument {
    TranscriptDocument {
        schema_version: 1,
        id: "0193-empty".parse().unwrap(),
        title: String::new(),
        status: Status::Ended,
        language: "en".to_owned(),
        backends: Backends { speech: "none".to_owned(), language: "extractive".to_owned() },
        duration: 0.0,
        participants: vec![],
        words: vec![],
        segments: vec![],
        topics: vec![],
        short_summary: String::new(),
        long_summary: String::new(),
        action_items: ActionItems::default(),
        incomplete_tracks: vec![],
        audio: None,
    }
}

fn participant(speaker: usize, name: &str, talk_time: f64) -> Participant {
    Participant {
        id: format!("user-{speaker}"),
        name: name.to_owned(),
        speaker,
        talk_time,
        sessions: vec![format!("s{speaker}")],
    }
}

pub(in crate::transcript) fn segment(speaker: usize, start: f64, end: f64, text: &str) -> Segment {
    Segment { speaker, start, end, text: text.to_owned() }
}

/// Two speakers who overlap, and a silent one.
pub(in crate::transcript) fn small() -> TranscriptDocument {
    TranscriptDocument {
        title: "Release & database".to_owned(),
        duration: 3725.5,
        participants: vec![participant(0, "Alice", 2.6), participant(1, "Bob", 1.0), participant(2, "Carol", 0.0)],
        words: vec![Word { text: "Hello".to_owned(), start: 0.1 + 0.2, end: 1.0, speaker: 0, probability: 0.987_654 }],
        segments: vec![
            segment(0, 0.3, 1.9, "Hello Bob."),
            segment(1, 1.5, 2.5, "Hi!"),
            segment(0, 3.0, 4.0, "The release is done."),
            segment(0, 4.2, 5.0, "Any questions?"),
            segment(1, 3723.25, 3724.0, "No."),
        ],
        topics: vec![Topic {
            title: "Release".to_owned(),
            summary: "The release is done.".to_owned(),
            start: 0.3,
            duration: 4.7,
        }],
        short_summary: "The **release** is done.".to_owned(),
        long_summary: "### Release\n\n- done".to_owned(),
        action_items: ActionItems {
            decisions: vec!["We ship on Friday.".to_owned()],
            next_steps: vec![ActionItem {
                task: "Test the backup".to_owned(),
                assignee: Some("Bob".to_owned()),
                deadline: Some("by Friday".to_owned()),
            }],
        },
        incomplete_tracks: vec![IncompleteTrack { track: "d/r/x".to_owned(), reason: "it is empty".to_owned() }],
        audio: Some(AudioInfo { key: "audio.mp3".to_owned(), duration: 3725.5 }),
        ..empty()
    }
}

/// Names and texts that mean something in one format or another.
pub(in crate::transcript) fn hostile() -> TranscriptDocument {
    let name = "<script>alert(1)</script>\n\nSPEAKER x --> *A* & [B](javascript:x)";
    let text = "a --> b\n\n2\n00:00:01,000 --> 00:00:02,000 </v><c.x> &amp; {\\an8} `_*# \u{1b}[31m ";
    let mut document = small();
    document.title = name.to_owned();
    document.participants[0].name = name.to_owned();
    document.participants[1].name = name.to_owned();
    document.participants[2].name = " ".to_owned();
    document.segments[0].text = text.to_owned();
    // Times that nobody should hand over, but a reader must not choke on.
    document.segments[1].end = 1.0;
    document.segments[2].start = 0.5;
    document.short_summary =
        "<img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://example.com)".to_owned();
    document.topics[0].title = name.to_owned();
    document.action_items.next_steps[0].task = text.to_owned();
    document
}
