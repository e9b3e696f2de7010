//! What the world is told when a run is over: the result webhook's JSON and the chat message. Pure functions of the
//! transcript; sending, retrying and signing are somebody else's. Neither holds words or URLs: a receiver asks the API.

use serde::Serialize;
use uuid::Uuid;

use super::export::{escape_markdown, harmless_markdown, one_line};
use super::time::{self, clock_face};
use super::{ActionItem, AudioInfo, Participant, Status, Topic, TranscriptDocument};
use crate::ids::{RecordingId, RunId, TranscriptId};

/// The namespace of event ids.
const EVENTS: Uuid = Uuid::from_u128(0x0b8e_0f7c_2f6d_4d3a_8c51_91d9_47ba_5e20);

/// The body of the result webhook.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultEvent {
    /// The same for every delivery of the same result, also when the task that sends it runs twice.
    pub event_id: Uuid,
    /// `transcript.ended` or `transcript.error`.
    pub event: &'static str,
    /// The transcript.
    pub transcript_id: TranscriptId,
    /// Daily's recording.
    pub recording_id: Option<RecordingId>,
    /// The room.
    pub room_name: Option<String>,
    /// Where the transcript stands.
    pub status: Status,
    /// What the meeting was about.
    pub title: String,
    /// ISO 639-1.
    pub language: String,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub duration: f64,
    /// All who joined.
    pub participants: Vec<EventParticipant>,
    /// Keys relative to the transcript's prefix; whoever may read them signs URLs when they are used.
    pub links: Links,
}

/// Somebody who joined.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventParticipant {
    /// As in the transcript.
    pub id: String,
    /// As in the transcript.
    pub name: String,
    /// Seconds.
    #[serde(serialize_with = "time::serialize")]
    pub talk_time: f64,
}

/// Where the results are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Links {
    /// The API's path.
    pub transcript: String,
    /// The mixdown's key; null when consent was denied.
    pub audio: Option<String>,
}

/// Where a result came from, as far as the transcript does not say it itself.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The run that published the result.
    pub run: &'a RunId,
    /// Daily's recording.
    pub recording: Option<&'a RecordingId>,
    /// The room.
    pub room: Option<&'a str>,
}

impl ResultEvent {
    /// The event that tells of `document` as `origin.run` left it.
    pub fn of(document: &TranscriptDocument, origin: Origin<'_>) -> Self {
        let event = if document.status == Status::Error { "transcript.error" } else { "transcript.ended" };
        let participant = |who: &Participant| EventParticipant {
            id: who.id.clone(),
            name: who.name.clone(),
            talk_time: who.talk_time,
        };
        Self {
            event_id: event_id(&document.id, origin.run, event),
            event,
            transcript_id: document.id.clone(),
            recording_id: origin.recording.cloned(),
            room_name: origin.room.map(str::to_owned),
            status: document.status,
            title: document.title.clone(),
            language: document.language.clone(),
            duration: document.duration,
            participants: document.participants.iter().map(participant).collect(),
            links: Links {
                transcript: format!("/v1/transcripts/{}", document.id),
                audio: document.audio.as_ref().map(|AudioInfo { key, .. }| key.clone()),
            },
        }
    }
}

/// A new run's result is a new event; the same result sent again is not.
fn event_id(transcript: &TranscriptId, run: &RunId, event: &str) -> Uuid {
    // Ids hold no control characters, so no other three make the same text.
    Uuid::new_v5(&EVENTS, format!("{transcript}\n{run}\n{event}").as_bytes())
}

/// A chat message, within Zulip's limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatMessage {
    /// At most 60 characters.
    pub topic: String,
    /// Markdown, under 10,000 characters.
    pub content: String,
}

const LONGEST_TOPIC: usize = 60;
/// Zulip cuts at 10,000 characters; ours stop before, at the end of a line, and say so.
const LONGEST_CONTENT: usize = 9_900;
const CUT: &str = "\n\n*(shortened)*";

impl ChatMessage {
    /// The message that tells of `document`. The topic is the room's name where there is one, so that a room's meetings
    /// stand together, else the title.
    pub fn of(document: &TranscriptDocument, room: Option<&str>) -> Self {
        let topic = [room.unwrap_or_default(), &document.title, "Meeting"]
            .into_iter()
            .map(one_line)
            .find(|topic| !topic.is_empty())
            .unwrap_or_default();
        let title =
            [escape_markdown(&document.title), "Meeting".to_owned()].into_iter().find(|title| !title.is_empty());
        let mut blocks = vec![format!("**{}** ({})", title.unwrap_or_default(), clock_face(document.duration))];
        let names: Vec<String> = document.participants.iter().map(talk).collect();
        if !names.is_empty() {
            blocks.push(format!("With {}", names.join(", ")));
        }
        blocks.push(harmless_markdown(document.short_summary.trim()));
        blocks.push(list("Topics", document.topics.iter().map(topic_line)));
        blocks.push(list("Decisions", document.action_items.decisions.iter().map(|said| escape_markdown(said))));
        blocks.push(list("Next steps", document.action_items.next_steps.iter().map(step_line)));
        let unread = document.incomplete_tracks.len();
        if unread > 0 {
            blocks.push(format!("{unread} of the tracks could not be used whole."));
        }
        blocks.retain(|block| !block.is_empty());
        Self {
            topic: topic.chars().take(LONGEST_TOPIC).collect::<String>().trim_end().to_owned(),
            content: within_limit(&wake_nobody(&blocks.join("\n\n"))),
        }
    }
}

