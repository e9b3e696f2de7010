//! RTTM, the format in which diarization is exchanged and scored (NIST, Rich Transcription 2009 evaluation plan,
//! appendix A): `SPEAKER file channel start duration <NA> <NA> name <NA> <NA>`.

use std::fmt::Write as _;

use super::{name_of, one_line};
use crate::transcript::TranscriptDocument;
use crate::transcript::time::to_millis;

/// One line per segment. Names have no blanks, and two speakers never share one.
pub fn to_rttm(document: &TranscriptDocument) -> String {
    let mut text = String::new();
    let file = blankless(document.id.as_str());
    for segment in &document.segments {
        let (start, end) = (to_millis(segment.start).max(0), to_millis(segment.end));
        if end <= start {
            continue;
        }
        let name = unique_name(document, segment.speaker);
        let (start, duration) = (seconds(start), seconds(end - start));
        let _ = writeln!(text, "SPEAKER {file} 1 {start} {duration} <NA> <NA> {name} <NA> <NA>");
    }
    text
}

fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn blankless(text: &str) -> String {
    one_line(text).replace(' ', "_")
}

/// The name, with the speaker's number behind it where somebody else is written the same.
fn unique_name(document: &TranscriptDocument, speaker: usize) -> String {
    let name = blankless(&name_of(document, speaker));
    let mut others = document.participants.iter().map(|other| other.speaker).filter(|other| *other != speaker);
    if others.any(|other| blankless(&name_of(document, other)) == name) {
        format!("{name}#{}", speaker + 1)
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;

    #[test]
    fn each_segment_is_one_line_of_ten_fields() {
        let rttm = to_rttm(&fixtures::small());
        assert!(rttm.starts_with("SPEAKER 0193-empty 1 0.300 1.600 <NA> <NA> Alice <NA> <NA>\n"), "{rttm}");
        assert_eq!(rttm.lines().count(), 5);
    }

    #[test]
    fn two_people_of_one_name_stay_two_and_blanks_make_no_fields() {
        let rttm = to_rttm(&fixtures::hostile());
        let names: std::collections::BTreeSet<&str> = rttm
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                assert_eq!(fields.len(), 10, "{line}");
                assert!(fields[3].parse::<f64>().unwrap() >= 0.0 && fields[4].parse::<f64>().unwrap() > 0.0);
                fields[7]
            })
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}
