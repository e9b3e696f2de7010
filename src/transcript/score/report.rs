//! A score as a table for people.

use std::fmt;

use super::{PairedBy, Score, WordErrors};
use crate::transcript::export::one_line;

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, words: &WordErrors, note: &str) -> fmt::Result {
    let WordErrors { error_rate, reference, correct, substitutions, deletions, insertions, .. } = words;
    let rate = percent(*error_rate);
    let line = format!(
        "{name:<28} {rate:>8} {reference:>7} {correct:>8} {substitutions:>6} {deletions:>8} {insertions:>9}  {note}"
    );
    writeln!(f, "{}", line.trim_end())
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>8} {:>7} {:>8} {:>6} {:>8} {:>9}",
            "speaker", "WER", "words", "correct", "wrong", "missing", "too many"
        )?;
        for speaker in &self.speakers {
            let name = speaker.reference.as_deref().or(speaker.hypothesis.as_deref()).unwrap_or_default();
            let name: String = one_line(name).chars().take(28).collect();
            let note = match (&speaker.reference, &speaker.hypothesis, speaker.paired_by) {
                (_, Some(other), Some(PairedBy::Time)) => format!("is {} there (paired by time)", one_line(other)),
                (Some(_), None, _) => "is nobody there".to_owned(),
                (None, _, _) => "is nobody in the truth".to_owned(),
                _ => String::new(),
            };
            row(f, &name, &speaker.words, &note)?;
        }
        row(f, "all", &self.words, "")?;

        let attribution = &self.attribution;
        writeln!(
            f,
            "\nspeaker attribution  {} ({} of {} recognised words on the right speaker)",
            percent(attribution.accuracy),
            attribution.right,
            attribution.right + attribution.wrong
        )?;
        let diarization = &self.diarization;
        writeln!(
            f,
            "diarization error    {} (missed {:.3} s, false alarm {:.3} s, confusion {:.3} s, of {:.3} s; collar {:.3} s)",
            percent(diarization.error_rate),
            diarization.missed,
            diarization.false_alarm,
            diarization.confusion,
            diarization.reference_speech,
            diarization.collar
        )?;
        match &self.word_start_error {
            Some(error) => writeln!(
                f,
                "word starts          median {:.3} s, 90 % within {:.3} s ({} words)",
                error.median, error.p90, error.words
            ),
            None => writeln!(f, "word starts          no word in common"),
        }
    }
}
