//! WebVTT (<https://www.w3.org/TR/webvtt1/>) and SubRip. One cue per segment; overlapping cues are allowed in both, and
//! players show them together.

use std::fmt::Write as _;

use super::{name_of, one_line};
use crate::transcript::time::to_millis;
use crate::transcript::{Segment, TranscriptDocument};

/// WebVTT with voice tags (`<v Alice>Hello.`).
pub fn to_vtt(document: &TranscriptDocument) -> String {
    let mut text = String::from("WEBVTT\n");
    for cue in cues(document) {
        let (start, end) = (stamp(cue.start, '.'), stamp(cue.end, '.'));
        // Neither a voice nor a cue's text may hold these three; with them escaped no `-->` is left either.
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (name, said) = (escape(&cue.name), escape(&cue.text));
        let _ = write!(text, "\n{start} --> {end}\n<v {name}>{said}\n");
    }
    text
}

/// SubRip, each cue `Name: text`.
pub fn to_srt(document: &TranscriptDocument) -> String {
    let mut text = String::new();
    for (at, cue) in cues(document).into_iter().enumerate() {
        let (start, end) = (stamp(cue.start, ','), stamp(cue.end, ','));
        // The format has no escapes, but players read HTML tags and `{\…}` commands: look-alikes take their place.
        let tame = |text: &str| text.replace('<', "‹").replace('>', "›").replace("{\\", "{ \\");
        let (name, said) = (tame(&cue.name), tame(&cue.text));
        let gap = if at == 0 { "" } else { "\n" };
        let _ = write!(text, "{gap}{}\n{start} --> {end}\n{name}: {said}\n", at + 1);
    }
    text
}

/// Milliseconds.
struct Cue {
    start: i64,
    end: i64,
    name: String,
    text: String,
}

/// Cues in order of their starts, each at least 1 ms long and with text: what strict readers ask for.
fn cues(document: &TranscriptDocument) -> Vec<Cue> {
    let cue = |segment: &Segment| {
        let text = one_line(&segment.text);
        let start = to_millis(segment.start).max(0);
        let end = to_millis(segment.end).max(start + 1);
        (!text.is_empty()).then(|| Cue { start, end, name: name_of(document, segment.speaker), text })
    };
    let mut cues: Vec<Cue> = document.segments.iter().filter_map(cue).collect();
    cues.sort_by_key(|cue| cue.start);
    cues
}

fn stamp(millis: i64, point: char) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}{point}{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn webvtt_has_a_voice_for_each_cue() {
        let vtt = to_vtt(&fixtures::small());
        let start = "WEBVTT\n\n00:00:00.300 --> 00:00:01.900\n<v Alice>Hello Bob.\n\n00:00:01.500 --> 00:00:02.500\n<v Bob>Hi!\n";
        assert!(vtt.starts_with(start), "{vtt}");
        assert!(vtt.ends_with("\n\n01:02:03.250 --> 01:02:04.000\n<v Bob>No.\n"), "{vtt}");
    }

    #[test]
    fn subrip_numbers_its_cues_from_one() {
        let srt = to_srt(&fixtures::small());
        let start =
            "1\n00:00:00,300 --> 00:00:01,900\nAlice: Hello Bob.\n\n2\n00:00:01,500 --> 00:00:02,500\nBob: Hi!\n\n3\n";
        assert!(srt.starts_with(start), "{srt}");
    }

    #[test]
    fn hostile_names_and_texts_stay_text() {
        let (vtt, srt) = (to_vtt(&fixtures::hostile()), to_srt(&fixtures::hostile()));
        assert!(vtt.contains("<v &lt;script&gt;alert(1)&lt;/script&gt; SPEAKER x --&gt; *A* &amp; [B]"), "{vtt}");
        assert!(vtt.contains("&lt;/v&gt;&lt;c.x&gt; &amp;amp; {\\an8}"), "{vtt}");
        assert_eq!(vtt.matches("-->").count(), 5);
        assert_eq!(srt.matches("-->").count(), 5);
        assert!(!srt.contains('<') && !srt.contains("{\\") && !srt.contains('\u{1b}'), "{srt}");
    }
}