fn talk(participant: &Participant) -> String {
    format!("{} ({})", escape_markdown(&participant.name), clock_face(participant.talk_time))
}

fn topic_line(topic: &Topic) -> String {
    format!("{} {}", clock_face(topic.start), escape_markdown(&topic.title))
}

fn step_line(item: &ActionItem) -> String {
    let said = [&item.assignee, &item.deadline].into_iter().flatten().map(|text| escape_markdown(text));
    let said = said.collect::<Vec<_>>().join(", ");
    let task = escape_markdown(&item.task);
    if said.is_empty() { task } else { format!("{task} ({said})") }
}

fn list(heading: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.map(|line| format!("* {line}")).collect();
    if lines.is_empty() { String::new() } else { format!("**{heading}**\n{}", lines.join("\n")) }
}

/// Mentions (`@**all**`) and links to channels (`#**general**`) become text: a meeting's words must not ring phones.
fn wake_nobody(markdown: &str) -> String {
    markdown.replace('@', "@\u{200B}").replace("#**", "#\u{200B}**")
}

fn within_limit(content: &str) -> String {
    let Some((end, _)) = content.char_indices().nth(LONGEST_CONTENT) else {
        return content.to_owned();
    };
    let kept = &content[..end];
    let kept = kept.rsplit_once('\n').map_or(kept, |(lines, _)| lines);
    format!("{}{CUT}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::export::fixtures;

    fn run(id: &str) -> RunId {
        id.parse().unwrap()
    }

    #[test]
    fn the_webhook_tells_of_the_result_without_words_and_urls() {
        let (run, recording) = (run("run-1"), "rec-1".parse().unwrap());
        let origin = Origin { run: &run, recording: Some(&recording), room: Some("standup") };
        let event = serde_json::to_value(ResultEvent::of(&fixtures::small(), origin)).unwrap();
        let expected = serde_json::json!({
            "event_id": event["event_id"],
            "event": "transcript.ended",
            "transcript_id": "0193-empty",
            "recording_id": "rec-1",
            "room_name": "standup",
            "status": "ended",
            "title": "Release & database",
            "language": "en",
            "duration": 3725.5,
            "participants": [
                {"id": "user-0", "name": "Alice", "talk_time": 2.6},
                {"id": "user-1", "name": "Bob", "talk_time": 1.0},
                {"id": "user-2", "name": "Carol", "talk_time": 0.0},
            ],
            "links": {"transcript": "/v1/transcripts/0193-empty", "audio": "audio.mp3"},
        });
        assert_eq!(event, expected);
        assert!(!event.to_string().contains("http") && !event.to_string().contains("Hello"));
    }

    #[test]
    fn u9_the_event_id_is_the_same_on_each_send_and_another_for_another_run() {
        let id = |run: &str, status| {
            let run = self::run(run);
            let document = TranscriptDocument { status, ..fixtures::small() };
            ResultEvent::of(&document, Origin { run: &run, recording: None, room: None }).event_id
        };
        assert_eq!(id("run-1", Status::Ended), id("run-1", Status::Ended));
        assert_ne!(id("run-1", Status::Ended), id("run-2", Status::Ended));
        assert_ne!(id("run-1", Status::Ended), id("run-1", Status::Error));
    }

    #[test]
    fn the_message_is_short_and_complete() {
        let message = ChatMessage::of(&fixtures::small(), Some("standup"));
        let expected = "**Release &amp; database** (1:02:05)\n\nWith Alice (0:02), Bob (0:01), Carol (0:00)\n\n\
            The **release** is done.\n\n**Topics**\n* 0:00 Release\n\n**Decisions**\n* We ship on Friday.\n\n\
            **Next steps**\n* Test the backup (Bob, by Friday)\n\n1 of the tracks could not be used whole.";
        assert_eq!(message, ChatMessage { topic: "standup".to_owned(), content: expected.to_owned() });
        assert_eq!(ChatMessage::of(&fixtures::small(), None).topic, "Release & database");
        assert_eq!(ChatMessage::of(&fixtures::empty(), Some(" ")).topic, "Meeting");
    }

    #[test]
    fn a_message_wakes_nobody_and_hides_nothing() {
        let mut document = fixtures::hostile();
        document.title = "@**all** and #**general** \u{202E}".repeat(9);
        document.short_summary = "@**everyone** see #**general>x** @_**Bob|1**".to_owned();
        let message = ChatMessage::of(&document, None);
        for forbidden in ["@*", "@_", "@\\", "#**", "\u{202E}", "<"] {
            assert!(!message.content.contains(forbidden), "{forbidden}: {}", message.content);
        }
        assert_eq!(message.topic.chars().count(), LONGEST_TOPIC);
    }

    #[test]
    fn a_long_message_stays_under_zulips_limit_ends_with_a_whole_line_and_says_so() {
        let mut document = fixtures::small();
        document.action_items.decisions = vec!["wörd ".repeat(20); 300];
        let content = ChatMessage::of(&document, None).content;
        assert!(content.chars().count() < 10_000, "{}", content.chars().count());
        assert!(content.ends_with(CUT));
        assert!(content.trim_end_matches(CUT).ends_with("wörd"));
    }
}
