//! `trackscribe replay DIR`: a recorded meeting becomes a transcript, on this machine, with nothing else running.

mod exports;
mod followed;
mod house;
mod identity;
mod progress;
mod summary;

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use self::exports::write_exports;
use self::followed::{Ending, follow};
use self::house::{Replay, ReplayHouse};
use self::identity::Identity;
use super::exit::Exit;
use super::output::Output;
use super::threads;
use crate::config::Config;
use crate::daily::RecordedFolder;
use crate::failure::{FailureClass, with_causes};

const INTERRUPTED: &str = "interrupted; what is finished is kept. The same command goes on from there.";

/// Make a transcript of a recorded meeting in a folder
///
/// DIR holds the track files and, as Daily's REST API answers them, recording.json and participants.json; a consent.json
/// ({"<user or participant id>": false}) is honoured. DIR is only read. The same input again goes on where an interrupted
/// or failed run stopped, or rewrites the exports of a finished one.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The recorded meeting's folder
    pub dir: PathBuf,
    /// Where the transcript goes [default: ./<folder name>-transcript]
    #[arg(long, value_name = "OUT")]
    pub out: Option<PathBuf>,
    /// A whisper.cpp model file, e.g. ggml-large-v3-turbo.bin
    #[arg(long, value_name = "PATH", env = "SPEECH_MODEL")]
    pub model: Option<PathBuf>,
    /// The language that is spoken: an ISO 639-1 code, or auto
    #[arg(long, value_name = "xx")]
    pub language: Option<String>,
    /// Call somebody by a name: a participant's or user's id, and the name
    #[arg(long = "name", value_name = "UUID=Alice", value_parser = given_name)]
    pub names: Vec<(String, String)>,
    /// Make a new run though this input has one
    #[arg(long)]
    pub again: bool,
    /// Print one JSON document on standard output, and nothing else there
    #[arg(long)]
    pub json: bool,
}

fn given_name(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((id, name)) if !id.trim().is_empty() && !name.trim().is_empty() => {
            Ok((id.trim().to_owned(), name.trim().to_owned()))
        }
        _ => Err("write it as ID=Name, e.g. 102b938b-8743-4eb6-94ea-65d003d71684=Alice".to_owned()),
    }
}

/// Tells of an end that came before there was a run, when one JSON document on standard output was asked for.
pub fn print_json_exit(exit: &Exit) {
    match exit {
        Exit::BadInput(error) | Exit::Refused(error) => {
            summary::print_json_failure(None, None, FailureClass::Permanent, &with_causes(error.as_ref()));
        }
        Exit::Failed(error) => {
            summary::print_json_failure(None, None, FailureClass::Retryable, &with_causes(error.as_ref()));
        }
        // Told already, with the run's id.
        Exit::FailedRun | Exit::Interrupted => {}
    }
}

/// Replays a folder and prints what came of it.
///
/// # Errors
/// The way the program is to end.
pub fn run(args: &Args, config: &Config, output: &Output) -> Result<(), Exit> {
    let out = out_folder(args)?;
    let folder = RecordedFolder::open(&args.dir).map_err(|error| Exit::bad_input(error.into()))?;
    refuse_writing_into(folder.root(), &out)?;
    let runtime = threads::several(Some(2))?;
    runtime.block_on(replay(args, config, output, folder, &out))
}

async fn replay(args: &Args, config: &Config, output: &Output, folder: RecordedFolder, out: &Path) -> Result<(), Exit> {
    let house = ReplayHouse::prepare(args, config, folder, out).await?;
    let identity = Identity::of(&house, args).await.map_err(Exit::bad_input)?;
    let replay = house.open(&identity, args.again).await?;
    if !args.json {
        output.line(&format!("{} {} → {}", replay.how.verb(), args.dir.display(), out.display()));
    }
    let result = match follow(&replay, output).await {
        Err(error) => Err(failed(&replay, args, "run", FailureClass::Retryable, &format!("{error:#}"))),
        Ok(Ending::Interrupted) => {
            output.line(INTERRUPTED);
            if args.json {
                summary::print_json_failure(Some(&replay.run), None, FailureClass::Cancelled, INTERRUPTED);
            }
            Err(Exit::Interrupted)
        }
        Ok(Ending::Failed { task, class, message }) => Err(failed(&replay, args, &task, class, &message)),
        Ok(Ending::Completed) => match write_exports(&replay, out).await {
            Ok(exported) => summary::success(&replay, &exported, args.json).await.map_err(Exit::Failed),
            Err(error) => {
                let message = format!(
                    "the transcript is finished, but its files could not be written to {}: {error:#}",
                    out.display()
                );
                Err(failed(&replay, args, "exports", FailureClass::Retryable, &message))
            }
        },
    };
    replay.close().await;
    result
}

fn failed(replay: &Replay, args: &Args, task: &str, class: FailureClass, message: &str) -> Exit {
    summary::failure(replay, args.json, task, class, message);
    Exit::FailedRun
}

fn out_folder(args: &Args) -> Result<PathBuf, Exit> {
    if let Some(out) = &args.out {
        return Ok(out.clone());
    }
    let dir = std::path::absolute(&args.dir).map_err(|error| Exit::bad_input(anyhow!(error)))?;
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).ok_or_else(|| {
        Exit::bad_input(anyhow!("{} has no name to call the transcript's folder by: give --out OUT", dir.display()))
    })?;
    Ok(PathBuf::from(format!("{name}-transcript")))
}

/// DIR is somebody's only copy of a meeting.
fn refuse_writing_into(dir: &Path, out: &Path) -> Result<(), Exit> {
    let absolute = std::path::absolute(out).map_err(|error| Exit::bad_input(anyhow!(error)))?;
    // The nearest part that exists, without links.
    let existing = absolute.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or(absolute);
    if existing.starts_with(dir) {
        let problem = "the transcript can't go into the recorded folder, which is only read: give another --out OUT";
        return Err(Exit::bad_input(anyhow!("{}: {problem}", out.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_name_has_an_id_and_a_name() {
        assert_eq!(given_name("u-1=Alice B"), Ok(("u-1".to_owned(), "Alice B".to_owned())));
        for bad in ["", "=", "x", "x=", "=Alice", " = "] {
            assert!(given_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_recorded_folder_is_never_written_into() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert!(refuse_writing_into(&root, &root).is_err());
        assert!(refuse_writing_into(&root, &root.join("new/out")).is_err());
        assert!(refuse_writing_into(&root.join("meeting"), &root.join("out")).is_ok());
    }
}
