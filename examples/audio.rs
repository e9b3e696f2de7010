//! Two steps of the pipeline as programs of their own, so that benchmarks can set them against ffmpeg, process against
//! process.
//!
//! `audio align IN OUT` aligns a WebM/Opus track; `audio mix SECONDS THREADS OUT IN…` mixes aligned tracks to MP3.

use std::error::Error;
use std::fs::File;

use tokio_util::sync::CancellationToken;
use trackscribe::audio::{Source, align, mix};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (cancel, mut progress) = (CancellationToken::new(), |_: f64| {});
    let source = |path: &&str| -> std::io::Result<Source> { Ok(Box::new(File::open(path)?)) };
    match arguments.as_slice() {
        ["align", input, output] => {
            let report = align(source(input)?, &mut File::create(output)?, None, &cancel, &mut progress)?;
            println!("offset {:.3} s, {} gaps, {} packets", report.offset, report.gaps.count, report.packets);
        }
        ["mix", seconds, threads, output, inputs @ ..] => {
            let tracks = inputs.iter().map(source).collect::<Result<_, _>>()?;
            let mut sink = File::create(output)?;
            let mixdown = mix(tracks, seconds.parse()?, &mut sink, threads.parse()?, &cancel, &mut progress)?;
            println!("{:.3} s", mixdown.duration);
        }
        _ => return Err("usage: audio align IN OUT | audio mix SECONDS THREADS OUT IN…".into()),
    }
    Ok(())
}
