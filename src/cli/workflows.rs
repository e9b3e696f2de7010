//! `trackscribe workflows`: what will run, in which order, and for how long it may.

mod mermaid;
mod text;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;

use crate::workflow::{Definitions, WorkflowDefinition, default_pool_sizes};

/// Look at the workflows that this program runs.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    /// Print each workflow's tasks, what they wait for, and their limits.
    Show(Show),
}

#[derive(Debug, Clone, clap::Args)]
struct Show {
    /// Only this workflow; its exact name.
    name: Option<String>,
    /// For reading, or a diagram for Markdown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// A TOML file that changes limits.
    #[arg(long, env = "WORKFLOW_OVERRIDES", value_name = "FILE")]
    overrides: Option<PathBuf>,
    /// Cores that one speech recognition takes: decides how many run at once.
    #[arg(long, env = "SPEECH_THREADS", value_name = "N", default_value_t = 1, hide = true)]
    speech_threads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Mermaid,
}

/// Prints to standard output.
///
/// # Errors
/// Overrides that can't be used, or a workflow that does not exist: bad usage (exit code 2). Also when standard output
/// can't be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Command::Show(show) = &args.command;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let definitions = Definitions::load(default_pool_sizes(cores, show.speech_threads), show.overrides.as_deref())?;
    let shown = print(&definitions, show.name.as_deref(), show.format)?;
    match std::io::stdout().lock().write_all(shown.as_bytes()) {
        // `… | head` has read enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn print(definitions: &Definitions, name: Option<&str>, format: Format) -> anyhow::Result<String> {
    let workflows: Vec<&WorkflowDefinition> =
        definitions.workflows().iter().filter(|workflow| name.is_none_or(|name| workflow.name == name)).collect();
    if workflows.is_empty() {
        let known: Vec<&str> = definitions.workflows().iter().map(|workflow| workflow.name.as_str()).collect();
        bail!("there is no workflow {:?}; there are: {}", name.unwrap_or_default(), known.join(", "));
    }
    Ok(match format {
        Format::Text => text::show(definitions, &workflows),
        Format::Mermaid => mermaid::show(definitions, &workflows),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_that_does_not_exist_is_refused_with_those_that_do() {
        let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        let error = print(&definitions, Some("diarizationpipeline"), Format::Text).unwrap_err().to_string();
        let wanted = "there is no workflow \"diarizationpipeline\"; there are: DiarizationPipeline, TrackProcessing";
        assert_eq!(error, wanted);
    }

    #[test]
    fn one_workflow_can_be_asked_for() {
        let definitions = Definitions::embedded(default_pool_sizes(2, 1)).unwrap();
        let shown = print(&definitions, Some("TrackProcessing"), Format::Text).unwrap();
        assert!(shown.contains("pad_track") && !shown.contains("finalize"));
    }
}
