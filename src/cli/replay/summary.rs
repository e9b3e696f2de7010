//! What people read at the end.

use std::io::{self, Write as _};

use serde_json::json;

use super::exports::Exported;
use super::house::Replay;
use crate::failure::FailureClass;
use crate::ids::RunId;
use crate::transcript::{TranscriptDocument, clock_face};

/// How many lines of the transcript are shown.
const FIRST_LINES: usize = 6;
/// How many names of files are shown.
const NAMES: usize = 5;

/// Tells of a finished transcript.
///
/// # Errors
/// When standard output can't be written.
pub async fn success(replay: &Replay, exported: &Exported, as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let notes = notes(replay, exported);
    if as_json {
        let document = json!({
            "status": "ended",
            "run_id": replay.run,
            "transcript_id": replay.transcript,
            "files": exported.files,
            "notes": notes,
            "transcript": exported.document,
        });
        writeln!(out, "{document}")?;
    } else {
        write!(out, "{}", text(&exported.document, exported, &notes))?;
    }
    Ok(out.flush()?)
}

/// Tells of a failed run, and of what may explain it in the folder. What to do next depends on the failure's class.
pub fn failure(replay: &Replay, as_json: bool, task: &str, class: FailureClass, message: &str) {
    if as_json {
        print_json_failure(Some(&replay.run), Some(task), class, message);
        return;
    }
    eprintln!("failed in {task}: {message}");
    for note in replay.folder.notes() {
        eprintln!("  {note}");
    }
    eprintln!("{}", what_next(class));
}

fn what_next(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Permanent => "Mend the cause; the same command then goes on, and keeps what is finished.",
        _ => "This may pass: the same command goes on from here, and keeps what is finished.",
    }
}

/// The one document that `--json` prints when there is no transcript: before a run exists it has neither run nor task.
pub fn print_json_failure(run: Option<&RunId>, task: Option<&str>, class: FailureClass, message: &str) {
    let error = json!({ "task": task, "class": class.as_str(), "message": message });
    let document = json!({ "status": "error", "error": error, "run_id": run });
    // When nobody reads standard output any more, the exit code still tells.
    let _ = writeln!(io::stdout(), "{document}");
}

fn notes(replay: &Replay, exported: &Exported) -> Vec<String> {
    let mut notes = Vec::new();
    if replay.model.is_fixture() {
        notes.push(
            "made with the fixture speech model, which knows 200 words: for real meetings give a real one with --model"
                .to_owned(),
        );
    }
    notes.extend(exported.document.incomplete_tracks.iter().map(|track| format!("{}: {}", track.track, track.reason)));
    notes.extend(replay.folder.notes().iter().cloned());
    if !exported.originals_left.is_empty() {
        let left = &exported.originals_left;
        let shown = left.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
        let more = if left.len() > NAMES { format!(" and {} more", left.len() - NAMES) } else { String::new() };
        notes.push(format!(
            "a participant did not consent to audio being kept; replay does not change the recorded folder, so delete \
             there: {shown}{more}"
        ));
    }
    if exported.deletions_waiting > 0 {
        let waiting = exported.deletions_waiting;
        notes.push(format!(
            "{waiting} files that consent says should go could not be deleted: the same command tries again"
        ));
    }
    notes
}

fn text(document: &TranscriptDocument, exported: &Exported, notes: &[String]) -> String {
    let mut text = format!("\n{}\n{}\n\n", document.title, "═".repeat(document.title.chars().count()));
    let words = document.words.len();
    text += &format!("{} · {} words · language {}\n", clock_face(document.duration), words, document.language);
    text += &format!("{} · texts by {}\n\n", document.backends.speech, document.backends.language);
    text += "Participants\n";
    let widest = document.participants.iter().map(|who| who.name.chars().count()).max().unwrap_or(0);
    for who in &document.participants {
        text += &format!("  {:<widest$}  {:>7}\n", who.name, clock_face(who.talk_time));
    }
    if !document.topics.is_empty() {
        text += "\nTopics\n";
        for topic in &document.topics {
            text += &format!("  {:>7}  {}\n", clock_face(topic.start), topic.title);
        }
    }
    if !document.segments.is_empty() {
        text += "\nTranscript\n";
    }
    for segment in document.segments.iter().take(FIRST_LINES) {
        let name = document.participants.get(segment.speaker).map_or("?", |who| who.name.as_str());
        text += &format!("  {:>7}  {name}: {}\n", clock_face(segment.start), segment.text);
    }
    if document.segments.len() > FIRST_LINES {
        text += &format!("           … {} more\n", document.segments.len() - FIRST_LINES);
    }
    text += "\nFiles\n";
    for file in &exported.files {
        text += &format!("  {}\n", file.display());
    }
    if !notes.is_empty() {
        text += "\nNotes\n";
        for note in notes {
            text += &format!("  {note}\n");
        }
    }
    text
}
