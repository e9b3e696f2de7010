//! Markdown for people: what the meeting was about, what follows from it, and the transcript with times.

use std::fmt::Write as _;

use super::turns::turns;
use super::{name_of, one_line};
use crate::transcript::time::clock_face;
use crate::transcript::{ActionItem, TranscriptDocument};

/// Title, participants with talk time, summaries, topics, action items, incomplete tracks, transcript.
pub fn to_markdown(document: &TranscriptDocument) -> String {
    let mut text = String::new();
    let title = escape(&document.title);
    let title = if title.is_empty() { "Meeting" } else { &title };
    let _ = writeln!(text, "# {title}\n\nDuration {}", clock_face(document.duration));
    section(
        &mut text,
        "Participants",
        document.participants.iter().map(|participant| {
            let name = escape(&name_of(document, participant.speaker));
            format!("- **{name}**, {} of talk", clock_face(participant.talk_time))
        }),
    );
    let summaries = [&document.short_summary, &document.long_summary];
    let summaries: Vec<String> =
        summaries.iter().map(|summary| harmless(summary.trim())).filter(|summary| !summary.is_empty()).collect();
    section(&mut text, "Summary", (!summaries.is_empty()).then(|| summaries.join("\n\n")));
    section(
        &mut text,
        "Topics",
        document.topics.iter().map(|topic| {
            let (title, summary) = (escape(&topic.title), escape(&topic.summary));
            let until = clock_face(topic.start + topic.duration);
            format!("- **{title}** ({}–{until}): {summary}", clock_face(topic.start))
        }),
    );
    section(&mut text, "Decisions", document.action_items.decisions.iter().map(|said| format!("- {}", escape(said))));
    section(
        &mut text,
        "Next steps",
        document.action_items.next_steps.iter().map(|item| format!("- {}", next_step(item))),
    );
    section(
        &mut text,
        "Incomplete tracks",
        document.incomplete_tracks.iter().map(|track| format!("- {}: {}", escape(&track.track), escape(&track.reason))),
    );
    let paragraphs: Vec<String> = turns(document)
        .iter()
        .map(|turn| format!("**{}** ({}): {}", escape(&turn.name), clock_face(turn.start), escape(&turn.text)))
        .collect();
    section(&mut text, "Transcript", (!paragraphs.is_empty()).then(|| paragraphs.join("\n\n")));
    text
}

/// A heading with its lines, or nothing where there are none.
fn section(text: &mut String, heading: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_some() {
        let _ = writeln!(text, "\n## {heading}\n");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
}

/// `Test the backup (Bob, by Friday)`, escaped.
fn next_step(item: &ActionItem) -> String {
    let said: Vec<String> = [&item.assignee, &item.deadline].into_iter().flatten().map(|text| escape(text)).collect();
    let task = escape(&item.task);
    if said.is_empty() { task } else { format!("{task} ({})", said.join(", ")) }
}

/// Text from outside as Markdown that shows just that text, on one line.
pub(in crate::transcript) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Markdown from outside (a summary that a model wrote) without what could do harm where it is rendered: no HTML, and
/// links only to the web and to mail.
pub(in crate::transcript) fn harmless(markdown: &str) -> String {
    let kept: String = markdown.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let mut out = String::with_capacity(kept.len());
    let mut rest = kept.as_str();
    while let Some(at) = rest.find(['<', ']']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        if found.starts_with('<') {
            out.push_str("&lt;");
        } else if leads_astray(&found[1..]) {
            // With a space between them they are no link. (A backslash could meet another one.)
            out.push_str("] ");
        } else {
            out.push(']');
        }
        rest = &found[1..];
    }
    out.push_str(rest);
    out
}

/// Whether what follows a `]` is a link's target, or its definition, of another scheme than http, https or mailto.
fn leads_astray(after: &str) -> bool {
    let Some(target) = after.strip_prefix(['(', ':']) else {
        return false;
    };
    let target = target.trim_start().to_ascii_lowercase();
    !["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn the_sections_come_in_the_order_in_which_people_read() {
        let expected = "# Release &amp; database\n\nDuration 1:02:05\n\n## Participants\n\n- **Alice**, 0:02 of talk\n\
            - **Bob**, 0:01 of talk\n- **Carol**, 0:00 of talk\n\n## Summary\n\nThe **release** is done.\n\n### Release\n\n- done\n\n\
            ## Topics\n\n- **Release** (0:00–0:05): The release is done.\n\n## Decisions\n\n- We ship on Friday.\n\n\
            ## Next steps\n\n- Test the backup (Bob, by Friday)\n\n## Incomplete tracks\n\n- d/r/x: it is empty\n\n\
            ## Transcript\n\n**Alice** (0:00): Hello Bob.\n\n**Bob** (0:01): Hi!\n\n\
            **Alice** (0:03): The release is done. Any questions?\n\n**Bob** (1:02:03): No.\n";
        assert_eq!(to_markdown(&fixtures::small()), expected);
    }

    #[test]
    fn links_that_lead_elsewhere_than_to_the_web_are_no_links() {
        let table = [
            ("[a](javascript:x)", "[a] (javascript:x)"),
            ("[a\\](javascript:x)", "[a\\] (javascript:x)"),
            ("[a]( <javascript:x>)", "[a] ( &lt;javascript:x>)"),
            ("[a]: data:x", "[a] : data:x"),
            ("[a](HTTPS://b.org) [c] mailto", "[a](HTTPS://b.org) [c] mailto"),
            ("> quote\n- [x] done", "> quote\n- [x] done"),
        ];
        for (from, to) in table {
            assert_eq!(harmless(from), to);
        }
    }

    #[test]
    fn nothing_from_outside_becomes_html_a_link_or_a_heading() {
        let markdown = to_markdown(&fixtures::hostile());
        assert!(!markdown.contains('<') && !markdown.replace("\\]", "").contains("](javascript"), "{markdown}");
        assert!(
            markdown.contains("\\[B\\](javascript:x)") && markdown.contains("[b](https://example.com)"),
            "{markdown}"
        );
        assert_eq!(markdown.lines().filter(|line| line.starts_with("# ")).count(), 1);
    }
}
