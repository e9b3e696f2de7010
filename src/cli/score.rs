//! `trackscribe score HYP TRUTH`: how good a transcript is.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::transcript::{Score, ScoreSide, score};

/// Compare a transcript with the truth, or with another transcript.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The transcript to be judged: a transcript.json.
    pub hyp: PathBuf,
    /// What was really said: a fixture's truth.json, or another transcript.json.
    pub truth: PathBuf,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Seconds around each border of true speech in which diarization is not scored.
    #[arg(long, default_value_t = 0.0, value_parser = collar)]
    pub collar: f64,
}

/// Reads both files, scores, and prints to standard output.
///
/// # Errors
/// A file that can't be read or scored, with its name: bad input (exit code 2).
pub fn run(args: &Args) -> anyhow::Result<Score> {
    let result = score(&side(&args.hyp)?, &side(&args.truth)?, args.collar);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print!("{result}");
    }
    Ok(result)
}

fn side(path: &Path) -> anyhow::Result<ScoreSide> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(ScoreSide::parse(&path.display().to_string(), &bytes)?)
}

fn collar(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("not between 0 and 3600 seconds".to_owned()) }
}
