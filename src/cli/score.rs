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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(hyp: &str) -> Args {
        let truth = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/meetings/standup/truth.json");
        Args { hyp: hyp.into(), truth, json: true, collar: 0.0 }
    }

    #[test]
    fn a_truth_is_scored_against_itself() {
        let truth = args("").truth;
        let score = run(&args(truth.to_str().unwrap())).unwrap();
        assert_eq!((score.words.error_rate, score.words.reference), (Some(0.0), 159));
    }

    #[test]
    fn a_file_that_is_not_there_or_no_transcript_is_named() {
        let error = format!("{:#}", run(&args("/nonexistent.json")).unwrap_err());
        assert!(error.contains("/nonexistent.json"), "{error}");
        let error = format!("{:#}", run(&args(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).unwrap_err());
        assert!(error.contains("Cargo.toml: "), "{error}");
    }

    #[test]
    fn a_collar_is_a_number_of_seconds() {
        assert_eq!(collar("0.25"), Ok(0.25));
        assert!(["-1", "x", "NaN", "inf"].iter().all(|text| collar(text).is_err()));
    }
}
